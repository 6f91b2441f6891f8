//! The access log: a line for each request, off the way of the requests.
//!
//! What is known when a request's head has come is written down at once, before the buffer that it
//! is in goes on to something else; what is noted on the way (`proxy/trail.rs`) follows when the
//! request has ended. Each thread appends its lines to a batch of its own ([`Lines`]) and hands
//! whole batches to the one thread that writes the file ([`Writer`]), through a bounded queue: a
//! request never waits for a disk, and if the queue is full the batch is dropped and counted.

mod calendar;
mod combined;
mod file;
mod json;
mod lines;
mod quoted;
mod text;
mod writer;

use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(super) use json::endpoint;
pub(super) use lines::Lines;
pub(super) use writer::{Outlet, Writer};

use file::LogFile;

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object, with all that is known.
    #[default]
    Json,
    /// What Apache and nginx call `combined`: less, but every tool reads it.
    Combined,
}

/// An access log whose file is open, and that nothing is written to yet.
#[derive(Debug)]
pub struct AccessLog {
    file: LogFile,
    format: LogFormat,
}

/// A file that cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the access log `{}`", path.display())]
pub struct OpenLogError {
    path: PathBuf,
    source: io::Error,
}

impl AccessLog {
    /// Whether a path can be meant, without a look at the file.
    ///
    /// # Errors
    ///
    /// Says what is allowed.
    pub fn check_path(path: &Path) -> Result<(), &'static str> {
        match path.as_os_str().as_bytes() {
            b"" => Err("the path is empty: allowed is the path of a file"),
            b"-" => Err("`-` is not offered, for the addresses are printed on standard output: \
                         allowed is the path of a file, a pipe or a terminal"),
            _ => Ok(()),
        }
    }

    /// Opens the file for appending, and creates it if there is none.
    ///
    /// # Errors
    ///
    /// [`OpenLogError`], whose source is the system's reason.
    pub fn open(path: &Path, format: LogFormat) -> Result<Self, OpenLogError> {
        let failed = |source| OpenLogError { path: path.to_owned(), source };
        let refused = |why| failed(io::Error::new(ErrorKind::InvalidInput, why));
        Self::check_path(path).map_err(refused)?;
        Ok(Self { file: LogFile::open(path).map_err(failed)?, format })
    }
}

#[cfg(test)]
mod tests;

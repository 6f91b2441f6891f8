//! The file that lines are appended to: a regular one, a pipe or a terminal.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::clock::{self, Instant};

/// Its owner writes, its group may read, and nobody else: it has people's addresses in it.
const MODE: u32 = 0o640;

/// A file of lines, which stay whole.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// The rest of a line whose beginning was written. It goes first.
    owed: Vec<u8>,
}

/// Lines that could not all be written.
#[derive(Debug)]
pub(super) struct Cut {
    /// Those that are in the file, or whose rest is owed to it.
    pub(super) written: u64,
    /// Why the others are not.
    pub(super) error: io::Error,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let mut owed = Vec::new();
        if is_torn(path) {
            // Whoever wrote it was ended in the middle of a line.
            owed.push(b'\n');
        }
        Ok(Self { path: path.to_owned(), file, owed })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what has the name now. If that fails, the old one is kept.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let next = Self::open(&self.path)?;
        // Its last chance.
        let _ = self.pay(clock::now());
        *self = next;
        Ok(())
    }

    /// Appends lines. A pipe that is full is waited for until `until`.
    pub(super) fn write(&mut self, bytes: &[u8], until: Instant) -> Result<(), Cut> {
        self.pay(until).map_err(|error| Cut { written: 0, error })?;
        let (count, failure) = write_all(&self.file, bytes, until);
        let Some(error) = failure else { return Ok(()) };
        let (gone, rest) = bytes.split_at(count);
        let mut written = count_lines(gone);
        if gone.last().is_some_and(|&byte| byte != b'\n') {
            let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            self.owed.extend_from_slice(&rest[..end]);
            written += 1;
        }
        Err(Cut { written, error })
    }

    fn pay(&mut self, until: Instant) -> io::Result<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        let (count, failure) = write_all(&self.file, &self.owed, until);
        self.owed.drain(..count);
        failure.map_or(Ok(()), Err)
    }
}

/// A pipe without a reader is refused instead of waited for; and one that is full, too, later.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE).custom_flags(flags.bits() as i32);
    options.open(path)
}

/// Whether a regular file ends in the middle of a line, as far as can be seen.
fn is_torn(path: &Path) -> bool {
    let Some(found) = path.metadata().ok().filter(Metadata::is_file) else { return false };
    let length = found.len();
    let mut last = [b'\n'];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, length.max(1) - 1));
    length > 0 && read.is_ok() && last != [b'\n']
}

/// Writes as much as it can, and says how much that was.
fn write_all(mut file: &File, bytes: &[u8], until: Instant) -> (usize, Option<io::Error>) {
    let mut count = 0;
    while count < bytes.len() {
        match file.write(&bytes[count..]) {
            Ok(0) => return (count, Some(ErrorKind::WriteZero.into())),
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !has_room(file, until.since(clock::now())) {
                    return (count, Some(error));
                }
            }
            Err(error) => return (count, Some(error)),
        }
    }
    (count, None)
}

/// Waits until there is room, or something to say about it.
fn has_room(file: &File, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).ok();
    // Interrupted by a signal, it is asked again by whoever tries to write.
    let polled = poll(&mut [PollFd::new(file, PollFlags::OUT)], limit.as_ref());
    !matches!(polled, Ok(0))
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

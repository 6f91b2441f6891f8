//! Tasks in an SQLite file of this machine: one writer with group commit, a few readers.

mod file;
mod readers;
mod statements;
mod transfer;
mod writer;

use std::path::{Path, PathBuf};

use self::file::DataLock;
pub(super) use self::file::OpenError;
use self::readers::Readers;
pub(super) use self::transfer::{Source, Target};
use super::change::{self, Change, Outcome};
use super::queue::{Writer, queue};
use super::store::{Error, Listed, Page, Store};
use super::task::{Task, TaskId};

/// An open database, which no other service has open.
pub(super) struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    /// Dropped last: the data is ours until nothing of it is open.
    _lock: DataLock,
}

impl SqliteStore {
    /// Opens the file, or makes it; refuses one that is not ours or that is in use.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let path = file::resolve(path)?;
        file::check(&path)?;
        let lock = DataLock::take(&path)?;
        let connection = file::open(&path)?;
        let readers = Readers::open(&path)?;
        let (writer, queue) = queue();
        writer::start(connection, queue).map_err(OpenError::Thread)?;
        Ok(Self { path, writer, readers, _lock: lock })
    }

    /// The file, from the root.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Store for SqliteStore {
    async fn write(&self, change: Change) -> Outcome {
        self.writer.write(change).await
    }

    async fn list(&self, page: Page) -> Result<Listed, Error> {
        self.readers.read(move |connection| statements::list(connection, page)).await
    }

    async fn get(&self, id: TaskId) -> Result<Task, Error> {
        let found = self.readers.read(move |connection| match statements::get(connection, id)? {
            Some(task) => Ok(Ok(task)),
            None => statements::last(connection).map(|last| Err(change::absent(id, last))),
        });
        found.await?
    }

    async fn check(&self) -> Result<(), Error> {
        if !self.writer.is_running() {
            return Err(Error::Closed);
        }
        self.readers.read(statements::last).await.map(drop)
    }

    async fn close(&self) -> Result<(), Error> {
        self.readers.close().await;
        self.writer.close().await
    }
}

//! All of a database, to read and to write.

use std::path::Path;

use rusqlite::Connection;

use super::super::store::Page;
use super::super::task::{Task, TaskId};
use super::super::transfer::{PAGE, Remembered, Rest};
use super::file::{self, DataLock, OpenError};
use super::statements;
use crate::clock;

/// A database as it was when this was opened; whoever serves it is not disturbed.
pub(in crate::tasks) struct Source(Connection);

/// An empty database, in one transaction that ends with [`Target::finish`].
pub(in crate::tasks) struct Target {
    connection: Connection,
    _lock: DataLock,
}

impl Source {
    pub(in crate::tasks) fn open(path: &Path) -> Result<Self, OpenError> {
        let path = file::resolve(path)?;
        file::check(&path)?;
        let connection = file::open_source(&path)?;
        // The first read of a transaction decides what all its reads see.
        let begun = connection
            .execute_batch("BEGIN")
            .and_then(|()| statements::last(&connection))
            .map_err(|error| OpenError::Sqlite(path, error));
        begun.map(|_| Self(connection))
    }

    pub(in crate::tasks) fn page(&self, after: TaskId) -> rusqlite::Result<Vec<Task>> {
        let page = Page { after, limit: PAGE, search: None };
        statements::list(&self.0, page).map(|listed| listed.tasks)
    }

    pub(in crate::tasks) fn rest(&self) -> rusqlite::Result<Rest> {
        let last = statements::last(&self.0)?;
        let keys = statements::keys(&self.0, clock::wall_milliseconds())?;
        Ok(Rest { last, keys })
    }
}

impl Target {
    /// `None`: there are tasks, or there have been.
    pub(in crate::tasks) fn open(path: &Path) -> Result<Option<Self>, OpenError> {
        let path = file::resolve(path)?;
        file::check(&path)?;
        let lock = DataLock::take(&path)?;
        let connection = file::open(&path)?;
        let last = connection
            .execute_batch("BEGIN IMMEDIATE")
            .and_then(|()| statements::last(&connection))
            .map_err(|error| OpenError::Sqlite(path, error))?;
        Ok((last == TaskId(0)).then_some(Self { connection, _lock: lock }))
    }

    pub(in crate::tasks) fn put(&self, tasks: &[Task]) -> rusqlite::Result<()> {
        tasks.iter().try_for_each(|task| statements::insert(&self.connection, task))
    }

    /// Commits, and leaves one file that holds everything. Whoever serves it makes a log again.
    pub(in crate::tasks) fn finish(self, rest: &Rest) -> rusqlite::Result<()> {
        statements::set_last(&self.connection, rest.last)?;
        for Remembered { key, used, since } in &rest.keys {
            statements::remember(&self.connection, key, used, *since)?;
        }
        self.connection.execute_batch("COMMIT")?;
        self.connection.pragma_update(None, "journal_mode", "DELETE")?;
        self.connection.close().map_err(|(_, error)| error)
    }
}

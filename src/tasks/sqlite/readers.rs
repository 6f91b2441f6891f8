//! The connections that read. In write-ahead mode they never wait for the writer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::store::Error;
use super::file::{self, OpenError};

/// How many read at a time. Reads come from the page cache; more would only wait for a core.
const READERS: usize = 4;

/// A few connections and the right to use one.
pub(super) struct Readers {
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// A connection in use; goes back when dropped, also when the read panicked.
struct Lease {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Opens all connections.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let connections = (0..READERS).map(|_| file::open_reader(path));
        let idle = connections.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { permits: Arc::new(Semaphore::new(READERS)), idle: Arc::new(Mutex::new(idle)) })
    }

    /// Runs `query` on a connection, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let permits = Arc::clone(&self.permits);
        // As many wait here as there are connections to the service, which are bounded.
        let permit = permits.acquire_owned().await.map_err(|_| Error::Closed)?;
        let idle = Arc::clone(&self.idle);
        // The permit and the connection go along: a request that is given up half-way leaves its
        // read running, and both in use.
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let lease = Lease::take(idle);
            query(lease.connection.as_ref().ok_or(Error::Closed)?).map_err(Error::failed)
        });
        read.await.map_err(Error::failed)?
    }

    /// Waits for the reads that run, refuses the others, and closes the connections.
    pub(super) async fn close(&self) {
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        // Already closed: the other one who closes waits for the reads.
        let Ok(permits) = self.permits.acquire_many(all).await else { return };
        self.permits.close();
        drop(permits);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Lease {
    fn take(idle: Arc<Mutex<Vec<Connection>>>) -> Self {
        let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { connection, idle }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.connection.take());
    }
}

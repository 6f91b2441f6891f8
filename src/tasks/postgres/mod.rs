//! Tasks in a PostgreSQL database, which several services may share.

mod backoff;
mod batch;
mod connections;
mod schema;
mod statements;
mod transfer;
mod url;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use self::connections::{AuthorityError, Connections, Failure};
use self::schema::SchemaError;
pub(super) use self::transfer::{Source, Target};
pub use self::url::PostgresUrl;
use super::change::{self, Change, Outcome};
use super::listing::Limits;
use super::queue::{Writer, queue};
use super::store::{Error, Listed, Page, Store};
use super::task::{Task, TaskId};
use crate::clock;

/// How long a database may be away while the service starts: it may be starting, too.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause between two tries to reach it meanwhile.
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// An open database.
pub(super) struct PostgresStore {
    connections: Arc<Connections>,
    writer: Writer,
    /// Holds the writer's task.
    tasks: TaskTracker,
}

/// A database that was not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("{url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{url}")]
    Schema { url: String, source: SchemaError },
    #[error("{url}")]
    Query { url: String, source: tokio_postgres::Error },
}

impl OpenError {
    fn query(url: &PostgresUrl, source: tokio_postgres::Error) -> Self {
        Self::Query { url: url.shown().to_owned(), source }
    }
}

impl PostgresStore {
    /// Waits for the database for a while, and brings its tables up to date.
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let connections = Arc::new(Connections::new(url)?);
        let mut client = reach(&connections, url).await?;
        let migrated = schema::migrate(&mut client).await;
        migrated.map_err(|source| OpenError::Schema { url: url.shown().to_owned(), source })?;
        let (writer, queue) = queue();
        let tasks = TaskTracker::new();
        tasks.spawn(writer::run(Arc::clone(&connections), queue));
        tasks.close();
        Ok(Self { connections, writer, tasks })
    }
}

/// The first connection.
async fn reach(
    connections: &Connections,
    url: &PostgresUrl,
) -> Result<deadpool_postgres::Client, OpenError> {
    let deadline = clock::now() + OPEN_TIMEOUT;
    loop {
        let failure = match connections.take().await {
            Ok(client) => return Ok(client),
            Err(failure) => failure,
        };
        if clock::now() >= deadline || matches!(failure, Failure::Refused(_)) {
            let reason = failure.to_string();
            return Err(OpenError::Unreachable { url: url.shown().to_owned(), reason });
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}

impl Store for PostgresStore {
    async fn write(&self, change: Change) -> Outcome {
        self.writer.write(change).await
    }

    async fn list(&self, page: Page) -> Result<Listed, Error> {
        let limits = Limits::of(&page);
        let (tasks, bytes) = (limits.tasks as i64, limits.bytes as i64);
        let rows =
            self.connections.rows(statements::LIST, &[&page.after.0, &tasks, &bytes]).await?;
        Ok(statements::listed(page, &rows).map_err(Failure::from)?)
    }

    async fn get(&self, id: TaskId) -> Result<Task, Error> {
        let rows = self.connections.rows(statements::GET, &[&id.0]).await?;
        let row = rows.first().ok_or(Error::Missing(id))?;
        let task = statements::task(row).map_err(Failure::from)?;
        let last = TaskId(row.try_get("last_id").map_err(Failure::from)?);
        task.ok_or(change::absent(id, last))
    }

    async fn check(&self) -> Result<(), Error> {
        if !self.writer.is_running() {
            return Err(Error::Closed);
        }
        Ok(self.connections.rows(statements::CHECK, &[]).await.map(drop)?)
    }

    async fn close(&self) -> Result<(), Error> {
        let closed = self.writer.close().await;
        self.tasks.wait().await;
        closed
    }
}

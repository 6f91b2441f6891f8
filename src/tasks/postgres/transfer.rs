//! All of a database, to read and to write.

use deadpool_postgres::Client;
use tokio_postgres::Error;

use super::super::change::{Use, milliseconds, oldest_use};
use super::super::store::Page;
use super::super::task::{IdempotencyKey, Task, TaskId};
use super::super::transfer::{PAGE, Remembered, Rest};
use super::batch::{self, Columns};
use super::connections::Connections;
use super::url::PostgresUrl;
use super::{OpenError, reach, schema, statements};
use crate::clock;

/// The bytes of a page; the first task is in it anyway.
const PAGE_BYTES: i64 = 1024 * 1024;

const KEYS: &str = "
    SELECT key, task, fingerprint, created_at FROM cloudaps.idempotency
    WHERE created_at >= $1 ORDER BY created_at";

/// A database as it was when this was opened; whoever serves it is not disturbed.
pub(in crate::tasks) struct Source {
    client: Client,
    /// Dropped last: closes the connection.
    _connections: Connections,
}

/// An empty database, in one transaction that ends with [`Target::finish`].
pub(in crate::tasks) struct Target {
    client: Client,
    _connections: Connections,
}

impl Source {
    pub(in crate::tasks) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let (client, connections) = open(url).await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        client.batch_execute(begin).await.map_err(|error| OpenError::query(url, error))?;
        Ok(Self { client, _connections: connections })
    }

    pub(in crate::tasks) async fn page(&self, after: TaskId) -> Result<Vec<Task>, Error> {
        let statement = self.client.prepare_cached(statements::LIST).await?;
        let rows = self.client.query(&statement, &[&after.0, &(PAGE as i64), &PAGE_BYTES]).await?;
        let page = Page { after, limit: PAGE, search: None };
        statements::listed(page, &rows).map(|listed| listed.tasks)
    }

    pub(in crate::tasks) async fn rest(&self) -> Result<Rest, Error> {
        let oldest = oldest_use(clock::wall_milliseconds());
        let mut rest = Rest::default();
        for row in self.client.query(KEYS, &[&oldest]).await? {
            let key: String = row.try_get(0)?;
            // What is in the table has come in through the same door.
            let Ok(key) = IdempotencyKey::new(key.as_bytes()) else { continue };
            let used = Use { task: TaskId(row.try_get(1)?), fingerprint: row.try_get(2)? };
            rest.keys.push(Remembered { key, used, since: statements::time(&row, 3)? });
        }
        rest.last = TaskId(self.client.query_one(statements::CHECK, &[]).await?.try_get(0)?);
        Ok(rest)
    }
}

impl Target {
    /// `None`: there are tasks, or there have been.
    pub(in crate::tasks) async fn open(url: &PostgresUrl) -> Result<Option<Self>, OpenError> {
        let (client, connections) = open(url).await?;
        let failed = |error| OpenError::query(url, error);
        client.batch_execute("BEGIN").await.map_err(failed)?;
        client.query_one(batch::LOCK_SQL, &[&batch::LOCK]).await.map_err(failed)?;
        let last = client.query_one(statements::CHECK, &[]).await;
        let last: i64 = last.and_then(|row| row.try_get(0)).map_err(failed)?;
        Ok((last == 0).then_some(Self { client, _connections: connections }))
    }

    pub(in crate::tasks) async fn put(&self, tasks: &[Task]) -> Result<(), Error> {
        let statement = self.client.prepare_cached(batch::ADD).await?;
        self.client.execute(&statement, &Columns::of(tasks).all()).await.map(drop)
    }

    /// Commits.
    pub(in crate::tasks) async fn finish(self, rest: &Rest) -> Result<(), Error> {
        let keys: Vec<&str> = rest.keys.iter().map(|it| it.key.as_str()).collect();
        let tasks: Vec<i64> = rest.keys.iter().map(|it| it.used.task.0).collect();
        let prints: Vec<i64> = rest.keys.iter().map(|it| it.used.fingerprint).collect();
        let times: Vec<i64> = rest.keys.iter().map(|it| milliseconds(it.since)).collect();
        self.client.execute(batch::REMEMBER, &[&keys, &tasks, &prints, &times]).await?;
        self.client.execute(batch::COUNT, &[&rest.last.0]).await?;
        self.client.batch_execute("COMMIT").await
    }
}

/// A connection whose tables are up to date.
async fn open(url: &PostgresUrl) -> Result<(Client, Connections), OpenError> {
    let connections = Connections::new(url)?;
    let mut client = reach(&connections, url).await?;
    schema::migrate(&mut client)
        .await
        .map_err(|source| OpenError::Schema { url: url.shown().to_owned(), source })?;
    Ok((client, connections))
}

//! A batch of changes as one transaction: two trips to the database, however many changes.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::super::change::{self, Change, Known, Use, Writes, milliseconds, oldest_use};
use super::super::task::{IdempotencyKey, Task, TaskId};
use super::statements;

/// The advisory lock of whoever writes; it reads "CLAPTASK". One writes at a time, whatever the
/// number of services: so numbers have no gaps and appear in their order.
pub(super) const LOCK: i64 = 0x434c_4150_5441_534b;

/// Old keys that each new one takes away. Two, so that they grow fewer.
const KEYS_FORGOTTEN: usize = 2;

/// The transaction's own number comes along: it tells later whether it was committed.
pub(super) const LOCK_SQL: &str = "SELECT txid_current(), pg_advisory_xact_lock($1)";

const COUNTER: &str = "SELECT last_id FROM cloudaps.counter";

const TASKS: &str = "
    SELECT id, text, done, version, created_at, updated_at FROM cloudaps.task WHERE id = ANY($1)";

/// The keys that are remembered, with the tasks that they added.
const KEYS: &str = "
    SELECT t.id, t.text, t.done, t.version, t.created_at, t.updated_at, k.key, k.task, k.fingerprint
    FROM cloudaps.idempotency AS k LEFT JOIN cloudaps.task AS t ON t.id = k.task
    WHERE k.key = ANY($1) AND k.created_at >= $2";

pub(super) const ADD: &str = "
    INSERT INTO cloudaps.task (id, text, done, version, created_at, updated_at)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::bigint[], $5::bigint[],
                         $6::bigint[])";

const CHANGE: &str = "
    UPDATE cloudaps.task AS t
    SET text = n.text, done = n.done, version = n.version, updated_at = n.updated_at
    FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::bigint[], $5::bigint[])
         AS n (id, text, done, version, updated_at)
    WHERE t.id = n.id";

const REMOVE: &str = "DELETE FROM cloudaps.task WHERE id = ANY($1)";

pub(super) const COUNT: &str = "UPDATE cloudaps.counter SET last_id = $1";

const FORGET: &str = "
    DELETE FROM cloudaps.idempotency WHERE key IN (
        SELECT key FROM cloudaps.idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)";

pub(super) const REMEMBER: &str = "
    INSERT INTO cloudaps.idempotency (key, task, fingerprint, created_at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
    ON CONFLICT (key) DO UPDATE
    SET task = excluded.task, fingerprint = excluded.fingerprint, created_at = excluded.created_at";

/// A transaction that holds the lock.
pub(super) struct Batch {
    client: Client,
    /// Its number.
    id: i64,
    now: Duration,
}

/// How a transaction failed to be committed.
pub(super) enum Uncommitted {
    /// It was undone.
    Undone(Error),
    /// Nobody said what became of it.
    Unknown(Error),
}

impl Batch {
    /// Begins, waits for whoever else writes, and looks up what `changes` are about.
    pub(super) async fn begin(
        client: Client,
        changes: &[Change],
        now: Duration,
    ) -> Result<(Self, Known), Error> {
        let [lock, counter, tasks, keys] =
            prepared(&client, [LOCK_SQL, COUNTER, TASKS, KEYS]).await?;
        let ids: Vec<i64> = change::named(changes).iter().map(|id| id.0).collect();
        let named: Vec<&str> = change::keys(changes).iter().map(|key| key.as_str()).collect();
        let oldest = oldest_use(now);
        // Sent at once, in this order; each sees what was committed before the lock was had.
        let begun = tokio::try_join!(
            biased;
            client.batch_execute("BEGIN"),
            client.query_one(&lock, &[&LOCK]),
            client.query_one(&counter, &[]),
            ask(&client, &tasks, ids.len(), [&ids]),
            ask(&client, &keys, named.len(), [&named, &oldest]),
        );
        let known = begun.and_then(|((), lock, counter, tasks, keys)| {
            Ok((lock.try_get(0)?, known(counter.try_get(0)?, &tasks, &keys)?))
        });
        match known {
            Ok((id, known)) => Ok((Self { client, id, now }, known)),
            Err(error) => {
                abandon(client);
                Err(error)
            }
        }
    }

    /// The transaction's number, by which the database knows what became of it.
    pub(super) const fn id(&self) -> i64 {
        self.id
    }

    /// Writes and commits.
    pub(super) async fn commit(self, writes: &Writes) -> Result<(), Uncommitted> {
        match self.send(writes).await {
            Ok(()) => Ok(()),
            Err(error) => {
                abandon(self.client);
                // An error that does not end the connection ends the transaction.
                let is_undone = error.as_db_error().is_some_and(|it| it.severity() == "ERROR");
                Err(if is_undone {
                    Uncommitted::Undone(error)
                } else {
                    Uncommitted::Unknown(error)
                })
            }
        }
    }

    /// Everything at once; where one fails the database undoes all, and `COMMIT` commits nothing.
    async fn send(&self, writes: &Writes) -> Result<(), Error> {
        let client = &self.client;
        let [add, change, remove, count, forget, remember] =
            prepared(client, [ADD, CHANGE, REMOVE, COUNT, FORGET, REMEMBER]).await?;
        let (added, changed) = (Columns::of(&writes.added), Columns::of(&writes.changed));
        let removed: Vec<i64> = writes.removed.iter().map(|id| id.0).collect();
        let last = writes.last.map(|last| last.0);
        let keys: Vec<&str> = writes.keys.iter().map(|(key, _)| key.as_str()).collect();
        let tasks: Vec<i64> = writes.keys.iter().map(|(_, used)| used.task.0).collect();
        let prints: Vec<i64> = writes.keys.iter().map(|(_, used)| used.fingerprint).collect();
        let (oldest, now) = (oldest_use(self.now), vec![milliseconds(self.now); keys.len()]);
        let forgotten = (keys.len() * KEYS_FORGOTTEN) as i64;
        tokio::try_join!(
            biased;
            ask(client, &add, writes.added.len(), added.all()),
            ask(client, &change, writes.changed.len(), changed.without_creation()),
            ask(client, &remove, removed.len(), [&removed]),
            ask(client, &count, last.iter().len(), [&last]),
            ask(client, &forget, keys.len(), [&oldest, &forgotten]),
            ask(client, &remember, keys.len(), [&keys, &tasks, &prints, &now]),
            client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }
}

/// The tasks' columns, as arrays.
pub(super) struct Columns<'a> {
    ids: Vec<i64>,
    texts: Vec<&'a str>,
    done: Vec<bool>,
    versions: Vec<i64>,
    created: Vec<i64>,
    updated: Vec<i64>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(tasks: &'a [Task]) -> Self {
        Self {
            ids: tasks.iter().map(|task| task.id.0).collect(),
            texts: tasks.iter().map(|task| task.text.as_str()).collect(),
            done: tasks.iter().map(|task| task.done).collect(),
            versions: tasks.iter().map(|task| task.version).collect(),
            created: tasks.iter().map(|task| milliseconds(task.created)).collect(),
            updated: tasks.iter().map(|task| milliseconds(task.updated)).collect(),
        }
    }

    pub(super) fn all(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.ids, &self.texts, &self.done, &self.versions, &self.created, &self.updated]
    }

    fn without_creation(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.ids, &self.texts, &self.done, &self.versions, &self.updated]
    }
}

/// The statements of these texts; each is sent to the database once per connection.
async fn prepared<const N: usize>(
    client: &Client,
    texts: [&str; N],
) -> Result<[Statement; N], Error> {
    let mut statements = Vec::with_capacity(N);
    for text in texts {
        statements.push(client.prepare_cached(text).await?);
    }
    Ok(statements.try_into().unwrap_or_else(|_| unreachable!("as many as there are texts")))
}

/// Sends a statement that is about so many things; if there are none, nothing is asked.
async fn ask<const N: usize>(
    client: &Client,
    statement: &Statement,
    things: usize,
    parameters: [&(dyn ToSql + Sync); N],
) -> Result<Vec<Row>, Error> {
    if things == 0 { Ok(Vec::new()) } else { client.query(statement, &parameters).await }
}

fn known(last: i64, tasks: &[Row], keys: &[Row]) -> Result<Known, Error> {
    let mut known = Known { last: TaskId(last), ..Known::default() };
    for row in tasks.iter().chain(keys) {
        known.tasks.extend(statements::task(row)?.map(|task| (task.id, task)));
    }
    for row in keys {
        let key: String = row.try_get("key")?;
        // What is in the table has come in through the same door.
        let Ok(key) = IdempotencyKey::new(key.as_bytes()) else { continue };
        let used =
            Use { task: TaskId(row.try_get("task")?), fingerprint: row.try_get("fingerprint")? };
        known.keys.insert(key, used);
    }
    Ok(known)
}

/// Closes the connection instead of giving it back: the database then undoes what it began.
fn abandon(client: Client) {
    drop(Client::take(client));
}

//! The tables, which one service at a time brings up to date.

use deadpool_postgres::Client;

/// What brings a database from version `i` to `i + 1`. Only ever appended to: databases of every
/// version are out there.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE cloudaps.task (
        id bigint PRIMARY KEY,
        text text NOT NULL,
        done boolean NOT NULL,
        version bigint NOT NULL,
        created_at bigint NOT NULL, -- ms since 1970, as in the other stores
        updated_at bigint NOT NULL
    );
    -- The greatest number ever given. A sequence would leave gaps where a transaction is undone,
    -- and nobody could tell them from removed tasks.
    CREATE TABLE cloudaps.counter (last_id bigint NOT NULL);
    INSERT INTO cloudaps.counter VALUES (0);
    -- Apart from the tasks, so that a key outlives the task that it added.
    CREATE TABLE cloudaps.idempotency (
        key text COLLATE \"C\" PRIMARY KEY,
        task bigint NOT NULL,
        fingerprint bigint NOT NULL,
        created_at bigint NOT NULL
    );
    CREATE INDEX idempotency_by_age ON cloudaps.idempotency (created_at);
"];

/// The advisory lock under which the schema changes; it reads "CLAPSCHM".
const LOCK: i64 = 0x434c_4150_5343_484d;

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::tasks) enum SchemaError {
    #[error("the database has a schema `cloudaps` that is not of tasks; it was left as it is")]
    NotOurs,
    #[error("the schema `cloudaps` is of version {found}; this program knows those up to {known}")]
    Newer { found: i32, known: usize },
    #[error("cannot set up the schema `cloudaps`")]
    Failed(#[source] tokio_postgres::Error),
}

/// Brings the tables up to date. The common case needs no right but to read.
pub(super) async fn migrate(client: &mut Client) -> Result<(), SchemaError> {
    if version(client).await? == MIGRATIONS.len() {
        return Ok(());
    }
    let failed = SchemaError::Failed;
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    // Somebody else may have done it while we waited.
    let begun = version(transaction.client()).await?;
    if begun == 0 {
        let begin = "CREATE SCHEMA cloudaps;
                     CREATE TABLE cloudaps.version (version integer NOT NULL);
                     INSERT INTO cloudaps.version VALUES (0)";
        transaction.batch_execute(begin).await.map_err(failed)?;
    }
    for migration in MIGRATIONS.iter().skip(begun) {
        transaction.batch_execute(migration).await.map_err(failed)?;
    }
    let version = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    let update = "UPDATE cloudaps.version SET version = $1";
    transaction.execute(update, &[&version]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Which version the tables have; 0 when there are none.
async fn version(client: &tokio_postgres::Client) -> Result<usize, SchemaError> {
    // Not `to_regclass`, which may remember what was there before the lock was had.
    let sql = "
        SELECT count(*) > 0, count(c.oid) > 0 FROM pg_namespace AS n
        LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'version'
        WHERE n.nspname = 'cloudaps'";
    let there = client.query_one(sql, &[]).await.map_err(SchemaError::Failed)?;
    match (there.get(0), there.get(1)) {
        (_, true) => {}
        (true, false) => return Err(SchemaError::NotOurs),
        (false, false) => return Ok(0),
    }
    let row = client.query_one("SELECT version FROM cloudaps.version", &[]).await;
    let found: i32 = row.and_then(|row| row.try_get(0)).map_err(SchemaError::Failed)?;
    let known = MIGRATIONS.len();
    usize::try_from(found)
        .ok()
        .filter(|found| *found <= known)
        .ok_or(SchemaError::Newer { found, known })
}

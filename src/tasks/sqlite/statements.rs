//! What is asked of the database. No transaction begins or ends here.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::change::{self, Change, Known, Use, Writes, milliseconds, oldest_use};
use super::super::listing::Listing;
use super::super::store::{Listed, Page};
use super::super::task::{IdempotencyKey, Task, TaskId};
use super::super::transfer::Remembered;

/// Old keys that each new one takes away. Two, so that they grow fewer.
const KEYS_FORGOTTEN: usize = 2;

pub(super) fn get(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<Task>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, text, done, version, created_at, updated_at FROM task WHERE id = ?1",
    )?;
    statement.query_row([id.0], task).optional()
}

/// The greatest number that was ever given; 0 before the first.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<TaskId> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'task'")?;
    let last = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(TaskId(last.unwrap_or(0)))
}

pub(super) fn list(connection: &Connection, page: Page) -> rusqlite::Result<Listed> {
    let mut statement = connection.prepare_cached(
        "SELECT id, text, done, version, created_at, updated_at FROM task
         WHERE id > ?1 ORDER BY id",
    )?;
    // Rows are read as they are asked for, so that a full page costs no more than itself.
    let mut rows = statement.query([page.after.0])?;
    let mut listing = Listing::new(page);
    while let Some(row) = rows.next()? {
        if listing.take(task(row)?).is_break() {
            break;
        }
    }
    Ok(listing.finish())
}

/// What the database has of what `changes` are about.
pub(super) fn look_up(
    connection: &Connection,
    changes: &[Change],
    now: Duration,
) -> rusqlite::Result<Known> {
    let mut known = Known { last: last(connection)?, ..Known::default() };
    let mut ids = change::named(changes);
    for key in change::keys(changes) {
        if let Some(used) = used(connection, key, now)? {
            ids.push(used.task);
            known.keys.insert(key.clone(), used);
        }
    }
    for id in ids {
        known.tasks.extend(get(connection, id)?.map(|task| (id, task)));
    }
    Ok(known)
}

pub(super) fn write(
    connection: &Connection,
    writes: &Writes,
    now: Duration,
) -> rusqlite::Result<()> {
    for task in &writes.added {
        insert(connection, task)?;
    }
    for task in &writes.changed {
        update(connection, task)?;
    }
    for id in &writes.removed {
        connection.prepare_cached("DELETE FROM task WHERE id = ?1")?.execute([id.0])?;
    }
    if let Some(last) = writes.last {
        set_last(connection, last)?;
    }
    forget(connection, writes.keys.len() * KEYS_FORGOTTEN, now)?;
    for (key, used) in &writes.keys {
        remember(connection, key, used, now)?;
    }
    Ok(())
}

pub(super) fn insert(connection: &Connection, task: &Task) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO task (id, text, done, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let (created, updated) = (milliseconds(task.created), milliseconds(task.updated));
    statement.execute(params![task.id.0, task.text, task.done, task.version, created, updated])?;
    Ok(())
}

fn update(connection: &Connection, task: &Task) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE task SET text = ?2, done = ?3, version = ?4, updated_at = ?5 WHERE id = ?1",
    )?;
    let updated = milliseconds(task.updated);
    statement.execute(params![task.id.0, task.text, task.done, task.version, updated])?;
    Ok(())
}

/// SQLite counts what is inserted; here it is told of numbers that left no task behind, too.
pub(super) fn set_last(connection: &Connection, last: TaskId) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'task'")?;
    if statement.execute([last.0])? == 0 {
        connection
            .execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('task', ?1)", [last.0])?;
    }
    Ok(())
}

/// What the key was used for, while that is remembered.
fn used(
    connection: &Connection,
    key: &IdempotencyKey,
    now: Duration,
) -> rusqlite::Result<Option<Use>> {
    let mut statement = connection.prepare_cached(
        "SELECT task, fingerprint FROM idempotency WHERE key = ?1 AND created_at >= ?2",
    )?;
    let used = |row: &Row<'_>| Ok(Use { task: TaskId(row.get(0)?), fingerprint: row.get(1)? });
    statement.query_row(params![key.as_str(), oldest_use(now)], used).optional()
}

pub(super) fn remember(
    connection: &Connection,
    key: &IdempotencyKey,
    used: &Use,
    now: Duration,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (key, task, fingerprint, created_at)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    let now = milliseconds(now);
    statement.execute(params![key.as_str(), used.task.0, used.fingerprint, now])?;
    Ok(())
}

/// The keys that are remembered at `now`.
pub(super) fn keys(connection: &Connection, now: Duration) -> rusqlite::Result<Vec<Remembered>> {
    let mut statement = connection.prepare(
        "SELECT key, task, fingerprint, created_at FROM idempotency
         WHERE created_at >= ?1 ORDER BY created_at",
    )?;
    let mut rows = statement.query([oldest_use(now)])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        // What is in the table has come in through the same door.
        let Ok(key) = IdempotencyKey::new(key.as_bytes()) else { continue };
        let used = Use { task: TaskId(row.get(1)?), fingerprint: row.get(2)? };
        keys.push(Remembered { key, used, since: time(row, 3)? });
    }
    Ok(keys)
}

/// Takes away at most so many keys that are too old to be remembered.
fn forget(connection: &Connection, count: usize, now: Duration) -> rusqlite::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "DELETE FROM idempotency WHERE key IN (
             SELECT key FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
    )?;
    statement.execute(params![oldest_use(now), count as i64])?;
    Ok(())
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: TaskId(row.get(0)?),
        text: row.get(1)?,
        done: row.get(2)?,
        version: row.get(3)?,
        created: time(row, 4)?,
        updated: time(row, 5)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Duration> {
    row.get(column).map(|since_1970: i64| Duration::from_millis(since_1970.unsigned_abs()))
}

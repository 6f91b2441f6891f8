//! What is asked of the database. No transaction begins or ends here.
//!
//! A change returns two results: the outer one is the store's failure, which undoes the whole
//! transaction; the inner one is the answer to this change alone.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::store::{Error, Listed, PAGE_BYTES_MAX, Page, Rest};
use super::super::task::{IdempotencyKey, NewTask, Task, TaskId, Value};

/// How long a key is remembered: longer than anybody keeps trying.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Old keys that each new one takes away. Two, so that they grow fewer.
const KEYS_FORGOTTEN: i64 = 2;

type Answer = rusqlite::Result<Result<Task, Error>>;

pub(super) fn get(connection: &Connection, id: TaskId) -> rusqlite::Result<Option<Task>> {
    let mut statement =
        connection.prepare_cached("SELECT id, value, created_at FROM task WHERE id = ?1")?;
    statement.query_row([id.0], task).optional()
}

pub(super) fn list(connection: &Connection, page: Page) -> rusqlite::Result<Listed> {
    let mut statement = connection.prepare_cached(
        "SELECT id, value, created_at FROM task WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    // One more than asked for tells whether there are more.
    let mut rows = statement.query(params![page.after.0, page.limit as i64 + 1])?;
    let mut tasks = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let task = task(row)?;
        bytes += task.value.len();
        if tasks.len() == page.limit || (bytes > PAGE_BYTES_MAX && !tasks.is_empty()) {
            return Ok(Listed { tasks, rest: Rest::More });
        }
        tasks.push(task);
    }
    Ok(Listed { tasks, rest: Rest::None })
}

pub(super) fn add(connection: &Connection, new: &NewTask, now: Duration) -> Answer {
    let Some(key) = &new.key else { return insert(connection, &new.value, now).map(Ok) };
    if let Some((id, fingerprint)) = used(connection, key)? {
        if fingerprint != fingerprint_of(new.value.as_str()) {
            return Ok(Err(Error::KeyReused));
        }
        return Ok(get(connection, id)?.ok_or(Error::Removed(id)));
    }
    let task = insert(connection, &new.value, now)?;
    remember(connection, key, &task, now)?;
    Ok(Ok(task))
}

pub(super) fn set(connection: &Connection, id: TaskId, value: &Value) -> Answer {
    let mut statement = connection.prepare_cached(
        "UPDATE task SET value = ?2 WHERE id = ?1 RETURNING id, value, created_at",
    )?;
    let changed = statement.query_row(params![id.0, value.as_str()], task).optional()?;
    Ok(changed.ok_or(Error::Missing(id)))
}

pub(super) fn remove(connection: &Connection, id: TaskId) -> Answer {
    let mut statement = connection
        .prepare_cached("DELETE FROM task WHERE id = ?1 RETURNING id, value, created_at")?;
    Ok(statement.query_row([id.0], task).optional()?.ok_or(Error::Missing(id)))
}

fn insert(connection: &Connection, value: &Value, now: Duration) -> rusqlite::Result<Task> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO task (value, created_at) VALUES (?1, ?2) RETURNING id, value, created_at",
    )?;
    statement.query_row(params![value.as_str(), milliseconds(now)], task)
}

/// The task that the key added, and what its text was then.
fn used(connection: &Connection, key: &IdempotencyKey) -> rusqlite::Result<Option<(TaskId, i64)>> {
    let mut statement =
        connection.prepare_cached("SELECT task, fingerprint FROM idempotency WHERE key = ?1")?;
    statement.query_row([key.as_str()], |row| Ok((TaskId(row.get(0)?), row.get(1)?))).optional()
}

fn remember(
    connection: &Connection,
    key: &IdempotencyKey,
    task: &Task,
    now: Duration,
) -> rusqlite::Result<()> {
    let oldest = milliseconds(now.saturating_sub(KEY_LIFETIME));
    let mut statement = connection.prepare_cached(
        "DELETE FROM idempotency WHERE key IN (
             SELECT key FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
    )?;
    statement.execute([oldest, KEYS_FORGOTTEN])?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO idempotency (key, task, fingerprint, created_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let fingerprint = fingerprint_of(&task.value);
    statement.execute(params![key.as_str(), task.id.0, fingerprint, milliseconds(now)])?;
    Ok(())
}

/// FNV-1a. Tells a key that was given to another text by mistake; it guards nothing.
fn fingerprint_of(text: &str) -> i64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    let created_at: i64 = row.get(2)?;
    Ok(Task {
        id: TaskId(row.get(0)?),
        value: row.get(1)?,
        created_at: Duration::from_millis(created_at.unsigned_abs()),
    })
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

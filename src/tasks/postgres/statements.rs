//! What is asked of the database.

use std::time::Duration;

use tokio_postgres::Row;

use super::super::listing::Listing;
use super::super::store::{Listed, Page};
use super::super::task::{Task, TaskId};

/// One task, and the greatest number ever given.
pub(super) const GET: &str = "
    SELECT id, text, done, version, created_at, updated_at, last_id
    FROM cloudaps.counter LEFT JOIN cloudaps.task ON id = $1";

/// The tasks after number $1: at most $2, and of the texts at most $3 bytes, but always one.
/// `found` counts one more if there is one.
pub(super) const LIST: &str = "
    SELECT id, text, done, version, created_at, updated_at, found
    FROM (SELECT page.*, count(*) OVER () AS found, row_number() OVER by_id AS place,
                 sum(octet_length(text)) OVER by_id AS bytes
          FROM (SELECT * FROM cloudaps.task WHERE id > $1 ORDER BY id LIMIT $2::bigint + 1) AS page
          WINDOW by_id AS (ORDER BY id)) AS sized
    WHERE place <= $2 AND (bytes <= $3 OR place = 1)
    ORDER BY id";

/// Whether the tables are there.
pub(super) const CHECK: &str = "SELECT last_id FROM cloudaps.counter";

/// The task in a row that begins with its columns; `None` where the join found none.
pub(super) fn task(row: &Row) -> Result<Option<Task>, tokio_postgres::Error> {
    let Some(id) = row.try_get(0)? else { return Ok(None) };
    Ok(Some(Task {
        id: TaskId(id),
        text: row.try_get(1)?,
        done: row.try_get(2)?,
        version: row.try_get(3)?,
        created: time(row, 4)?,
        updated: time(row, 5)?,
    }))
}

/// The page that the rows of [`LIST`] make.
pub(super) fn listed(page: Page, rows: &[Row]) -> Result<Listed, tokio_postgres::Error> {
    let found: i64 = rows.first().map_or(Ok(0), |row| row.try_get("found"))?;
    let mut listing = Listing::new(page);
    for row in rows {
        let Some(task) = task(row)? else { continue };
        if listing.take(task).is_break() {
            return Ok(listing.finish());
        }
    }
    if found > rows.len() as i64 {
        listing.break_off();
    }
    Ok(listing.finish())
}

/// The time in a column of milliseconds since 1970.
pub(super) fn time(row: &Row, column: usize) -> Result<Duration, tokio_postgres::Error> {
    let since_1970: Result<i64, _> = row.try_get(column);
    since_1970.map(|since_1970| Duration::from_millis(since_1970.unsigned_abs()))
}

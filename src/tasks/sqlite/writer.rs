//! The one connection that writes, on a thread of its own.

use std::{io, thread};

use rusqlite::{Connection, TransactionBehavior};

use super::super::change::{self, Change, Outcome};
use super::super::queue::Queue;
use super::super::store::Error;
use super::statements;
use crate::clock;

/// Starts the thread. It ends when asked to, or when there is nobody left to ask.
pub(super) fn start(connection: Connection, queue: Queue) -> io::Result<()> {
    let builder = thread::Builder::new().name("tasks-writer".to_owned());
    builder.spawn(move || run(connection, queue)).map(drop)
}

fn run(mut connection: Connection, mut queue: Queue) {
    while let Some(work) = queue.blocking_next() {
        if !work.changes.is_empty() {
            queue
                .answer(work.replies, commit(&mut connection, work.changes).map_err(Error::failed));
        }
        if let Some(reply) = work.closing {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(close(connection));
            return;
        }
    }
}

/// Makes all changes in one transaction. A failure undoes all.
fn commit(connection: &mut Connection, changes: Vec<Change>) -> rusqlite::Result<Vec<Outcome>> {
    // Immediate: waits for somebody else's lock here, where nothing is half done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock::wall_milliseconds();
    let known = statements::look_up(&transaction, &changes, now)?;
    let (outcomes, writes) = change::decide(changes, known, now);
    statements::write(&transaction, &writes, now)?;
    transaction.commit()?;
    Ok(outcomes)
}

/// Moves the log into the database and closes it.
fn close(connection: Connection) -> Result<(), Error> {
    let log = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    log.map_err(Error::failed)?;
    connection.close().map_err(|(_, error)| Error::failed(error))
}

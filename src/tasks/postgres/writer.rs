//! The one task of this service that writes.

use std::sync::Arc;
use std::time::Duration;

use super::super::change::{self, Change, Outcome};
use super::super::queue::Queue;
use super::super::store::Error;
use super::batch::{Batch, Uncommitted};
use super::connections::{Connections, Failure};
use crate::clock;

/// How long to ask what became of a commit whose answer was lost: a server that was restarted is
/// back by then, and the requests that wait have 30 s.
const FATE_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two such questions: as long as the first pause of a reconnection.
const FATE_PAUSE: Duration = Duration::from_millis(50);

/// What became of a transaction, in the database's words.
const FATE: &str = "SELECT txid_status($1)";

/// Writes until asked to stop, or until there is nobody left to ask.
pub(super) async fn run(connections: Arc<Connections>, mut queue: Queue) {
    while let Some(work) = queue.next().await {
        if !work.changes.is_empty() {
            let committed = commit(&connections, work.changes).await;
            queue.answer(work.replies, committed);
        }
        if let Some(reply) = work.closing {
            connections.close();
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Ok(()));
            return;
        }
    }
}

/// Makes all changes in one transaction. A failure undoes all.
async fn commit(connections: &Connections, changes: Vec<Change>) -> Result<Vec<Outcome>, Error> {
    let client = connections.take().await?;
    let now = clock::wall_milliseconds();
    let begun = Batch::begin(client, &changes, now).await;
    let (batch, known) = begun.map_err(Failure::from)?;
    let (outcomes, writes) = change::decide(changes, known, now);
    let id = batch.id();
    match batch.commit(&writes).await {
        Ok(()) => Ok(outcomes),
        Err(Uncommitted::Undone(error)) => Err(Failure::from(error).into()),
        Err(Uncommitted::Unknown(error)) => {
            tracing::warn!(%error, "a commit was not answered; asking what became of it");
            match fate(connections, id).await.as_deref() {
                Some("committed") => Ok(outcomes),
                Some("aborted") => Err(Failure::from(error).into()),
                _ => Err(Error::Unknown),
            }
        }
    }
}

/// What became of transaction `id`; `None` if nobody says so in time.
async fn fate(connections: &Connections, id: i64) -> Option<String> {
    let asked = async {
        loop {
            match connections.rows(FATE, &[&id]).await {
                // Its server process may not have noticed yet that nobody listens.
                Ok(rows) => match rows.first().and_then(|row| row.get::<_, Option<String>>(0)) {
                    Some(status) if status == "in progress" => {}
                    status => return status,
                },
                Err(Failure::Query(error)) if error.as_db_error().is_some() => return None,
                Err(_) => {}
            }
            tokio::time::sleep(FATE_PAUSE).await;
        }
    };
    tokio::time::timeout(FATE_TIMEOUT, asked).await.ok().flatten()
}

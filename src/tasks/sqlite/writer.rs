//! The one connection that writes, on a thread of its own.
//!
//! Group commit: while one commit waits for the disk the next changes gather, and share the next
//! one. Each change is answered only after the commit it is part of.

use std::sync::Arc;
use std::{io, thread};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::super::store::Error;
use super::super::task::{NewTask, Task, TaskId, Value};
use super::statements;
use crate::clock;

/// Most changes that wait: more than there are connections to the service.
const QUEUE_MAX: usize = 1024;

/// Most changes of one commit. Keeps what a failed commit takes along, and the time that the
/// first change waits for the last, small.
const BATCH_MAX: usize = 256;

/// Something to change.
#[derive(Debug)]
pub(super) enum Change {
    Add(NewTask),
    Set(TaskId, Value),
    Remove(TaskId),
}

/// The way to the writing thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

type Outcome = Result<Task, Error>;

enum Job {
    Write(Change, oneshot::Sender<Outcome>),
    Close(oneshot::Sender<Result<(), Error>>),
}

/// The changes of one commit, and whoever waits for each.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    replies: Vec<oneshot::Sender<Outcome>>,
}

/// Whether the last commit worked; its changes are logged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Working,
    Failing,
}

impl Writer {
    /// Starts the thread. It ends when asked to, or when there is nobody left to ask.
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        thread::Builder::new()
            .name("tasks-writer".to_owned())
            .spawn(move || run(connection, queue))?;
        Ok(Self { jobs })
    }

    /// Makes a change and returns when it is on the disk.
    pub(super) async fn write(&self, change: Change) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        self.jobs.try_send(Job::Write(change, reply)).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy,
            TrySendError::Closed(_) => Error::Closed,
        })?;
        outcome.await.unwrap_or(Err(Error::Unknown))
    }

    pub(super) fn is_running(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Finishes what is in the queue, moves the log into the database and closes it.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let (reply, closed) = oneshot::channel();
        self.jobs.send(Job::Close(reply)).await.map_err(|_| Error::Closed)?;
        closed.await.unwrap_or(Err(Error::Unknown))
    }
}

fn run(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    let mut condition = Condition::Working;
    while queue.blocking_recv_many(&mut jobs, BATCH_MAX) > 0 {
        let mut batch = Batch::default();
        let mut closing = None;
        for job in jobs.drain(..) {
            match job {
                Job::Write(change, reply) => batch.push(change, reply),
                Job::Close(reply) => closing = Some(reply),
            }
        }
        condition = condition.after(batch.execute(&mut connection));
        if let Some(reply) = closing {
            // From here on a write is refused, instead of waiting for an answer in vain.
            queue.close();
            // Whoever asked may have stopped waiting.
            let _ = reply.send(close(connection));
            return;
        }
    }
}

impl Batch {
    fn push(&mut self, change: Change, reply: oneshot::Sender<Outcome>) {
        self.changes.push(change);
        self.replies.push(reply);
    }

    /// Makes all changes in one transaction, then answers. A failure of the store undoes all.
    fn execute(self, connection: &mut Connection) -> Result<(), Error> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let committed = commit(connection, &self.changes);
        let (outcomes, result) = match committed {
            Ok(outcomes) => (outcomes, Ok(())),
            Err(error) => {
                let error = Error::Failed(Arc::new(error));
                (self.changes.iter().map(|_| Err(error.clone())).collect(), Err(error))
            }
        };
        for (reply, outcome) in self.replies.into_iter().zip(outcomes) {
            // A client that left does not take its change along.
            let _ = reply.send(outcome);
        }
        result
    }
}

impl Condition {
    fn after(self, result: Result<(), Error>) -> Self {
        match (self, result) {
            (Self::Working, Err(error)) => {
                tracing::error!(%error, "the store stopped taking writes");
                Self::Failing
            }
            (Self::Failing, Ok(())) => {
                tracing::info!("the store takes writes again");
                Self::Working
            }
            (Self::Working, Ok(())) | (Self::Failing, Err(_)) => self,
        }
    }
}

fn commit(connection: &mut Connection, changes: &[Change]) -> rusqlite::Result<Vec<Outcome>> {
    // Immediate: waits for somebody else's lock here, where nothing is half done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock::wall();
    let outcomes = changes
        .iter()
        .map(|change| match change {
            Change::Add(new) => statements::add(&transaction, new, now),
            Change::Set(id, value) => statements::set(&transaction, *id, value),
            Change::Remove(id) => statements::remove(&transaction, *id),
        })
        .collect::<rusqlite::Result<Vec<_>>>()?;
    transaction.commit()?;
    Ok(outcomes)
}

fn close(connection: Connection) -> Result<(), Error> {
    let failed = |error| Error::Failed(Arc::new(error));
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))
}

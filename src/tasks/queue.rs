//! The queue in front of the one writer that a store has.
//!
//! Group commit: while one commit waits for the disk the next changes gather, and share the next
//! one. Each change is answered only after the commit it is part of.

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::change::{Change, Outcome};
use super::store::Error;

/// Most changes that wait: more than there are connections to the service.
const QUEUE_MAX: usize = 1024;

/// Most changes of one commit. Keeps what a failed commit takes along, and the time that the
/// first change waits for the last, small.
const BATCH_MAX: usize = 256;

/// The way to the writer.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// Where the writer gets its work from.
pub(super) struct Queue {
    jobs: mpsc::Receiver<Job>,
    condition: Condition,
}

/// What the writer has to do next.
pub(super) struct Work {
    /// The changes of one commit; there may be none.
    pub(super) changes: Vec<Change>,
    /// Whoever waits for them.
    pub(super) replies: Replies,
    /// To be told when the data is closed, if this is the last work.
    pub(super) closing: Option<oneshot::Sender<Result<(), Error>>>,
}

/// Whoever waits for the changes of one commit, in their order.
#[derive(Default)]
pub(super) struct Replies(Vec<oneshot::Sender<Outcome>>);

enum Job {
    Write(Change, oneshot::Sender<Outcome>),
    Close(oneshot::Sender<Result<(), Error>>),
}

/// Whether the last commit worked; its changes are logged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Working,
    Failing,
}

/// A writer's queue, and the way to it.
pub(super) fn queue() -> (Writer, Queue) {
    let (sender, jobs) = mpsc::channel(QUEUE_MAX);
    (Writer { jobs: sender }, Queue { jobs, condition: Condition::Working })
}

impl Writer {
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

    /// Finishes what is in the queue and closes the data.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let (reply, closed) = oneshot::channel();
        self.jobs.send(Job::Close(reply)).await.map_err(|_| Error::Closed)?;
        closed.await.unwrap_or(Err(Error::Unknown))
    }
}

impl Queue {
    /// Waits for work on a thread that may block. `None`: there is nobody left to ask for any.
    pub(super) fn blocking_next(&mut self) -> Option<Work> {
        let mut jobs = Vec::new();
        (self.jobs.blocking_recv_many(&mut jobs, BATCH_MAX) > 0).then(|| self.sort(jobs))
    }

    /// The same in a task.
    pub(super) async fn next(&mut self) -> Option<Work> {
        let mut jobs = Vec::new();
        (self.jobs.recv_many(&mut jobs, BATCH_MAX).await > 0).then(|| self.sort(jobs))
    }

    /// Answers everybody with their own outcome, or with the failure that undid all.
    pub(super) fn answer(&mut self, replies: Replies, committed: Result<Vec<Outcome>, Error>) {
        self.condition = self.condition.after(committed.as_ref().err());
        let outcomes = committed
            .unwrap_or_else(|error| replies.0.iter().map(|_| Err(error.clone())).collect());
        for (reply, outcome) in replies.0.into_iter().zip(outcomes) {
            // A client that left does not take its change along.
            let _ = reply.send(outcome);
        }
    }

    fn sort(&mut self, jobs: Vec<Job>) -> Work {
        let mut work = Work { changes: Vec::new(), replies: Replies::default(), closing: None };
        for job in jobs {
            match job {
                Job::Write(change, reply) => {
                    work.changes.push(change);
                    work.replies.0.push(reply);
                }
                Job::Close(reply) => {
                    // From here on a write is refused, instead of waiting for an answer in vain.
                    self.jobs.close();
                    work.closing = Some(reply);
                }
            }
        }
        work
    }
}

impl Condition {
    fn after(self, error: Option<&Error>) -> Self {
        match (self, error) {
            (Self::Working, Some(error)) => {
                tracing::error!(%error, "the store stopped taking writes");
                Self::Failing
            }
            (Self::Failing, None) => {
                tracing::info!("the store takes writes again");
                Self::Working
            }
            (Self::Working, None) | (Self::Failing, Some(_)) => self,
        }
    }
}

//! The seam to whatever keeps the tasks: what every store promises, whichever it is.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use super::change::{Change, Outcome};
use super::task::{Condition, Edit, NewTask, Search, Tag, Task, TaskId};

/// Keeps tasks. A write that returned `Ok` survives the death of the process and of the machine.
///
/// Tasks are numbered from 1 without a gap, in the order in which they appear: who has seen a task
/// has seen every one with a smaller number. A call whose future is dropped may still take effect.
pub(super) trait Store: Send + Sync + 'static {
    /// Makes one change, and returns the task that it is about.
    fn write(&self, change: Change) -> impl Future<Output = Outcome> + Send;

    /// Adds a task. The same key adds one task and returns it as it is now.
    fn add(&self, new: NewTask) -> impl Future<Output = Outcome> + Send {
        self.write(Change::Add(new))
    }

    /// One page of tasks, in the order of their numbers.
    fn list(&self, page: Page) -> impl Future<Output = Result<Listed, Error>> + Send;

    /// One task.
    fn get(&self, id: TaskId) -> impl Future<Output = Result<Task, Error>> + Send;

    /// Changes a task, if it is what it has to be, and returns what it is then.
    fn change(
        &self,
        id: TaskId,
        edit: Edit,
        condition: Condition,
    ) -> impl Future<Output = Outcome> + Send {
        self.write(Change::Edit(id, edit, condition))
    }

    /// Removes a task, if it is what it has to be, and returns what it was. Its number is not
    /// given again.
    fn remove(&self, id: TaskId, condition: Condition) -> impl Future<Output = Outcome> + Send {
        self.write(Change::Remove(id, condition))
    }

    /// Asks the store whether it answers.
    fn check(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Finishes what was asked for, then lets go of the data. Every later call fails.
    fn close(&self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Which tasks to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Only tasks with a greater number.
    pub(super) after: TaskId,
    /// At most so many.
    pub(super) limit: usize,
    /// Only tasks whose text it finds.
    pub(super) search: Option<Search>,
}

/// A page of tasks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// The tasks, in the order of their numbers.
    pub(super) tasks: Vec<Task>,
    /// The number after which the list goes on, if it does. There may be fewer tasks than were
    /// asked for, or none, although it does.
    pub(super) next: Option<TaskId>,
}

/// A call that did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    /// There has never been such a task.
    #[error("there is no task {0}")]
    Missing(TaskId),
    /// There was one; its number is not given again.
    #[error("task {0} was removed")]
    Removed(TaskId),
    /// The task is not in the state that the change is meant for, but in this one.
    #[error("the task has changed since: its ETag is \"{0}\" now; nothing was done")]
    Different(Tag),
    /// The key added a task that was removed since; adding it again is not what the sender wants.
    #[error("this Idempotency-Key added task {0}, which was removed since")]
    AddedAndRemoved(TaskId),
    /// The key belongs to another task.
    #[error("this Idempotency-Key was used with another task: allowed is one key per task")]
    KeyReused,
    /// Too much is waiting. Nothing was done.
    #[error("too many writes are waiting; nothing was done")]
    Busy,
    /// The store is closed or closing. Nothing was done.
    #[error("the store is closed; nothing was done")]
    Closed,
    /// The store failed; a write is undone, unless the disk keeps what it said it could not write.
    #[error("the store failed: {0}")]
    Failed(Arc<dyn StdError + Send + Sync>),
    /// The store stopped before it said what became of a write.
    #[error("the store stopped; the write may or may not have been done")]
    Unknown,
}

impl Error {
    /// The store failed with `error`.
    pub(super) fn failed(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Failed(Arc::new(error))
    }
}

//! How instances are made: one seam of three verbs, and what is behind it.

#[cfg(feature = "ec2")]
pub mod ec2;
pub mod fixed;
pub mod process;
pub mod sabotage;

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fleet::{Instance, InstanceId, Launch};

/// Makes and destroys instances. The owner's tags (for processes: the launch records) are the
/// database: whatever `list` returns was launched by this fleet and by nobody else.
pub trait Provider: Send + Sync + 'static {
    /// The instances that carry this fleet's owner tag. May lag behind `launch` and `terminate`.
    ///
    /// # Errors
    /// A failed list says nothing about the fleet; it never means "no instances".
    fn list(&self) -> impl Future<Output = Result<Vec<Instance>, Error>> + Send;

    /// Launches one instance. Idempotent: the same token never makes two.
    ///
    /// # Errors
    /// After an error the instance may exist all the same; `list` will tell.
    fn launch(&self, launch: &Launch) -> impl Future<Output = Result<Instance, Error>> + Send;

    /// Ends an instance and returns when it is known to be gone. Idempotent: an instance that is
    /// not there is a success.
    ///
    /// # Errors
    /// The instance may still be running.
    fn terminate(&self, id: &InstanceId) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Something that a provider noticed on its own, faster than the next `list` would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The process exited or the machine left the state `running`; the text says how.
    ///
    /// Also comes for an instance that was terminated, and may come before `launch` has returned
    /// the instance that it is about.
    Gone(InstanceId, String),
}

/// What the controller should do about a failed verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room of this kind now: try another kind, or later.
    Capacity,
    /// Asked too often: back off.
    Throttled,
    /// Asking again will not help: a person has to change something.
    Denied,
    /// The provider did not answer, or not properly: try again.
    Unavailable,
}

/// A verb that failed.
#[derive(Debug)]
pub struct Error {
    /// What to do about it.
    pub fault: Fault,
    /// What happened, for people.
    pub source: anyhow::Error,
}

impl Error {
    /// A verb failed: what to do about it, and what happened.
    #[must_use]
    pub fn new(fault: Fault, source: impl Into<anyhow::Error>) -> Self {
        Self { fault, source: source.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.source)
    }
}

impl std::error::Error for Error {}

/// A panic elsewhere leaves what is locked whole: each change to it is one call.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Numbers the changes of the status, so that a client can wait for the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::controller::Status;

/// The newest status, with its number.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    latest: Arc<watch::Sender<Numbered>>,
}

/// A status and the number that tells it from the one before.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) revision: u64,
    pub(super) status: Arc<Status>,
}

impl Feed {
    /// Begins at the calendar's milliseconds: a client that waits across a restart of `up` must
    /// not find the number that it has seen before. 2^53, where JSON's numbers end, is far away.
    pub(super) fn new(status: &watch::Receiver<Arc<Status>>) -> Self {
        let revision = u64::try_from(clock::wall().as_millis()).unwrap_or(0);
        let first = Numbered { revision, status: Arc::clone(&status.borrow()) };
        Self { latest: Arc::new(watch::Sender::new(first)) }
    }

    /// Numbers each new status, until the controller ends; its last status stays.
    pub(super) async fn follow(&self, mut status: watch::Receiver<Arc<Status>>) {
        // The receiver may have seen the value that `new` took, or a newer one.
        status.mark_changed();
        while status.changed().await.is_ok() {
            let status = Arc::clone(&status.borrow_and_update());
            self.latest.send_if_modified(|latest| latest.replace(status));
        }
    }

    /// The newest status.
    pub(super) fn latest(&self) -> Numbered {
        self.latest.borrow().clone()
    }

    /// Every status from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<Numbered> {
        self.latest.subscribe()
    }

    /// The first status that is not number `seen`; after `wait`, whatever there is.
    pub(super) async fn after(&self, seen: u64, wait: Duration) -> Numbered {
        let mut latest = self.latest.subscribe();
        let news = latest.wait_for(|latest| latest.revision != seen);
        if let Ok(Ok(news)) = timeout(wait, news).await {
            return news.clone();
        }
        self.latest()
    }
}

impl Numbered {
    /// Takes a status in; says whether it is another.
    fn replace(&mut self, status: Arc<Status>) -> bool {
        let is_new = !Arc::ptr_eq(&self.status, &status);
        if is_new {
            *self = Self { revision: self.revision + 1, status };
        }
        is_new
    }
}

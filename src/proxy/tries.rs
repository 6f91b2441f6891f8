//! What one request has tried, and what it does about a try that failed.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::client::Client;
use super::error::{Error, Kind};
use super::report::Failure;
use super::thread::{HeldPlace, Thread};
use super::trail::Notes;
use super::upload::Upload;
use super::upstream::{Reuse, Upstream};
use crate::clock::{self, Instant};
use crate::pool::{Decision, Means, Progress, Repeat, Ties, Tried, after_failure};

/// One request's tries.
pub(super) struct Tries<'a> {
    thread: &'a Rc<Thread>,
    /// When this try began: reading a clock costs more than picking an endpoint.
    now: Instant,
    /// When the answer must have begun, whatever happens until then.
    deadline: Instant,
    tried: Tried,
    reuse: Reuse,
    /// What is left of the tries that [`Progress::tries_spent`] counts.
    left: u32,
    /// The number of the snapshot that was picked from last.
    snapshot: u64,
    /// How the last try failed. Forgotten when nothing serves any more: that is worse, and it is
    /// what the client has to be told.
    failure: Option<Failure>,
    hold: Option<Box<Hold>>,
}

/// A try that an endpoint failed.
pub(super) struct Fault {
    pub(super) failure: Failure,
    pub(super) progress: Progress,
    pub(super) upstream: Rc<Upstream>,
    pub(super) is_reused: bool,
}

/// A request that waits for an endpoint, or did.
struct Hold {
    _place: HeldPlace,
    until: Instant,
    pause: Duration,
}

impl Fault {
    /// No connection could be opened.
    pub(super) fn of_connect(failure: Failure, upstream: Rc<Upstream>) -> Self {
        Self { failure, progress: Progress::NothingSent, upstream, is_reused: false }
    }
}

impl<'a> Tries<'a> {
    pub(super) fn new(thread: &'a Rc<Thread>, repeat: Repeat, now: Instant) -> Self {
        Self {
            thread,
            now,
            deadline: now + thread.settings.timeouts.total,
            tried: Tried::default(),
            reuse: match repeat {
                Repeat::Idempotent => Reuse::Allowed,
                Repeat::Never => Reuse::Checked,
            },
            left: thread.settings.retry.tries,
            snapshot: 0,
            failure: None,
            hold: None,
        }
    }

    /// The endpoint for the next try, or `None` if every one was tried or none serves.
    pub(super) fn pick(&mut self, ties: Ties) -> Option<Rc<Upstream>> {
        let (snapshot, picked) = self.thread.pick(&self.tried, ties, self.now);
        self.snapshot = snapshot;
        if picked.is_none() && self.tried.is_empty() {
            self.failure = None;
        }
        picked
    }

    /// Whether the next try may use a connection that carried requests before.
    pub(super) fn reuse(&self) -> Reuse {
        self.reuse
    }

    /// When this try began.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// When the answer must have begun.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Judges a failed try by the retry table: returns when the next one may begin.
    pub(super) async fn judge(
        &mut self,
        client: &Client,
        fault: Fault,
        upload: &mut Upload<'_>,
        notes: &mut Notes,
    ) -> Result<(), Error> {
        let Fault { failure, progress, upstream, is_reused } = fault;
        self.now = clock::now();
        self.failure = Some(failure);
        if is_reused && failure == Failure::Reset {
            // It says nothing about the endpoint but that the others may be closed, too.
            self.reuse = Reuse::Never;
        } else {
            self.tried.add(upstream.id);
            self.thread.note_failure(&upstream, failure);
        }
        let means = self.means();
        match after_failure(progress, upload.repeat(), upload.replay(), means) {
            Decision::Retry | Decision::RetryFresh => {
                self.thread.spend_retry();
                self.left = self.left.saturating_sub(progress.tries_spent());
                Ok(())
            }
            Decision::Hold => {
                self.left = self.left.saturating_sub(progress.tries_spent());
                self.wait(client, upload, notes).await
            }
            Decision::Fail => Err(Error::upstream(Kind::Endpoint(failure))),
        }
    }

    /// Waits until there may be something new to try.
    pub(super) async fn wait(
        &mut self,
        client: &Client,
        upload: &mut Upload<'_>,
        notes: &mut Notes,
    ) -> Result<(), Error> {
        let since = self.now;
        upload.pack();
        let (until, pause) = self.hold(upload.bytes())?;
        if since >= until {
            return Err(reason(self.failure, Kind::NoneInTime));
        }
        self.tried.clear();
        // A snapshot that came during the last try is news already.
        if self.thread.snapshot_number() != self.snapshot {
            return Ok(());
        }
        let waited = tokio::select! {
            biased;
            () = self.thread.changed.notified() => Ok(()),
            () = sleep(pause.min(until.since(since))) => Ok(()),
            () = upload.gone(client) => Err(Error::downstream(Kind::Gone)),
        };
        self.now = clock::now();
        notes.note_held(self.now.since(since));
        waited
    }

    /// Joins those that wait, or goes on waiting: until when, and how long this time.
    fn hold(&mut self, bytes: usize) -> Result<(Instant, Duration), Error> {
        let limits = &self.thread.settings.hold;
        let hold = match &mut self.hold {
            Some(hold) => {
                hold.pause = (2 * hold.pause).min(limits.pause_longest);
                hold
            }
            none => {
                let place = self.thread.hold(bytes);
                let place = place.ok_or_else(|| reason(self.failure, Kind::HoldFull))?;
                let until = (self.now + limits.timeout).min(self.deadline);
                none.insert(Box::new(Hold { _place: place, until, pause: limits.pause_first }))
            }
        };
        Ok((hold.until, self.thread.jitter(hold.pause)))
    }

    fn means(&self) -> Means {
        Means {
            untried: self.thread.has_untried(&self.tried),
            tries: self.left,
            budget: self.thread.has_retry(self.now),
        }
    }
}

/// Why a request that cannot wait any longer fails: as its last try did, if something serves that
/// could be tried, and otherwise because there is nothing.
fn reason(failure: Option<Failure>, nothing: Kind) -> Error {
    Error::upstream(failure.map_or(nothing, Kind::Endpoint))
}

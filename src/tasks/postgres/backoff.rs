//! When to try again to reach what could not be reached. Pure.

use std::time::Duration;

use crate::clock::Instant;

/// The pause after the first failure: a server that was only restarted is back by then.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause: how long its return may go unnoticed.
const LONGEST: Duration = Duration::from_secs(2);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    reason: String,
    pause: Duration,
    until: Instant,
}

impl Backoff {
    /// Why nothing is tried at `now`; `None` if it may be.
    pub(super) fn refusal(&self, now: Instant) -> Option<String> {
        let failing = self.failing.as_ref().filter(|failing| now < failing.until);
        failing.map(|failing| failing.reason.clone())
    }

    /// It failed. Says whether that is news.
    pub(super) fn failed(&mut self, now: Instant, reason: &str) -> bool {
        let before = self.failing.as_ref().map(|failing| failing.pause);
        let pause = before.map_or(FIRST, |pause| LONGEST.min(pause * 2));
        self.failing = Some(Failing { reason: reason.to_owned(), pause, until: now + pause });
        before.is_none()
    }

    /// It worked. Says whether that is news.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failing.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::at(Duration::from_millis(milliseconds))
    }

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.refusal(at(0)), None);
        assert!(backoff.failed(at(0), "gone"));
        assert_eq!((backoff.refusal(at(49)), backoff.refusal(at(50))), (Some("gone".into()), None));
        assert!(!backoff.failed(at(50), "still gone"));
        assert_eq!(backoff.refusal(at(149)), Some("still gone".into()));
        for _ in 0..10 {
            backoff.failed(at(1_000), "gone");
        }
        assert_eq!(
            (backoff.refusal(at(2_999)), backoff.refusal(at(3_000))),
            (Some("gone".into()), None)
        );
        assert!(backoff.succeeded() && !backoff.succeeded());
        assert!(backoff.failed(at(5_000), "gone") && backoff.refusal(at(5_050)).is_none());
    }
}

//! Two brakes on launching: a budget of replacements, and a freeze when newborns keep failing.

use std::time::Duration;

use crate::clock::Instant;

/// How long launches stay frozen before one newborn is tried again; doubles with each failure.
///
/// Long enough that a broken image costs a handful of machines an hour, short enough that a full
/// disk that somebody emptied is noticed while they are still looking.
pub(super) const FREEZE_MIN: Duration = Duration::from_secs(10);

/// The longest freeze between two trials.
pub(super) const FREEZE_MAX: Duration = Duration::from_secs(300);

/// So many newborns in a row that fail the same way freeze their group's launches: one may have
/// had bad luck, two have a cause.
pub(super) const FAILURES_TO_FREEZE: u32 = 2;

/// A token bucket: `size` replacements at once, then one per interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// The instant at which the bucket is full again: each replacement moves it one interval on.
    full_at: Option<Instant>,
}

impl Budget {
    /// Whether a replacement is allowed, or from when it is.
    pub(super) fn next(&self, size: u32, interval: Duration, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.unwrap_or(now).max(now);
        // With `size` tokens spent the bucket would be full `size` intervals from now.
        let empty = interval.saturating_mul(size.saturating_sub(1));
        if full_at.since(now) <= empty { Ok(()) } else { Err(full_at - empty) }
    }

    /// Takes one replacement out.
    pub(super) fn spend(&mut self, interval: Duration, now: Instant) {
        self.full_at = Some(self.full_at.unwrap_or(now).max(now) + interval);
    }
}

/// The newborns that failed in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Newborns {
    failed: u32,
    cause: String,
    last: Option<Instant>,
}

impl Newborns {
    /// One served.
    pub(super) fn served(&mut self) {
        *self = Self::default();
    }

    /// One failed before it ever served.
    pub(super) fn failed(&mut self, cause: String, now: Instant) {
        self.failed = if self.cause == cause { self.failed.saturating_add(1) } else { 1 };
        self.cause = cause;
        self.last = Some(now);
    }

    /// Why and until when launches are frozen, if they are.
    pub(super) fn frozen(&self, now: Instant) -> Option<(&str, Instant)> {
        let doublings = self.failed.checked_sub(FAILURES_TO_FREEZE)?;
        let wait = FREEZE_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(FREEZE_MAX);
        let until = self.last? + wait;
        (now < until).then_some((self.cause.as_str(), until))
    }

    /// Whether the next launch is a trial after a freeze: one alone, until it has served.
    pub(super) const fn on_trial(&self) -> bool {
        self.failed >= FAILURES_TO_FREEZE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_budget_allows_its_size_at_once_and_then_one_per_interval() {
        let mut budget = Budget::default();
        for _ in 0..3 {
            assert_eq!(budget.next(3, SECOND, at(10)), Ok(()));
            budget.spend(SECOND, at(10));
        }
        assert_eq!(budget.next(3, SECOND, at(10)), Err(at(11)));
        assert_eq!(budget.next(3, SECOND, at(11)), Ok(()));
        budget.spend(SECOND, at(11));
        assert_eq!(budget.next(3, SECOND, at(11)), Err(at(12)));
    }

    #[test]
    fn a_budget_that_rested_is_full_and_not_fuller() {
        let mut budget = Budget::default();
        budget.spend(SECOND, at(0));
        for _ in 0..3 {
            assert_eq!(budget.next(3, SECOND, at(100)), Ok(()));
            budget.spend(SECOND, at(100));
        }
        assert!(budget.next(3, SECOND, at(100)).is_err());
    }

    #[test]
    fn two_newborns_that_fail_alike_freeze_and_each_trial_doubles_the_wait() {
        let mut newborns = Newborns::default();
        newborns.failed("exit 1".to_owned(), at(0));
        assert_eq!(newborns.frozen(at(0)), None);
        newborns.failed("exit 1".to_owned(), at(1));
        assert_eq!(newborns.frozen(at(1)), Some(("exit 1", at(11))));
        assert_eq!(newborns.frozen(at(11)), None);
        newborns.failed("exit 1".to_owned(), at(11));
        assert_eq!(newborns.frozen(at(12)), Some(("exit 1", at(31))));
    }

    #[test]
    fn newborns_that_fail_differently_or_after_a_good_one_do_not_freeze() {
        let mut newborns = Newborns::default();
        newborns.failed("exit 1".to_owned(), at(0));
        newborns.failed("exit 2".to_owned(), at(0));
        assert_eq!(newborns.frozen(at(0)), None);
        newborns.served();
        newborns.failed("exit 2".to_owned(), at(0));
        assert_eq!(newborns.frozen(at(0)), None);
    }

    #[test]
    fn a_freeze_never_outlasts_its_maximum() {
        let mut newborns = Newborns::default();
        for _ in 0..100 {
            newborns.failed("exit 1".to_owned(), at(0));
        }
        assert_eq!(newborns.frozen(at(0)), Some(("exit 1", Instant::at(FREEZE_MAX))));
    }
}

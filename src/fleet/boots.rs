//! How long newborns take until they serve, learned from those that did.

use std::collections::VecDeque;
use std::time::Duration;

/// So many of the last boots are remembered: enough that one slow boot of a busy hour is not
/// forgotten in the next minute.
const REMEMBERED_MAX: usize = 32;

/// With fewer boots than these nothing is known yet: one may have been lucky.
const REMEMBERED_MIN: usize = 3;

/// A newborn may take so many times as long as the slowest that is remembered.
const PATIENCE: u32 = 4;

/// No newborn is given up sooner because of what was learned. A process boots in a hundredth of it;
/// on a machine on which fifty are started at once each takes fifty times as long.
const DEADLINE_MIN: Duration = Duration::from_secs(5);

/// What a group knows of how its instances boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Boots {
    last: VecDeque<Duration>,
    /// Newborns in a row that were given up.
    missed: u32,
}

impl Boots {
    /// One served.
    pub(super) fn served(&mut self, after: Duration) {
        self.missed = 0;
        self.last.push_back(after);
        if self.last.len() > REMEMBERED_MAX {
            self.last.pop_front();
        }
    }

    /// One was given up. If all have become slower, none would ever tell: the next has twice as
    /// long.
    pub(super) fn missed(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// How long a newborn has until its first good probe; never longer than was configured.
    pub(super) fn deadline(&self, configured: Duration) -> Duration {
        let slowest = self.last.iter().max().filter(|_| self.last.len() >= REMEMBERED_MIN);
        let Some(slowest) = slowest else { return configured };
        let learned = slowest.saturating_mul(PATIENCE).max(DEADLINE_MIN);
        learned.saturating_mul(2_u32.saturating_pow(self.missed)).min(configured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const CONFIGURED: Duration = Duration::from_secs(100);

    fn after(seconds: impl IntoIterator<Item = u32>) -> Boots {
        let mut boots = Boots::default();
        seconds.into_iter().for_each(|seconds| boots.served(SECOND * seconds));
        boots
    }

    #[test]
    fn nothing_is_learned_from_two() {
        for boots in [after([]), after([1, 1])] {
            assert_eq!(boots.deadline(CONFIGURED), CONFIGURED);
        }
    }

    #[test]
    fn a_newborn_has_four_times_as_long_as_the_slowest_and_never_longer_than_configured() {
        assert_eq!(after([1, 10, 2]).deadline(CONFIGURED), SECOND * 40);
        assert_eq!(after([1, 30, 2]).deadline(CONFIGURED), CONFIGURED);
        assert_eq!(after([0, 0, 0]).deadline(CONFIGURED), DEADLINE_MIN);
        assert_eq!(after([0, 0, 0]).deadline(SECOND), SECOND);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let boots = after([20].into_iter().chain([2; REMEMBERED_MAX]));
        assert_eq!(boots.deadline(CONFIGURED), SECOND * 8);
    }

    #[test]
    fn each_newborn_that_is_given_up_doubles_the_time_of_the_next_until_one_serves() {
        let mut boots = after([2, 2, 2]);
        for expected in [16, 32, 64, 100, 100] {
            boots.missed();
            assert_eq!(boots.deadline(CONFIGURED), SECOND * expected);
        }
        boots.served(SECOND * 5);
        assert_eq!(boots.deadline(CONFIGURED), SECOND * 20);
    }
}

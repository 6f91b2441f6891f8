//! How fast each slot works now: over the last ten seconds.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::Tallied;

/// Over how many seconds: long enough for a percentile, short enough to be called now.
pub const PACE_SECONDS: usize = 10;

/// Slots that are counted one by one; those beyond share an account. A person cannot tell more
/// apart, and a monitoring system should not have to. A slot's readings take 7 KB, so this is
/// 1.8 MB at most.
pub const SLOTS_MAX: usize = 256;

/// What the slots that have no account of their own are called.
pub const OTHERS: &str = "others";

/// How fast a slot works. Fields are added, never renamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pace {
    /// Answers a second.
    pub answers_per_second: f64,
    /// Answers of 500 and above and tries without an answer, a second.
    pub errors_per_second: f64,
    /// The time to the first byte that half of the answers did not exceed, in milliseconds;
    /// `null` if there was none.
    pub p50_ms: Option<f64>,
    /// The one that all but one in a hundred did not exceed.
    pub p99_ms: Option<f64>,
}

/// The last readings of each slot.
#[derive(Debug)]
pub struct Paces<K>(BTreeMap<K, VecDeque<Tallied>>);

impl<K> Default for Paces<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Paces<K> {
    /// Takes in what the slots' accounts say, a second after the last time. How many accounts there
    /// are is for whoever opens them to bound.
    pub fn fold(&mut self, accounts: impl Iterator<Item = (K, Tallied)>) -> BTreeMap<K, Pace> {
        accounts.map(|(slot, tallied)| self.fold_one(slot, tallied)).collect()
    }

    fn fold_one(&mut self, slot: K, tallied: Tallied) -> (K, Pace) {
        let readings = self.0.entry(slot.clone());
        // A slot that was not there had nothing to count.
        let readings = readings.or_insert_with(|| VecDeque::from([Tallied::default()]));
        if readings.len() > PACE_SECONDS {
            readings.pop_front();
        }
        readings.push_back(tallied);
        (slot, pace(readings))
    }
}

fn pace(readings: &VecDeque<Tallied>) -> Pace {
    let (Some(first), Some(last)) = (readings.front(), readings.back()) else {
        return Pace::default();
    };
    let seconds = (readings.len() - 1).max(1) as f64;
    let answers = |tallied: &Tallied| tallied.answers.iter().sum::<u64>();
    let errors = |tallied: &Tallied| tallied.answers[5] + tallied.failures;
    let rate = |before: u64, after: u64| tenths(after.saturating_sub(before) as f64 / seconds);
    let times = last.first_byte.since(&first.first_byte);
    let millis = |part| times.quantile(part).map(millis);
    Pace {
        answers_per_second: rate(answers(first), answers(last)),
        errors_per_second: rate(errors(first), errors(last)),
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Account, Took};

    #[test]
    fn a_pace_is_what_the_last_ten_seconds_brought() {
        let (account, mut paces) = (Account::new(1), Paces::default());
        let mut pace = Pace::default();
        for second in 0..30 {
            for _ in 0..second {
                let took = Took::of(Duration::from_millis(4));
                account.answered(0, if second < 20 { 500 } else { 200 }, took);
            }
            pace = paces.fold([("instance-0", account.read())].into_iter())["instance-0"];
        }
        // 20 to 29 a second.
        assert_eq!((pace.answers_per_second, pace.errors_per_second), (24.5, 0.0));
        let p99 = pace.p99_ms.unwrap();
        assert!((3.15..=4.0).contains(&p99), "{p99}");
        for _ in 0..PACE_SECONDS {
            pace = paces.fold([("instance-0", account.read())].into_iter())["instance-0"];
        }
        assert_eq!(pace, Pace::default());
    }

    #[test]
    fn the_others_have_a_pace_however_many_slots_are_counted_one_by_one() {
        let others = Account::new(1);
        others.answered(0, 200, Took::of(Duration::from_millis(4)));
        let counted = (0..SLOTS_MAX).map(|slot| (format!("instance-{slot}"), Tallied::default()));
        let accounts = counted.chain([(OTHERS.to_owned(), others.read())]);
        let paces = Paces::default().fold(accounts);
        assert_eq!((paces.len(), paces[OTHERS].answers_per_second), (SLOTS_MAX + 1, 1.0));
    }
}

//! How long things took: counted by one thread, added up by whoever wants to know.

use std::time::Duration;

use super::bounds::{BOUNDS, BOUNDS_COUNT, bucket};
use super::cell::Cell;

/// One bucket for each bound, and one for what is above the last.
const BUCKETS: usize = BOUNDS_COUNT + 1;

/// How long something took, ready to be counted in more than one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    nanos: u64,
    bucket: usize,
}

impl Took {
    /// So long.
    #[inline]
    #[must_use]
    pub fn of(time: Duration) -> Self {
        let nanos = nanos(time);
        Self { nanos, bucket: bucket(nanos) }
    }
}

/// The times that one thread has counted.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Cell; BUCKETS],
    /// Their sum, in nanoseconds. It is enough for five hundred years.
    sum: Cell,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { Cell::new() }; BUCKETS], sum: Cell::new() }
    }
}

impl Histogram {
    /// Counts one.
    #[inline]
    pub fn add(&self, took: Took) {
        self.buckets[took.bucket].add(1);
        self.sum.add(took.nanos);
    }
}

/// Times that were counted: at a moment, or between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    sum: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0 }
    }
}

impl Distribution {
    /// Counts one. For who counts by itself and shares it with nobody.
    pub fn add(&mut self, time: Duration) {
        let Took { nanos, bucket } = Took::of(time);
        self.buckets[bucket] += 1;
        self.sum = self.sum.wrapping_add(nanos);
    }

    /// Takes in what a thread has counted.
    pub fn merge(&mut self, histogram: &Histogram) {
        for (bucket, cell) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *bucket += cell.get();
        }
        self.sum = self.sum.wrapping_add(histogram.sum.get());
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (bucket, before) in since.buckets.iter_mut().zip(&earlier.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        since.sum = since.sum.wrapping_sub(earlier.sum);
        since
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long they took together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How many took no longer than each bound, and the bound in nanoseconds.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket;
            Some(*sum)
        });
        BOUNDS.into_iter().zip(counts)
    }

    /// The time that this part of them did not exceed, such as 0.99; `None` if there are none.
    /// Within a bucket they are taken for evenly spread; above the last bound nobody knows.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = (part * self.count() as f64).max(f64::MIN_POSITIVE);
        let mut below = 0.0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            let here = count as f64;
            if count > 0 && below + here >= rank {
                let top = BOUNDS[bucket.min(BOUNDS.len() - 1)];
                let bottom = if bucket == 0 { 0 } else { BOUNDS[bucket - 1] };
                let share = (top - bottom) as f64 * (rank - below) / here;
                return Some(Duration::from_nanos(bottom + share as u64));
            }
            below += here;
        }
        None
    }
}

fn nanos(time: Duration) -> u64 {
    // Not through `as_nanos`, whose 128 bits the hot path need not pay for.
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(micros: impl IntoIterator<Item = u64>) -> Distribution {
        let histogram = Histogram::default();
        micros.into_iter().for_each(|each| histogram.add(Took::of(Duration::from_micros(each))));
        let mut distribution = Distribution::default();
        distribution.merge(&histogram);
        distribution
    }

    #[test]
    fn percentiles_are_at_most_a_quarter_off() {
        let times = distribution(1..=10_000);
        for part in [0.01, 0.1, 0.5, 0.9, 0.99, 0.999] {
            let read = times.quantile(part).unwrap().as_secs_f64();
            let real = part * 0.01;
            assert!((read / real - 1.0).abs() < 0.25, "{part}: {read} instead of {real}");
        }
    }

    #[test]
    fn nothing_has_no_percentile_and_the_longest_ones_the_last_bound() {
        assert_eq!(distribution([]).quantile(0.5), None);
        let endless = distribution([u64::MAX / 1_000_000]);
        assert_eq!(endless.quantile(0.5).unwrap().as_secs(), 100);
    }

    #[test]
    fn threads_are_added_up_and_what_came_since_is_told_apart() {
        let before = distribution([100, 200]);
        let mut after = before.clone();
        after.add(Duration::from_micros(300));
        let since = after.since(&before);
        assert_eq!((since.count(), since.sum()), (1, Duration::from_micros(300)));
        let (bound, count) = since.cumulative().find(|(_, count)| *count == 1).unwrap();
        assert_eq!((bound, count), (315_000, 1));
    }
}

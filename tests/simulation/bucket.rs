//! Token buckets: how many calls of a kind a cloud takes.

use std::time::Duration;

use cloudaps::clock::Instant;

/// A bucket that is refilled steadily, and never over its size.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    size: f64,
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// EC2's `RunInstances`: five requests at once, then two a second.
    pub(crate) fn run_instances() -> Self {
        Self::new(5.0, 2.0)
    }

    /// EC2's calls that change nothing, with a filter: a hundred, then twenty a second.
    pub(crate) fn describe_instances() -> Self {
        Self::new(100.0, 20.0)
    }

    /// EC2's `TerminateInstances`: a hundred, then five a second.
    pub(crate) fn terminate_instances() -> Self {
        Self::new(100.0, 5.0)
    }

    fn new(size: f64, per_second: f64) -> Self {
        Self { size, per_second, tokens: size, filled: Instant::START }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let refill = now.since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + refill).min(self.size);
        self.filled = now;
        let takes = self.tokens >= 1.0;
        if takes {
            self.tokens -= 1.0;
        }
        takes
    }

    /// Somebody else in the same account uses it up.
    pub(crate) fn drain(&mut self, now: Instant) {
        self.tokens = 0.0;
        self.filled = now;
    }
}

#[test]
fn a_bucket_gives_its_size_at_once_and_then_its_rate() {
    let at = |milliseconds| Instant::at(Duration::from_millis(milliseconds));
    let mut bucket = Bucket::run_instances();
    assert_eq!((0..10).filter(|_| bucket.take(at(0))).count(), 5);
    assert!(!bucket.take(at(499)));
    assert!(bucket.take(at(999)));
    assert_eq!((0..10).filter(|_| bucket.take(at(100_000))).count(), 5);
}

//! The retry budget: how many requests may be sent again, so that retries never sink what is left.

use std::time::Duration;

use crate::clock::Instant;

/// Parts that one retry is worth, so that a fifth of a retry can be counted without fractions.
const PARTS: u64 = 100;

/// How fast a budget fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Retries earned by a hundred requests.
    pub percent: u32,
    /// Retries earned by a second, whatever the traffic: a quiet service may retry too.
    pub per_second: u32,
    /// Retries that can be saved up, and that a budget begins with.
    pub saved_max: u32,
}

/// The retries that one thread may still make.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    limits: BudgetLimits,
    parts: u64,
    filled_at: Instant,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub fn new(limits: BudgetLimits, now: Instant) -> Self {
        Self { limits, parts: u64::from(limits.saved_max) * PARTS, filled_at: now }
    }

    /// A request came in and earns its part.
    pub fn earn(&mut self) {
        self.add(u64::from(self.limits.percent));
    }

    /// Whether a retry is left.
    #[must_use]
    pub fn has_one(&mut self, now: Instant) -> bool {
        self.left(now) > 0
    }

    /// How many retries are left.
    #[must_use]
    pub fn left(&mut self, now: Instant) -> u64 {
        self.fill(now);
        self.parts / PARTS
    }

    /// Takes a retry out.
    pub fn spend(&mut self) {
        self.parts = self.parts.saturating_sub(PARTS);
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.since(self.filled_at).min(Duration::from_secs(3600));
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(0);
        let parts = millis * u64::from(self.limits.per_second) * PARTS / 1000;
        // Time too short to earn one part is kept for the next call, not lost.
        if parts > 0 {
            self.filled_at = now;
            self.add(parts);
        }
    }

    fn add(&mut self, parts: u64) {
        let most = u64::from(self.limits.saved_max) * PARTS;
        self.parts = (self.parts + parts).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BudgetLimits = BudgetLimits { percent: 20, per_second: 10, saved_max: 3 };

    fn at(millis: u64) -> Instant {
        Instant::at(Duration::from_millis(millis))
    }

    fn take(budget: &mut Budget, now: Instant) -> bool {
        let has_one = budget.has_one(now);
        if has_one {
            budget.spend();
        }
        has_one
    }

    fn spent() -> Budget {
        let mut budget = Budget::new(LIMITS, at(0));
        while take(&mut budget, at(0)) {}
        budget
    }

    #[test]
    fn it_begins_full_and_ends() {
        let mut budget = Budget::new(LIMITS, at(0));
        let retries = (0..10).filter(|_| take(&mut budget, at(0))).count();
        assert_eq!(retries, 3);
    }

    #[test]
    fn five_requests_earn_one_retry() {
        let mut budget = spent();
        (0..4).for_each(|_| budget.earn());
        assert!(!take(&mut budget, at(0)));
        budget.earn();
        assert!(take(&mut budget, at(0)));
        assert!(!take(&mut budget, at(0)));
    }

    #[test]
    fn a_quiet_service_earns_by_the_second() {
        let mut budget = spent();
        assert!(!take(&mut budget, at(99)));
        assert!(take(&mut budget, at(100)));
        assert!(!take(&mut budget, at(100)));
    }

    #[test]
    fn it_never_saves_more_than_its_limit() {
        let mut budget = spent();
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..10).filter(|_| take(&mut budget, at(3_600_000))).count(), 3);
    }
}

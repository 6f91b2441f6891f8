//! What one endpoint has in flight, and whether it is ejected.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock::Instant;

/// The counters of one endpoint, shared by every thread and every snapshot.
///
/// Each thread writes only its own slot, with a plain load and store, so that counting costs no
/// atomic read-modify-write and no cache line travels between cores. The ejection is shared by
/// all, but written only when an endpoint fails or recovers.
#[derive(Debug)]
pub struct Traffic {
    slots: Box<[Slot]>,
    ejection: Shared,
}

/// Two cache lines, because the prefetcher of x86 fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    in_flight: AtomicU32,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shared {
    /// Nanoseconds since [`Instant::START`]; zero means not ejected.
    until: AtomicU64,
    /// Ejections since the last good answer.
    streak: AtomicU32,
    /// Failures since the last good answer that do not eject by themselves.
    strikes: AtomicU32,
}

/// How long a failing endpoint is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// After the first failure; doubled for each one that follows without a good answer between.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
    /// So many time-outs in a row eject: a slow endpoint is not a dead one.
    pub strikes: u32,
}

impl Traffic {
    /// Counters for an engine of so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let slots = (0..threads).map(|_| Slot::default()).collect();
        Self { slots, ejection: Shared::default() }
    }

    /// A request begins. Only the thread that owns the slot may call this.
    pub fn enter(&self, thread: usize) {
        let in_flight = &self.slots[thread].in_flight;
        in_flight.store(in_flight.load(Relaxed) + 1, Relaxed);
    }

    /// A request ends. Only the thread that owns the slot may call this.
    pub fn leave(&self, thread: usize) {
        let in_flight = &self.slots[thread].in_flight;
        in_flight.store(in_flight.load(Relaxed) - 1, Relaxed);
    }

    /// What one thread has in flight here.
    #[must_use]
    pub fn in_flight(&self, thread: usize) -> u32 {
        self.slots[thread].in_flight.load(Relaxed)
    }

    /// What all threads together have in flight here.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.slots.iter().map(|slot| slot.in_flight.load(Relaxed)).sum()
    }

    /// Whether requests pass over the endpoint now.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        let until = self.ejection.until.load(Relaxed);
        // Almost always zero: the common case compares no times.
        until != 0 && now < Instant::at(Duration::from_nanos(until))
    }

    /// Passes over the endpoint from now on, for longer each time. Says until when, or `None`
    /// if it is ejected already: a hundred requests that fail together are one failure.
    pub fn eject(&self, limits: &Ejection, now: Instant) -> Option<Instant> {
        if self.is_ejected(now) {
            return None;
        }
        let streak = self.ejection.streak.load(Relaxed);
        let length = limits.first.saturating_mul(1 << streak.min(16)).min(limits.longest);
        let until = now + length;
        let nanos = u64::try_from(until.since_start().as_nanos()).unwrap_or(u64::MAX);
        self.ejection.until.store(nanos, Relaxed);
        self.ejection.streak.store(streak.saturating_add(1), Relaxed);
        Some(until)
    }

    /// Notes a failure that ejects only when it is one of several in a row.
    pub fn strike(&self, limits: &Ejection, now: Instant) -> Option<Instant> {
        let strikes = self.ejection.strikes.load(Relaxed) + 1;
        if strikes < limits.strikes {
            self.ejection.strikes.store(strikes, Relaxed);
            return None;
        }
        self.ejection.strikes.store(0, Relaxed);
        self.eject(limits, now)
    }

    /// An answer came: the endpoint works, whatever was noted before.
    pub fn recover(&self) {
        let Shared { until, streak, strikes } = &self.ejection;
        // Reading is cheap as long as nobody writes, so a healthy endpoint costs no store.
        if streak.load(Relaxed) != 0 || strikes.load(Relaxed) != 0 {
            until.store(0, Relaxed);
            streak.store(0, Relaxed);
            strikes.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Ejection =
        Ejection { first: Duration::from_secs(1), longest: Duration::from_secs(3), strikes: 3 };

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn threads_count_apart_and_are_summed() {
        let traffic = Traffic::new(2);
        traffic.enter(0);
        traffic.enter(1);
        traffic.enter(1);
        traffic.leave(0);
        assert_eq!([traffic.in_flight(0), traffic.in_flight(1), traffic.total()], [0, 2, 2]);
    }

    #[test]
    fn an_ejection_ends_by_itself() {
        let traffic = Traffic::new(1);
        assert!(!traffic.is_ejected(at(10)));
        assert_eq!(traffic.eject(&LIMITS, at(10)), Some(at(11)));
        assert!(traffic.is_ejected(at(10)));
        assert!(!traffic.is_ejected(at(11)));
    }

    #[test]
    fn failures_that_come_together_are_one_ejection() {
        let traffic = Traffic::new(1);
        traffic.eject(&LIMITS, at(10));
        assert_eq!(traffic.eject(&LIMITS, at(10)), None);
    }

    #[test]
    fn ejections_grow_up_to_the_longest_and_a_good_answer_forgives_them() {
        let traffic = Traffic::new(1);
        assert_eq!(traffic.eject(&LIMITS, at(10)), Some(at(11)));
        assert_eq!(traffic.eject(&LIMITS, at(20)), Some(at(22)));
        assert_eq!(traffic.eject(&LIMITS, at(30)), Some(at(33)));
        assert_eq!(traffic.eject(&LIMITS, at(40)), Some(at(43)));
        traffic.recover();
        assert!(!traffic.is_ejected(at(42)));
        assert_eq!(traffic.eject(&LIMITS, at(50)), Some(at(51)));
    }

    #[test]
    fn strikes_eject_only_in_a_row() {
        let traffic = Traffic::new(1);
        assert_eq!(traffic.strike(&LIMITS, at(1)), None);
        assert_eq!(traffic.strike(&LIMITS, at(2)), None);
        traffic.recover();
        assert_eq!(traffic.strike(&LIMITS, at(3)), None);
        assert_eq!(traffic.strike(&LIMITS, at(4)), None);
        assert_eq!(traffic.strike(&LIMITS, at(5)), Some(at(6)));
    }
}

//! What one endpoint has in flight, and whether it is ejected.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::ledger::{Ledger, Record, Seat};
use crate::clock::Instant;
use crate::metrics::Account;

/// The counters of one endpoint. A copy counts in the same place; whoever picks has one at hand,
/// because each look at something that is elsewhere waits for the memory when there are thousands
/// of endpoints. The place is free for another endpoint when the last copy is dropped.
///
/// Each thread writes only its own, with a plain load and store, so that counting costs no atomic
/// read-modify-write and no cache line travels between cores. The ejection is shared by all, but
/// written only when an endpoint fails or recovers.
#[derive(Clone, Debug)]
pub struct Traffic {
    ledger: Arc<Ledger>,
    account: Arc<Account>,
    _taken: Arc<TakenSeat>,
    seat: Seat,
}

/// A place in the ledger, for as long as anybody counts there.
#[derive(Debug)]
struct TakenSeat {
    ledger: Arc<Ledger>,
    seat: Seat,
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
    pub(super) fn new(ledger: Arc<Ledger>, seat: Seat, account: Arc<Account>) -> Self {
        let taken = Arc::new(TakenSeat { ledger: Arc::clone(&ledger), seat });
        Self { ledger, account, _taken: taken, seat }
    }

    /// Where its answers are counted.
    #[must_use]
    pub const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Where it is counted.
    pub(super) const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where in the ledger.
    pub(super) const fn seat(&self) -> Seat {
        self.seat
    }

    /// A request begins. Only the thread itself may call this.
    pub fn enter(&self, thread: usize) {
        let in_flight = self.ledger.in_flight(self.seat, thread);
        in_flight.store(in_flight.load(Relaxed) + 1, Relaxed);
    }

    /// A request ends. Only the thread itself may call this.
    pub fn leave(&self, thread: usize) {
        let in_flight = self.ledger.in_flight(self.seat, thread);
        in_flight.store(in_flight.load(Relaxed) - 1, Relaxed);
    }

    /// What one thread has in flight here.
    #[must_use]
    pub fn in_flight(&self, thread: usize) -> u32 {
        self.ledger.in_flight(self.seat, thread).load(Relaxed)
    }

    /// What all threads together have in flight here.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.ledger.total(self.seat)
    }

    /// Whether requests pass over the endpoint now.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.ledger.is_ejected(self.seat, now)
    }

    /// Passes over the endpoint from now on, for longer each time. Says until when, or `None`
    /// if it is ejected already: a hundred requests that fail together are one failure.
    pub fn eject(&self, limits: &Ejection, now: Instant) -> Option<Instant> {
        if self.is_ejected(now) {
            return None;
        }
        let record = self.ledger.record(self.seat);
        let length = limits.first.saturating_mul(1 << record.streak.min(16)).min(limits.longest);
        let until = now + length;
        self.ledger.eject(self.seat, until);
        let streak = record.streak.saturating_add(1);
        self.ledger.set_record(self.seat, Record { streak, ..record });
        Some(until)
    }

    /// Notes a failure that ejects only when it is one of several in a row.
    pub fn strike(&self, limits: &Ejection, now: Instant) -> Option<Instant> {
        let record = self.ledger.record(self.seat);
        let strikes = record.strikes.saturating_add(1);
        if u32::from(strikes) < limits.strikes {
            self.ledger.set_record(self.seat, Record { strikes, ..record });
            return None;
        }
        self.ledger.set_record(self.seat, Record { strikes: 0, ..record });
        self.eject(limits, now)
    }

    /// An answer came: the endpoint works, whatever was noted before.
    pub fn recover(&self) {
        self.ledger.clear(self.seat);
    }
}

impl Drop for TakenSeat {
    /// Nobody can have a request in flight there any more.
    fn drop(&mut self) {
        self.ledger.close(self.seat);
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
        let traffic = Ledger::new(2).open().unwrap();
        traffic.enter(0);
        traffic.enter(1);
        traffic.enter(1);
        traffic.leave(0);
        assert_eq!([traffic.in_flight(0), traffic.in_flight(1), traffic.total()], [0, 2, 2]);
    }

    #[test]
    fn an_ejection_ends_by_itself() {
        let traffic = Ledger::new(1).open().unwrap();
        assert!(!traffic.is_ejected(at(10)));
        assert_eq!(traffic.eject(&LIMITS, at(10)), Some(at(11)));
        assert!(traffic.is_ejected(at(10)));
        assert!(!traffic.is_ejected(at(11)));
    }

    #[test]
    fn failures_that_come_together_are_one_ejection() {
        let traffic = Ledger::new(1).open().unwrap();
        traffic.eject(&LIMITS, at(10));
        assert_eq!(traffic.eject(&LIMITS, at(10)), None);
    }

    #[test]
    fn ejections_grow_up_to_the_longest_and_a_good_answer_forgives_them() {
        let traffic = Ledger::new(1).open().unwrap();
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
        let traffic = Ledger::new(1).open().unwrap();
        assert_eq!(traffic.strike(&LIMITS, at(1)), None);
        assert_eq!(traffic.strike(&LIMITS, at(2)), None);
        traffic.recover();
        assert_eq!(traffic.strike(&LIMITS, at(3)), None);
        assert_eq!(traffic.strike(&LIMITS, at(4)), None);
        assert_eq!(traffic.strike(&LIMITS, at(5)), Some(at(6)));
    }

    #[test]
    fn the_next_one_in_a_seat_begins_without_a_record() {
        let ledger = Ledger::new(1);
        let before = ledger.open().unwrap();
        let other = ledger.open().unwrap();
        assert!(before.eject(&LIMITS, at(10)).is_some());
        assert!(!other.is_ejected(at(10)));
        let seat = before.seat();
        drop(before);
        let next = ledger.open().unwrap();
        assert_eq!(next.seat(), seat);
        assert!(!next.is_ejected(at(10)));
        assert_eq!(next.eject(&LIMITS, at(10)), Some(at(11)));
    }

    #[test]
    fn what_is_held_against_one_is_forgiven_whatever_the_others_did() {
        let ledger = Ledger::new(1);
        let all: Vec<Traffic> = (0..3000).map(|_| ledger.open().unwrap()).collect();
        for traffic in &all {
            assert_eq!(traffic.strike(&LIMITS, at(1)), None);
        }
        for traffic in &all {
            traffic.recover();
            assert_eq!(traffic.strike(&LIMITS, at(1)), None);
            assert_eq!(traffic.strike(&LIMITS, at(1)), None);
            assert!(!traffic.is_ejected(at(1)));
            assert!(traffic.strike(&LIMITS, at(1)).is_some());
            assert!(traffic.is_ejected(at(1)) && !traffic.is_ejected(at(2)));
        }
    }
}

//! How slowly a client may send a body, or take an answer.
//!
//! Only time in which we wait for the client counts: not that in which an endpoint thinks, or does
//! not take what the client has sent. A client has so many bytes in hand; waiting for it uses them
//! up at the rate it has to keep, and each byte that it moves adds one. It begins with the grace's
//! worth. What it moved fast lets it pause, but for no longer than the stall limit, so nobody buys
//! an hour of dripping with one quick megabyte.

use std::time::Duration;

use super::settings::BodyRate;

/// Bytes are counted in millionths, which is what a rate of bytes a second makes of microseconds:
/// so nothing is lost however small the pieces are.
const MILLION: u64 = 1_000_000;

/// One client's side of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Bytes a second; 0 is no limit.
    rate: u64,
    /// Millionths of bytes that the client is ahead of the rate.
    ahead: u64,
    ahead_max: u64,
    stall: Duration,
    phase: Phase,
}

/// Whether the client knows that it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It may wait for a 100 (Continue), which is not ours to give.
    Invited,
    Running,
}

impl Pace {
    /// A client that sends a body.
    pub(super) fn of_sender(limit: BodyRate, stall: Duration) -> Self {
        let worth = |time: Duration| due(limit.per_second, time);
        let (ahead, ahead_max) = (worth(limit.grace), worth(limit.grace.max(stall)));
        Self { rate: limit.per_second, ahead, ahead_max, stall, phase: Phase::Running }
    }

    /// The same, if it waits for a 100 (Continue): its time counts from its first byte.
    pub(super) fn invited(self) -> Self {
        Self { phase: Phase::Invited, ..self }
    }

    /// A client that takes an answer. It begins with all that it may ever have in hand: the system
    /// tells of what it took only when a third of the socket's buffer is free, which may hold a
    /// part of the answer before.
    pub(super) fn of_reader(limit: BodyRate, stall: Duration) -> Self {
        let sender = Self::of_sender(limit, stall);
        Self { ahead: sender.ahead_max, ..sender }
    }

    /// How long may be waited for the client's next byte.
    pub(super) fn patience(&self) -> Duration {
        if self.rate == 0 || self.phase == Phase::Invited {
            return self.stall;
        }
        self.stall.min(Duration::from_micros(self.ahead / self.rate))
    }

    /// The client was waited for.
    pub(super) fn waited(&mut self, time: Duration) {
        if self.phase == Phase::Running {
            self.ahead = self.ahead.saturating_sub(due(self.rate, time));
        }
    }

    /// The client has sent or taken so many bytes.
    pub(super) fn moved(&mut self, count: usize) {
        self.phase = Phase::Running;
        let moved = MILLION.saturating_mul(count as u64);
        self.ahead = self.ahead.saturating_add(moved).min(self.ahead_max);
    }
}

/// What has to pass in `time`, in millionths of bytes.
fn due(rate: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    rate.saturating_mul(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: BodyRate = BodyRate { per_second: 240, grace: Duration::from_secs(5) };
    const STALL: Duration = Duration::from_secs(30);

    /// How long a client is borne that moves `count` bytes each `pause`, up to an hour.
    fn borne(count: usize, pause: Duration, mut pace: Pace) -> Duration {
        let mut total = Duration::ZERO;
        while total < Duration::from_secs(3600) {
            let patience = pace.patience();
            if patience < pause {
                return total + patience;
            }
            pace.waited(pause);
            pace.moved(count);
            total += pause;
        }
        total
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_byte_a_second_is_borne_for_the_grace_and_hardly_longer() {
        let borne = borne(1, seconds(1.0), Pace::of_sender(RATE, STALL));
        assert!((5.0..5.1).contains(&borne.as_secs_f64()), "{borne:?}");
    }

    #[test]
    fn the_rate_is_kept_however_it_is_cut() {
        for (count, pause) in [(240, 1.0), (3, 0.0125), (24, 0.1), (2400, 10.0), (7200, 30.0)] {
            let mut pace = Pace::of_sender(RATE, STALL);
            pace.moved(10_000);
            assert_eq!(borne(count, seconds(pause), pace), seconds(3600.0), "{count} in {pause}");
        }
        let less = borne(239, seconds(1.0), Pace::of_sender(RATE, STALL));
        assert!(less > seconds(600.0) && less < seconds(3600.0), "{less:?}");
        // Bytes that come one by one are counted like any.
        let half = borne(1, seconds(1.0 / 120.0), Pace::of_sender(RATE, STALL));
        assert!(half < seconds(11.0), "{half:?}");
    }

    #[test]
    fn one_quick_megabyte_buys_one_pause_as_long_as_a_stall() {
        let mut pace = Pace::of_sender(RATE, STALL);
        pace.moved(1_000_000);
        assert_eq!(pace.patience(), STALL);
        let borne = borne(1, seconds(1.0), pace);
        assert!((30.0..31.0).contains(&borne.as_secs_f64()), "{borne:?}");
    }

    #[test]
    fn what_is_ready_at_once_costs_nothing_and_no_patience_is_left_in_the_end() {
        let mut pace = Pace::of_sender(RATE, STALL);
        pace.moved(240);
        assert_eq!(pace.patience(), seconds(6.0));
        pace.waited(seconds(7.0));
        assert_eq!(pace.patience(), Duration::ZERO);
    }

    #[test]
    fn a_reader_may_pause_at_once_and_not_for_ever() {
        let pace = Pace::of_reader(RATE, STALL);
        assert_eq!(pace.patience(), STALL);
        let borne = borne(20, seconds(1.0), pace);
        assert!((30.0..40.0).contains(&borne.as_secs_f64()), "{borne:?}");
    }

    #[test]
    fn off_is_off_and_the_stall_limit_stays() {
        let mut pace = Pace::of_sender(BodyRate::OFF, STALL);
        pace.waited(seconds(1e6));
        assert_eq!(pace.patience(), STALL);
    }

    #[test]
    fn whoever_waits_to_be_asked_is_not_hurried() {
        let mut pace = Pace::of_sender(RATE, STALL).invited();
        pace.waited(seconds(29.0));
        assert_eq!(pace.patience(), STALL);
        pace.moved(1);
        assert!(pace.patience() >= RATE.grace, "{:?}", pace.patience());
        pace.waited(seconds(4.0));
        assert!(pace.patience() < seconds(2.0));
    }
}

//! The only place of this program that reads a clock or waits for one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

static START: OnceLock<Instant> = OnceLock::new();

/// A monotonic point in time, since this process first asked for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one reading that the others go through")]
    pub(crate) fn now() -> Self {
        let now = Instant::now();
        Self::START.after(now - *START.get_or_init(|| now))
    }

    /// The first moment of the process.
    pub(crate) const START: Self = Self(0);

    /// A moment that never comes.
    pub(crate) const END: Self = Self(u64::MAX);

    /// The moment `later` than this one.
    pub(crate) fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The nanoseconds from `earlier` to this; zero if `earlier` is not earlier.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is from now until this moment.
    pub(crate) fn remaining(self) -> Duration {
        Duration::from_nanos(self.nanos_since(Self::now()))
    }
}

/// A moment that epoll reports, to the microsecond: its own timeout is whole milliseconds, in which
/// a dozen requests become due.
pub(crate) struct Alarm {
    timer: OwnedFd,
    at: Moment,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer, at: Moment::END })
    }

    /// Has it ring at this moment; at once, if it is over.
    pub(crate) fn set(&mut self, at: Moment) -> io::Result<()> {
        let remaining = at.remaining();
        if self.at == at && !remaining.is_zero() {
            return Ok(());
        }
        let it_value = Timespec {
            tv_sec: i64::try_from(remaining.as_secs()).unwrap_or(i64::MAX),
            // None at all would say that it never rings.
            tv_nsec: i64::from(remaining.subsec_nanos()).max(1),
        };
        let it_interval = Timespec::default();
        timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval, it_value },
        )?;
        self.at = at;
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

/// Waits; for what can only be asked again and again, such as whether a port is open.
#[expect(clippy::disallowed_methods, reason = "the callers ask again, and have a deadline")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Poll;

    #[test]
    fn an_alarm_rings_as_often_as_it_is_set() {
        let mut poll = Poll::new().unwrap();
        let mut alarm = Alarm::new().unwrap();
        poll.add_alarm(&alarm, 7).unwrap();
        let soon = Moment::now().after(Duration::from_micros(50));
        let past = Moment::START;
        for at in [soon, past, past] {
            alarm.set(at).unwrap();
            assert_eq!(poll.wait().unwrap(), 1);
            assert_eq!(poll.token(0), 7);
            assert!(Moment::now() >= at);
        }
    }
}

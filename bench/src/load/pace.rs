//! When a request is sent: when the one before it is answered (a closed loop), or at its time (an
//! open one). In an open loop a request's latency counts from its time, whether there was a free
//! connection then or not, so that a subject that stalls cannot hide the requests it kept waiting.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::table::Token;

/// When requests are sent, and which connections are free to send one.
pub(super) enum Pace {
    Closed,
    Open(Schedule),
    /// Nothing more is sent.
    Over,
}

/// One request every `interval`.
pub(super) struct Schedule {
    interval: Duration,
    next: Moment,
    free: Vec<Token>,
    late: VecDeque<Moment>,
}

impl Pace {
    pub(super) fn open(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate;
        let (next, free, late) = (Moment::START, Vec::new(), VecDeque::new());
        Self::Open(Schedule { interval, next, free, late })
    }

    /// The first request of the schedule is due now.
    pub(super) fn start(&mut self, now: Moment) {
        if let Self::Open(schedule) = self {
            schedule.next = now;
        }
    }

    /// A connection has nothing to do: the time of the request that it should send now, if any.
    pub(super) fn ready(&mut self, token: Token, now: Moment) -> Option<Moment> {
        let schedule = match self {
            Self::Closed => return Some(now),
            Self::Over => return None,
            Self::Open(schedule) => schedule,
        };
        let due = schedule.late.pop_front();
        if due.is_none() {
            schedule.free.push(token);
        }
        due
    }

    /// A request that is due, with a free connection; those without one wait.
    pub(super) fn due(&mut self, now: Moment) -> Option<(Token, Moment)> {
        let Self::Open(schedule) = self else { return None };
        schedule.catch_up(now);
        if schedule.late.is_empty() {
            return None;
        }
        let token = schedule.free.pop()?;
        Some((token, schedule.late.pop_front()?))
    }

    /// When the next request is due.
    pub(super) fn next(&self) -> Moment {
        match self {
            Self::Open(schedule) => schedule.next,
            Self::Closed | Self::Over => Moment::END,
        }
    }

    /// Requests that are due and are not sent.
    pub(super) fn unsent(&self) -> usize {
        match self {
            Self::Open(schedule) => schedule.late.len(),
            Self::Closed | Self::Over => 0,
        }
    }

    /// The connection that should have sent it is gone.
    pub(super) fn put_back(&mut self, due: Moment) {
        if let Self::Open(schedule) = self {
            schedule.late.push_front(due);
        }
    }

    /// No more requests become due after `over`.
    pub(super) fn end(&mut self, over: Moment) {
        match self {
            Self::Open(schedule) => {
                schedule.catch_up(over);
                schedule.next = Moment::END;
            }
            Self::Closed | Self::Over => *self = Self::Over,
        }
    }
}

impl Schedule {
    fn catch_up(&mut self, now: Moment) {
        while self.next <= now {
            self.late.push_back(self.next);
            self.next = self.next.after(self.interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn a_late_request_keeps_the_time_at_which_it_was_due() {
        let mut pace = Pace::open(1_000);
        let token = Table::new().insert(());
        let at = |millis| Moment::START.after(Duration::from_millis(millis));
        pace.start(at(10));
        assert_eq!(pace.due(at(12)), None, "no connection is free");
        assert_eq!(pace.unsent(), 3);
        assert_eq!(pace.ready(token, at(15)), Some(at(10)));
        assert_eq!(pace.ready(token, at(16)), Some(at(11)));
        assert_eq!(pace.next(), at(13));
    }
}

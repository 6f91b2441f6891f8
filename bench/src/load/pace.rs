//! When a request is sent: when the one before it is answered (a closed loop), or at its time (an
//! open one). In an open loop a request's latency counts from its time, whether there was a free
//! connection then or not, so that a subject that stalls cannot hide the requests it kept waiting.
//! Neither sends before it is started, nor after it is ended until it is started again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::table::Token;

/// When requests are sent, and which connections are free to send one.
pub(super) enum Pace {
    Closed(Loop),
    Open(Schedule),
}

/// One request after the other on each connection.
pub(super) struct Loop {
    state: State,
    free: Vec<Token>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Resting,
}

/// One request every `interval`.
pub(super) struct Schedule {
    interval: Duration,
    next: Moment,
    free: Vec<Token>,
    late: VecDeque<Moment>,
}

impl Pace {
    pub(super) fn closed() -> Self {
        Self::Closed(Loop { state: State::Resting, free: Vec::new() })
    }

    pub(super) fn open(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate;
        let (next, free, late) = (Moment::END, Vec::new(), VecDeque::new());
        Self::Open(Schedule { interval, next, free, late })
    }

    /// The first request is due now.
    pub(super) fn start(&mut self, now: Moment) {
        match self {
            Self::Closed(closed) => closed.state = State::Running,
            Self::Open(schedule) => schedule.next = now,
        }
    }

    /// A connection has nothing to do: the time of the request that it should send now, if any.
    pub(super) fn ready(&mut self, token: Token, now: Moment) -> Option<Moment> {
        let schedule = match self {
            Self::Closed(Loop { state: State::Running, .. }) => return Some(now),
            Self::Closed(Loop { state: State::Resting, free }) => {
                free.push(token);
                return None;
            }
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
        let schedule = match self {
            Self::Closed(Loop { state: State::Resting, .. }) => return None,
            Self::Closed(Loop { state: State::Running, free }) => return Some((free.pop()?, now)),
            Self::Open(schedule) => schedule,
        };
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
            Self::Closed(_) => Moment::END,
        }
    }

    /// Requests that are due and are not sent.
    pub(super) fn unsent(&self) -> usize {
        match self {
            Self::Open(schedule) => schedule.late.len(),
            Self::Closed(_) => 0,
        }
    }

    /// The connection that should have sent it is gone.
    pub(super) fn put_back(&mut self, due: Moment) {
        if let Self::Open(schedule) = self {
            schedule.late.push_front(due);
        }
    }

    /// No more requests become due after `over`, until it is started again.
    pub(super) fn end(&mut self, over: Moment) {
        match self {
            Self::Open(schedule) => {
                schedule.catch_up(over);
                schedule.next = Moment::END;
            }
            Self::Closed(closed) => closed.state = State::Resting,
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
        pace.end(at(13));
        assert_eq!((pace.unsent(), pace.next()), (2, Moment::END), "those of 12 and 13 are late");
    }

    #[test]
    fn a_loop_that_rests_sends_when_it_is_started() {
        let mut pace = Pace::closed();
        let token = Table::new().insert(());
        for _ in 0..2 {
            assert_eq!(pace.ready(token, Moment::START), None);
            assert_eq!(pace.due(Moment::START), None);
            pace.start(Moment::START);
            assert_eq!(pace.due(Moment::START), Some((token, Moment::START)));
            assert_eq!(pace.due(Moment::START), None, "it is not sent twice");
            assert_eq!(pace.ready(token, Moment::START), Some(Moment::START));
            pace.end(Moment::START);
        }
    }
}

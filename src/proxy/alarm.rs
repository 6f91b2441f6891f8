//! One timer for all the waits of a session that rarely end by it.
//!
//! Setting a timer and taking it back costs more than reading a request's head, and nearly every
//! wait ends in time. So the timer of a session stays set: one that rings too early for the wait
//! of that moment is set anew, which happens once per time limit and not once per request.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep};

use crate::clock::{self, Instant};

/// A timer that stays set. It wakes the task that waited with it first, so it belongs to one task.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    rings_at: Instant,
}

/// The time came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLate;

impl Alarm {
    /// Waits for `future`, but not after `until`.
    pub(super) async fn within<F: Future>(
        &mut self,
        until: Instant,
        future: F,
    ) -> Result<F::Output, TooLate> {
        let mut future = pin!(future);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(until, context).map(|()| Err(TooLate)),
        })
        .await
    }

    fn poll(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.is_set_by(until) {
            return Poll::Pending;
        }
        let now = clock::now();
        if now >= until {
            return Poll::Ready(());
        }
        match &mut self.timer {
            Some(timer) => {
                let (earlier, later) = (self.rings_at.since(until), until.since(self.rings_at));
                let deadline = timer.deadline() - earlier + later;
                timer.as_mut().reset(deadline);
            }
            none => *none = Some(Box::pin(sleep(until.since(now)))),
        }
        self.rings_at = until;
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(context))
    }

    /// Whether the timer will wake the task before `until` has passed.
    fn is_set_by(&self, until: Instant) -> bool {
        let is_set = self.timer.as_ref().is_some_and(|timer| !timer.is_elapsed());
        is_set && self.rings_at <= until
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_own_time_whatever_was_waited_for_before() {
        let mut alarm = Alarm::default();
        let begun = clock::now();
        for (limit, elapsed) in [(3, 3), (1, 4), (5, 9), (0, 9)] {
            let until = clock::now() + limit * SECOND;
            assert_eq!(alarm.within(until, pending::<()>()).await, Err(TooLate));
            assert_eq!(clock::now().since(begun).as_secs(), elapsed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_rings_for_an_earlier_wait_is_set_anew() {
        let mut alarm = Alarm::default();
        let begun = clock::now();
        let short = sleep(SECOND);
        assert_eq!(alarm.within(begun + 2 * SECOND, short).await, Ok(()));
        let until = clock::now() + 5 * SECOND;
        assert_eq!(alarm.within(until, pending::<()>()).await, Err(TooLate));
        assert_eq!(clock::now().since(begun).as_secs(), 6);
        assert_eq!(alarm.within(begun, ready(7)).await, Ok(7));
    }
}

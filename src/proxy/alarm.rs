//! One timer for all the waits of a session, which rarely end by it.
//!
//! Setting a timer and taking it back costs more than reading a request's head, and nearly every
//! wait ends in time. So the timer of a session stays set: one that rings too early for a wait is
//! set anew, which happens once per time limit and not once per request. Waits that go on at the
//! same time share it: it is set for the earliest, and the others set it anew when it has rung.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::clock::{self, Instant};

/// A timer that stays set. It wakes the task that waited with it first, so it belongs to one task.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    timer: RefCell<Option<Pin<Box<Sleep>>>>,
    rings_at: Cell<Instant>,
}

/// The time came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLate;

impl Alarm {
    /// Waits for `future`, at most so long. What is ready at once costs no look at the clock.
    pub(super) async fn within<F: Future>(
        &self,
        limit: Duration,
        mut future: Pin<&mut F>,
    ) -> Result<F::Output, TooLate> {
        let mut until = None;
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => {
                let until = *until.get_or_insert_with(|| clock::now() + limit);
                self.poll(until, context).map(|()| Err(TooLate))
            }
        })
        .await
    }

    /// Ready when `until` has passed; wakes the task then.
    pub(super) fn poll(&self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.borrow_mut();
        let is_set = timer.as_ref().is_some_and(|timer| !timer.is_elapsed());
        if is_set && self.rings_at.get() <= until {
            return Poll::Pending;
        }
        let now = clock::now();
        if now >= until {
            return Poll::Ready(());
        }
        match &mut *timer {
            Some(timer) => {
                let rings_at = self.rings_at.get();
                let (earlier, later) = (rings_at.since(until), until.since(rings_at));
                let deadline = timer.deadline() - earlier + later;
                timer.as_mut().reset(deadline);
            }
            none => *none = Some(Box::pin(sleep(until.since(now)))),
        }
        self.rings_at.set(until);
        timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(context))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_own_time_whatever_was_waited_for_before() {
        let alarm = Alarm::default();
        let begun = clock::now();
        for (limit, elapsed) in [(3, 3), (1, 4), (5, 9), (0, 9)] {
            let ended = alarm.within(limit * SECOND, pin!(pending::<()>())).await;
            assert_eq!(ended, Err(TooLate));
            assert_eq!(clock::now().since(begun).as_secs(), elapsed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_rings_for_an_earlier_wait_is_set_anew() {
        let alarm = Alarm::default();
        let begun = clock::now();
        assert_eq!(alarm.within(2 * SECOND, pin!(sleep(SECOND))).await, Ok(()));
        let ended = alarm.within(5 * SECOND, pin!(pending::<()>())).await;
        assert_eq!(ended, Err(TooLate));
        assert_eq!(clock::now().since(begun).as_secs(), 6);
        assert_eq!(alarm.within(Duration::ZERO, pin!(ready(7))).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_that_share_it_end_each_at_its_own_time() {
        let (alarm, begun) = (Alarm::default(), clock::now());
        let ends = |limit: u32| {
            let alarm = &alarm;
            async move {
                let ended = alarm.within(limit * SECOND, pin!(pending::<()>())).await;
                assert_eq!(ended, Err(TooLate));
                clock::now().since(begun).as_secs()
            }
        };
        let ended = tokio::join!(ends(5), ends(2), ends(9), ends(2));
        assert_eq!(ended, (5, 2, 9, 2));
    }
}

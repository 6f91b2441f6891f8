//! The retry table: what may be done about a request whose try failed.
//!
//! | what happened | idempotent methods | the others |
//! |---|---|---|
//! | nothing was sent: connect refused, timed out, no route | retry | retry |
//! | reused connection closed before the first response byte | retry on a fresh connection | only if no byte of the request was written |
//! | sent, then reset or closed before the first response byte | retry if the body can be replayed | never |
//! | a response byte has arrived | never | never |
//! | nothing is left to try | hold | hold |
//!
//! RFC 9110 §9.2.2 allows an intermediary to repeat idempotent methods only; the first row is safe
//! for all, because the endpoint saw nothing.

/// How far the failed try had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// No byte of the request was written.
    NothingSent,
    /// Some of it was, on a connection that had carried a request before, and that was closed:
    /// the endpoint may have closed it for having been idle, before it saw anything.
    SentOnReused,
    /// Some of it was, and the endpoint must be assumed to have acted on it.
    Sent,
    /// It was, and the endpoint did not answer in time.
    SentAndSilent,
    /// At least one byte of the answer came.
    Answering,
}

impl Progress {
    /// How many of a request's tries are spent. Only a fresh connection that breaks under the
    /// request speaks against the request itself. A reused one breaks for reasons of its own, and
    /// at most once, because after that only fresh ones are used.
    #[must_use]
    pub const fn tries_spent(self) -> u32 {
        match self {
            Self::NothingSent | Self::SentOnReused => 0,
            Self::Sent | Self::SentAndSilent | Self::Answering => 1,
        }
    }
}

/// Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// GET, HEAD, OPTIONS, PUT, DELETE, TRACE.
    Idempotent,
    /// POST, PATCH, and every method we do not know.
    Never,
}

/// Whether the request's body can be sent a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// There is none, none of it was read yet, or all that was read is still held.
    Replayable,
    /// Part of it went through and is gone.
    Gone,
}

/// What this request and its thread can still afford.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Means {
    /// An endpoint that serves and was not tried.
    pub untried: bool,
    /// Tries that may still be made after one that an endpoint may have died of.
    pub tries: u32,
    /// The thread's retry budget has one left.
    pub budget: bool,
}

/// What to do about a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Send it to an endpoint that was not tried.
    Retry,
    /// Send it again to any endpoint, on a connection that was never used.
    RetryFresh,
    /// It may be repeated, but not now: wait for an endpoint, within the limits of a hold.
    Hold,
    /// Tell the client.
    Fail,
}

/// The table.
#[must_use]
pub fn after_failure(progress: Progress, repeat: Repeat, body: Body, means: Means) -> Decision {
    match (progress, repeat, body) {
        (_, _, Body::Gone)
        | (Progress::Answering | Progress::SentAndSilent, _, _)
        | (Progress::SentOnReused | Progress::Sent, Repeat::Never, _) => Decision::Fail,
        (Progress::NothingSent, _, Body::Replayable) => afford(Decision::Retry, means),
        (Progress::SentOnReused, Repeat::Idempotent, Body::Replayable) => {
            if means.budget {
                Decision::RetryFresh
            } else {
                Decision::Hold
            }
        }
        (Progress::Sent, Repeat::Idempotent, Body::Replayable) => match means.tries {
            // A request that kills whatever it is sent to must not be let loose on every endpoint.
            0 => Decision::Fail,
            _ => afford(Decision::Retry, means),
        },
    }
}

/// A retry that cannot be made now waits: nothing was lost yet, and the hold has its own limits.
fn afford(retry: Decision, means: Means) -> Decision {
    if means.untried && means.budget { retry } else { Decision::Hold }
}

#[cfg(test)]
mod tests {
    use super::Decision::{Fail, Hold, Retry, RetryFresh};
    use super::Progress::{Answering, NothingSent, Sent, SentAndSilent, SentOnReused};
    use super::*;

    const RICH: Means = Means { untried: true, tries: 2, budget: true };

    #[test]
    fn the_table_for_a_body_that_can_be_replayed() {
        let cells = [
            (NothingSent, Retry, Retry),
            (SentOnReused, RetryFresh, Fail),
            (Sent, Retry, Fail),
            (SentAndSilent, Fail, Fail),
            (Answering, Fail, Fail),
        ];
        for (progress, idempotent, other) in cells {
            let decide = |repeat| after_failure(progress, repeat, Body::Replayable, RICH);
            assert_eq!(decide(Repeat::Idempotent), idempotent, "{progress:?}, idempotent");
            assert_eq!(decide(Repeat::Never), other, "{progress:?}, not idempotent");
        }
    }

    #[test]
    fn a_body_that_is_gone_is_never_repeated() {
        for progress in [NothingSent, SentOnReused, Sent, SentAndSilent, Answering] {
            for repeat in [Repeat::Idempotent, Repeat::Never] {
                assert_eq!(after_failure(progress, repeat, Body::Gone, RICH), Fail);
            }
        }
    }

    #[test]
    fn what_may_be_repeated_is_held_when_every_endpoint_was_tried() {
        let means = Means { untried: false, ..RICH };
        for (progress, repeat) in [
            (NothingSent, Repeat::Idempotent),
            (NothingSent, Repeat::Never),
            (Sent, Repeat::Idempotent),
        ] {
            assert_eq!(after_failure(progress, repeat, Body::Replayable, means), Hold);
        }
    }

    #[test]
    fn a_fresh_connection_may_go_to_the_endpoint_that_was_tried() {
        let means = Means { untried: false, ..RICH };
        let decision = after_failure(SentOnReused, Repeat::Idempotent, Body::Replayable, means);
        assert_eq!(decision, RetryFresh);
    }

    #[test]
    fn only_a_fresh_connection_that_breaks_costs_a_try() {
        let spent = [NothingSent, SentOnReused, Sent, SentAndSilent, Answering];
        assert_eq!(spent.map(Progress::tries_spent), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn an_empty_budget_makes_what_may_be_repeated_wait() {
        let means = Means { budget: false, ..RICH };
        let decide =
            |progress| after_failure(progress, Repeat::Idempotent, Body::Replayable, means);
        assert_eq!([decide(NothingSent), decide(Sent), decide(SentOnReused)], [Hold; 3]);
    }

    #[test]
    fn a_request_that_was_sent_has_a_last_try_and_one_that_was_not_does_not() {
        let means = Means { tries: 0, ..RICH };
        let decide =
            |progress| after_failure(progress, Repeat::Idempotent, Body::Replayable, means);
        assert_eq!([decide(NothingSent), decide(Sent)], [Retry, Fail]);
    }
}

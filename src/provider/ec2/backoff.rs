//! How long to wait before a call is made again. Pure: the random draw is an argument.

use std::time::Duration;

/// The first pause. `RunInstances` refills at two calls a second, the scarcest of our calls.
const FIRST: Duration = Duration::from_millis(500);
/// The longest: by then others have filled the bucket, or AWS has trouble of its own.
const LONGEST: Duration = Duration::from_secs(8);
/// Doublings after which a pause is the longest in any case.
const DOUBLINGS_MAX: u32 = 6;

/// The pause after attempt number `attempt`, from 0; `draw` is from 0 to 1. Between half of it and
/// all of it, so that launches that were throttled together do not come back together.
pub(super) fn pause(attempt: u32, draw: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.min(DOUBLINGS_MAX)).min(LONGEST);
    whole.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_differ() {
        let millis = |attempt, draw| pause(attempt, draw).as_millis();
        assert_eq!((millis(0, 0.0), millis(0, 1.0)), (250, 500));
        assert_eq!((millis(1, 1.0), millis(2, 1.0)), (1000, 2000));
        assert_eq!((millis(4, 1.0), millis(40, 1.0)), (8000, 8000));
    }
}

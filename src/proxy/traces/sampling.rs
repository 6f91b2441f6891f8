//! Which traces are recorded, of those that begin with us.

use crate::http1::TraceId;

/// The bits of an id that are random in every trace (Trace Context, level 2, §3.2.2.3), and that
/// OpenTelemetry's samplers go by: who samples a part of what another samples has whole traces.
const RANDOM_BITS: u32 = 56;

/// A part of all traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Whose random bits are a number from here on is sampled.
    threshold: u64,
}

impl Sampling {
    /// So much of them: 0 is none, 1 is all.
    #[must_use]
    pub fn of_ratio(ratio: f64) -> Self {
        let all = (1_u64 << RANDOM_BITS) as f64;
        // A float that is too large or too small becomes the nearest number.
        Self { threshold: ((1.0 - ratio) * all) as u64 }
    }

    /// Whether this one is recorded.
    pub(super) fn takes(self, trace: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g] = trace.to_bytes();
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_taken_as_was_said() {
        let mut random = fastrand::Rng::with_seed(6);
        let ids: Vec<TraceId> = (0..10_000).map(|_| TraceId::from_draw(random.u128(..))).collect();
        let taken = |ratio| {
            let sampling = Sampling::of_ratio(ratio);
            ids.iter().filter(|id| sampling.takes(**id)).count()
        };
        assert_eq!((taken(0.0), taken(1.0)), (0, 10_000));
        assert!((900..1100).contains(&taken(0.1)), "{}", taken(0.1));
        assert_eq!(taken(-1.0), 0);
    }

    #[test]
    fn who_takes_less_takes_none_that_who_takes_more_leaves() {
        let mut random = fastrand::Rng::with_seed(7);
        let [less, more] = [0.2, 0.5].map(Sampling::of_ratio);
        for _ in 0..1000 {
            let id = TraceId::from_draw(random.u128(..));
            assert!(more.takes(id) || !less.takes(id));
        }
    }
}

//! How long repairs take.

use std::time::Duration;

use super::{Incident, Outcome};

/// The times to repair of some incidents. What the operator ordered and what recovered by itself
/// is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repairs {
    /// How many.
    pub count: usize,
    /// Half of them took no longer.
    pub p50: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
}

impl Repairs {
    /// Of those incidents that were repaired; `None` if none was.
    pub fn of<'a>(incidents: impl IntoIterator<Item = &'a Incident>) -> Option<Self> {
        let times = incidents.into_iter().filter_map(|incident| match incident.outcome {
            Outcome::Repaired(after) => Some(after),
            _ => None,
        });
        Self::of_times(times.collect())
    }

    /// Of times that were measured otherwise; `None` if there are none.
    #[must_use]
    pub fn of_times(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let (p50, p99) = (nearest_rank(&times, 50)?, nearest_rank(&times, 99)?);
        Some(Self { count: times.len(), p50, p99 })
    }
}

/// The smallest that is no smaller than so many per cent of them.
fn nearest_rank(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let millis = |times: &[u64]| {
            Repairs::of_times(times.iter().map(|time| Duration::from_millis(*time)).collect())
                .map(|of| (of.count, of.p50.as_millis(), of.p99.as_millis()))
        };
        assert_eq!(millis(&[]), None);
        assert_eq!(millis(&[7]), Some((1, 7, 7)));
        assert_eq!(millis(&[4, 1, 3, 2]), Some((4, 2, 4)));
        let many: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(millis(&many), Some((200, 100, 198)));
    }
}

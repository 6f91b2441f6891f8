//! What became of the requests.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::StatusCode;

use super::client::{Answer, Broken};

/// Losses that are told one by one; the others are only counted.
const LOSSES_MAX: usize = 10;

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Kind {
    Get,
    Post,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Fate {
    /// It was answered 2xx.
    Answered,
    /// It was not, and the retry table does not allow to try it again.
    Unsavable(String),
    /// It was not, although it could have been tried again.
    Lost(String),
}

/// Requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Counts {
    pub(in crate::chaos) sent: u64,
    pub(in crate::chaos) answered: u64,
    pub(in crate::chaos) unsavable: u64,
    pub(in crate::chaos) lost: u64,
}

/// All requests.
#[derive(Clone, Debug, Default)]
pub(in crate::chaos) struct Tally {
    pub(in crate::chaos) gets: Counts,
    pub(in crate::chaos) posts: Counts,
    /// The first of those that were lost.
    pub(in crate::chaos) losses: Vec<String>,
    pub(in crate::chaos) latencies: Latencies,
    /// The one that took longest.
    pub(in crate::chaos) slowest: Option<Slowest>,
    /// The numbers of the POSTs that were acknowledged.
    pub(in crate::chaos) acknowledged: BTreeSet<u64>,
}

/// A request that took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) struct Slowest {
    pub(in crate::chaos) took: Duration,
    pub(in crate::chaos) kind: Kind,
    /// When it was sent, from the beginning.
    pub(in crate::chaos) at: Duration,
}

/// Reads the retry table backwards: whether a request that was not answered well could have been.
pub(super) fn fate(kind: Kind, result: &Result<Answer, Broken>) -> Fate {
    let answer = match result {
        Ok(answer) if answer.status.is_success() => return Fate::Answered,
        Ok(answer) => answer,
        // A byte of the answer has arrived: never sent again.
        Err(broken @ Broken::Body) => return Fate::Unsavable(broken.to_string()),
        Err(broken) => return Fate::Lost(broken.to_string()),
    };
    let Answer { status, failure, .. } = answer;
    let says = |error: &str| failure.contains(&format!("error={error}"));
    let may_have_acted = says("connection_terminated") || says("http_response_incomplete");
    let late = *status == StatusCode::GATEWAY_TIMEOUT && says("http_response_timeout");
    let what = format!("{status} {failure}");
    match kind {
        Kind::Post if may_have_acted => Fate::Unsavable(what),
        _ if late => Fate::Unsavable(what),
        Kind::Get | Kind::Post => Fate::Lost(what),
    }
}

/// A POST may have been carried out by whoever does not answer; a GET could have gone elsewhere.
pub(super) fn unanswered(kind: Kind, patience: Duration) -> Fate {
    let what = format!("no answer within {patience:?}");
    match kind {
        Kind::Get => Fate::Lost(what),
        Kind::Post => Fate::Unsavable(what),
    }
}

impl Tally {
    pub(super) fn count(&mut self, kind: Kind, fate: Fate, at: Duration, took: Duration) {
        self.latencies.add(took);
        self.note(Slowest { took, kind, at });
        let counts = match kind {
            Kind::Get => &mut self.gets,
            Kind::Post => &mut self.posts,
        };
        counts.sent += 1;
        match fate {
            Fate::Answered => counts.answered += 1,
            Fate::Unsavable(_) => counts.unsavable += 1,
            Fate::Lost(what) => {
                counts.lost += 1;
                if self.losses.len() < LOSSES_MAX {
                    self.losses.push(format!("{kind:?} at {:.1} s: {what}", at.as_secs_f64()));
                }
            }
        }
    }

    fn note(&mut self, request: Slowest) {
        if self.slowest.is_none_or(|slowest| slowest.took < request.took) {
            self.slowest = Some(request);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (ours, theirs) in [(&mut self.gets, other.gets), (&mut self.posts, other.posts)] {
            ours.sent += theirs.sent;
            ours.answered += theirs.answered;
            ours.unsavable += theirs.unsavable;
            ours.lost += theirs.lost;
        }
        self.losses.extend(other.losses);
        self.losses.truncate(LOSSES_MAX);
        self.latencies.merge(&other.latencies);
        other.slowest.into_iter().for_each(|slowest| self.note(slowest));
        self.acknowledged.extend(other.acknowledged);
    }
}

/// Latencies by size, each bucket an eighth wider than the one before; so a percentile is right to
/// an eighth, whatever the number of requests.
#[derive(Clone, Debug)]
pub(in crate::chaos) struct Latencies {
    buckets: [u64; Self::BUCKETS],
}

impl Latencies {
    /// From a microsecond to over an hour.
    const BUCKETS: usize = 32 * Self::STEPS;
    /// Buckets for each power of two.
    const STEPS: usize = 8;

    fn add(&mut self, took: Duration) {
        self.buckets[Self::bucket(took)] += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *ours += theirs;
        }
    }

    fn bucket(took: Duration) -> usize {
        let micros = took.as_micros().max(1);
        let power = micros.ilog2() as usize;
        let eighth = ((micros - (1 << power)) * Self::STEPS as u128) >> power;
        (power * Self::STEPS + usize::try_from(eighth).unwrap_or(0)).min(Self::BUCKETS - 1)
    }

    /// The upper end of a bucket.
    fn end(bucket: usize) -> Duration {
        let (power, eighth) = (bucket / Self::STEPS, bucket % Self::STEPS);
        Duration::from_micros(((1 << power) * (Self::STEPS + eighth + 1) / Self::STEPS) as u64)
    }

    /// No more than so many per cent took longer.
    pub(in crate::chaos) fn percentile(&self, percent: u64) -> Duration {
        let total: u64 = self.buckets.iter().sum();
        let rank = (total * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank.max(1)
        });
        found.map_or(Duration::ZERO, Self::end)
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: [0; Self::BUCKETS] }
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    fn answered(status: u16, failure: &str) -> Result<Answer, Broken> {
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Answer { status, failure: failure.to_owned(), body: Bytes::new() })
    }

    #[test]
    fn what_may_have_been_done_is_not_lost_but_unsavable() {
        let terminated = answered(502, "cloudaps; error=connection_terminated");
        let late = answered(504, "cloudaps; error=http_response_timeout");
        let refused = answered(502, "cloudaps; error=connection_refused");
        let kinds = |result: &Result<Answer, Broken>| {
            [Kind::Get, Kind::Post].map(|kind| match fate(kind, result) {
                Fate::Answered => "answered",
                Fate::Unsavable(_) => "unsavable",
                Fate::Lost(_) => "lost",
            })
        };
        assert_eq!(kinds(&answered(201, "")), ["answered"; 2]);
        assert_eq!(kinds(&terminated), ["lost", "unsavable"]);
        assert_eq!(kinds(&late), ["unsavable"; 2]);
        assert_eq!(kinds(&refused), ["lost"; 2]);
        assert_eq!(kinds(&answered(503, "cloudaps; error=destination_unavailable")), ["lost"; 2]);
        assert_eq!(kinds(&Err(Broken::Idle)), ["lost"; 2]);
        assert_eq!(kinds(&Err(Broken::Body)), ["unsavable"; 2]);
        let hung = [Kind::Get, Kind::Post].map(|kind| unanswered(kind, Duration::ZERO));
        assert!(matches!(hung, [Fate::Lost(_), Fate::Unsavable(_)]), "{hung:?}");
    }

    #[test]
    fn percentiles_are_right_to_an_eighth() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), Duration::ZERO);
        (1..=1000).for_each(|millis| latencies.add(Duration::from_millis(millis)));
        for percent in [1, 50, 99, 100] {
            let exact = (percent * 10) as f64;
            let found = latencies.percentile(percent).as_secs_f64() * 1e3;
            assert!((exact..=exact * 1.126).contains(&found), "{percent} %: {found} ms");
        }
        latencies.add(Duration::from_secs(100_000));
        latencies.add(Duration::ZERO);
    }
}

//! Who gets the request: an immutable snapshot of the endpoints, and the decisions made on it.
//!
//! Everything here is pure. The time and the random draws are arguments; the only shared state is
//! [`Traffic`], whose counters have one writer each. The control plane publishes a [`Pool`] whole,
//! and every thread that carries traffic picks from its own copy of the pointer.

mod budget;
mod pick;
mod retry;
mod traffic;

use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::clock::Instant;

pub use budget::{Budget, BudgetLimits};
pub use pick::{Algorithm, Ask, Balance, TRIED_MAX, Tried, Turn};
pub use retry::{Body, Decision, Means, Progress, Repeat, after_failure};
pub use traffic::{Ejection, Traffic};

/// One endpoint's name. Never given twice in a process: an address may come back, an id does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(u64);

impl EndpointId {
    /// The id with this number; whoever publishes the pool counts them.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{}", self.0)
    }
}

/// An endpoint's share of the traffic, in per cent of an ordinary endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// The least share: an endpoint that should get nothing is not weighted down but drained.
    pub const MIN: Self = Self(1);
    /// An ordinary endpoint.
    pub const FULL: Self = Self(100);
    /// Ten times an ordinary endpoint: beyond that the difference in size is a mistake.
    pub const MAX: Self = Self(1000);

    /// The weight nearest to `percent` within the limits.
    #[must_use]
    pub const fn clamped(percent: u32) -> Self {
        match percent {
            0 => Self::MIN,
            1..=999 => Self(percent),
            _ => Self::MAX,
        }
    }

    /// In per cent.
    #[must_use]
    pub const fn percent(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::FULL
    }
}

/// What an endpoint may still get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Requests.
    Serving,
    /// Nothing new; its requests in flight finish.
    Draining,
    /// Nothing new, and nothing is expected of it: a request that still waits for its first byte
    /// there is sent elsewhere at once, if the retry table permits.
    Lost,
}

/// One address that requests can be sent to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name, which outlives snapshots.
    pub id: EndpointId,
    /// Where it listens.
    pub address: Address,
    /// Its share.
    pub weight: Weight,
    /// When it began to serve; the slow start counts from here.
    pub since: Instant,
    /// What it may still get.
    pub standing: Standing,
    /// Its counters, the same ones in every snapshot that has this endpoint.
    pub traffic: Arc<Traffic>,
}

/// The endpoints at one moment. Immutable: a change is a new pool.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    endpoints: Vec<Endpoint>,
    /// Where the serving ones are in `endpoints`, so that picking never meets another.
    serving: Vec<u32>,
    /// The largest weight among the serving ones, which the others are measured by.
    heaviest: Weight,
}

impl Pool {
    /// A snapshot of these endpoints.
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        let serves = |endpoint: &Endpoint| endpoint.standing == Standing::Serving;
        let serving =
            (0u32..).zip(&endpoints).filter(|(_, each)| serves(each)).map(|(at, _)| at).collect();
        let weights = endpoints.iter().filter(|each| serves(each)).map(|each| each.weight);
        let heaviest = weights.max().unwrap_or_default();
        Self { endpoints, serving, heaviest }
    }

    /// All endpoints, whatever their standing.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How many endpoints are serving.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.serving.len()
    }
}

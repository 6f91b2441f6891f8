//! Who gets the request: an immutable snapshot of the endpoints, and the decisions made on it.
//!
//! Everything here is pure. The time and the random draws are arguments; the only shared state is
//! [`Traffic`], whose counters have one writer each. The control plane publishes a [`Pool`] whole,
//! and every thread that carries traffic picks from its own copy of the pointer.

mod aperture;
mod budget;
mod draw;
mod ledger;
mod lottery;
mod maglev;
mod pick;
mod retry;
mod sticky;
mod traffic;
mod turns;

use std::fmt;
use std::sync::Arc;

use crate::address::Address;
use crate::clock::Instant;

use ledger::Seat;
use lottery::Lottery;
use maglev::Maglev;
use turns::Cycle;

pub use budget::{Budget, BudgetLimits};
pub use ledger::{Full, Ledger};
pub use maglev::Key;
pub use pick::{Algorithm, Ask, Balance, SLOW_START, TRIED_MAX, Ties, Tried, Turn};
pub use retry::{Body, Decision, Means, Progress, Repeat, after_failure};
pub use sticky::{Secret, Token};
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

    /// So many per cent of it.
    #[must_use]
    pub const fn part(self, percent: u32) -> Self {
        Self::clamped(self.0.saturating_mul(percent) / 100)
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
    /// What people call the place that it fills, if they do.
    pub name: Option<Arc<str>>,
    /// Its share.
    pub weight: Weight,
    /// When it began to serve; the slow start counts from here.
    pub since: Instant,
    /// What it may still get.
    pub standing: Standing,
    /// Its counters, the same ones in every snapshot that has this endpoint.
    pub traffic: Traffic,
    /// What the cookie of a client says that sticks to it; `None`: none does.
    pub token: Option<Token>,
}

/// The endpoints at one moment. Immutable: a change is a new pool.
#[derive(Clone, Debug)]
pub struct Pool {
    endpoints: Vec<Endpoint>,
    balance: Balance,
    /// Where all endpoints are counted.
    ledger: Arc<Ledger>,
    /// The serving ones, so that picking never meets another. An index into this list is a
    /// *place*.
    serving: Vec<Place>,
    /// Since when the one serves that has served longest, which newcomers are measured by.
    eldest: Instant,
    /// When the newest one has grown into its share, and with it all others.
    grown_at: Instant,
    /// The places of the serving ones that clients stick to.
    tokens: sticky::Index,
    tables: Arc<Tables>,
}

/// What a pick wants to know of an endpoint, as small as it can be: ten thousand of them fit into
/// a processor's cache together.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where it is in `endpoints`.
    index: u32,
    seat: Seat,
    weight: Weight,
}

/// What is prepared so that a pick costs the same however many there are to pick from. It follows
/// from the addresses and weights of the serving endpoints.
#[derive(Debug, Default)]
struct Tables {
    lottery: Lottery,
    order: Order,
}

/// What one algorithm needs and the others do not.
#[derive(Debug, Default)]
enum Order {
    #[default]
    None,
    Turns(Cycle),
    Keys(Maglev),
}

impl Default for Pool {
    /// A pool that nobody can be added to.
    fn default() -> Self {
        Self::new(Ledger::new(0), Balance::default())
    }
}

impl Pool {
    /// A snapshot of nobody, balanced like this. Whoever comes next is counted in this ledger.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, balance: Balance) -> Self {
        Self {
            endpoints: Vec::new(),
            balance,
            ledger,
            serving: Vec::new(),
            eldest: Instant::START,
            grown_at: Instant::START,
            tokens: sticky::Index::default(),
            tables: Arc::default(),
        }
    }

    /// The snapshot that follows this one, of endpoints in the order of their ids, balanced the
    /// same way. What was prepared for this one is kept if the same endpoints serve with the same
    /// weights.
    #[must_use]
    pub fn next(&self, endpoints: Vec<Endpoint>) -> Self {
        let is_ours = |endpoint: &Endpoint| Arc::ptr_eq(endpoint.traffic.ledger(), &self.ledger);
        debug_assert!(endpoints.iter().all(is_ours), "an endpoint that is counted elsewhere");
        debug_assert!(endpoints.is_sorted_by_key(|each| each.id), "who follows relies on it");
        let serves = |endpoint: &Endpoint| endpoint.standing == Standing::Serving;
        let serving = (0..).zip(&endpoints).filter(|(_, each)| serves(each));
        let serving: Vec<Place> = serving.map(|(index, each)| Place::new(index, each)).collect();
        let all = || (0..).zip(serving.iter().map(|place| &endpoints[place.index as usize]));
        let tokens = all().filter_map(|(place, each)| each.token.map(|token| (token, place)));
        let mut next = Self {
            balance: self.balance,
            ledger: Arc::clone(&self.ledger),
            eldest: all().map(|(_, each)| each.since).min().unwrap_or_default(),
            grown_at: all().map(|(_, each)| each.since).max().unwrap_or_default()
                + self.balance.slow_start,
            tokens: sticky::Index::new(tokens),
            tables: Arc::clone(&self.tables),
            serving,
            endpoints,
        };
        if !next.members().eq(self.members()) {
            let members: Vec<_> = next.members().collect();
            next.tables = Arc::new(Tables::new(self.balance.algorithm, &members));
        }
        next
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

    /// Addresses and weights of the serving ones, by place.
    fn members(&self) -> impl Iterator<Item = (&Address, Weight)> {
        let address = |place: &Place| &self.endpoints[place.index as usize].address;
        self.serving.iter().map(move |place| (address(place), place.weight))
    }
}

impl Place {
    fn new(index: u32, endpoint: &Endpoint) -> Self {
        Self { index, seat: endpoint.traffic.seat(), weight: endpoint.weight }
    }
}

impl Tables {
    fn new(algorithm: Algorithm, members: &[(&Address, Weight)]) -> Self {
        let weights: Vec<Weight> = members.iter().map(|(_, weight)| *weight).collect();
        let order = match algorithm {
            Algorithm::FewestInFlight | Algorithm::Random => Order::None,
            Algorithm::RoundRobin => Order::Turns(Cycle::new(&weights)),
            Algorithm::Hash => Order::Keys(Maglev::new(members)),
        };
        Self { lottery: Lottery::new(&weights), order }
    }
}

//! Choosing the endpoint for one try.
//!
//! An endpoint is *usable* when it serves, was not tried for this request and is not ejected. If
//! none is usable, the ejected ones are (fail open): a guess about health must never turn away
//! traffic that somebody could have answered. Only when every serving endpoint was tried is there
//! nothing to pick.

use std::time::Duration;

use super::{Endpoint, EndpointId, Pool};
use crate::clock::Instant;

/// Endpoints that one request can have tried: more would only make a failing request slower.
pub const TRIED_MAX: usize = 8;

/// Up to here the fewest in flight is found by looking at all, which for a handful is as cheap
/// as drawing two; above it the cost must not grow with the number of endpoints.
const EXACT_MAX: usize = 8;

/// Draws of a pair (or of one) before giving up on luck and searching in order: with half of the
/// endpoints unusable, eight draws all miss once in 65,000 (pairs) or 256 picks (singles).
const DRAWS_MAX: u32 = 8;

/// The least share that a newcomer starts from, in per cent of its weight: enough to be noticed
/// if it fails, too little to hurt.
const NEWCOMER_PERCENT: u64 = 10;

/// How endpoints are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// The fewest requests in flight for its weight; power of two choices in a large pool.
    #[default]
    FewestInFlight,
    /// Any, in proportion to weight.
    Random,
    /// One after the other, in proportion to weight.
    RoundRobin,
}

/// How the pool is balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How endpoints are compared.
    pub algorithm: Algorithm,
    /// How long a newcomer takes to grow into its full share.
    pub slow_start: Duration,
}

/// Where round robin goes on. Each thread has its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn(u64);

/// The endpoints that one request has tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    ids: [Option<EndpointId>; TRIED_MAX],
    len: usize,
}

/// What a pick depends on besides the pool.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The thread that asks: its own requests in flight are what it compares.
    pub thread: usize,
    /// What this request has tried.
    pub tried: &'a Tried,
    /// Random bits.
    pub draw: u64,
    /// The time.
    pub now: Instant,
}

impl Tried {
    /// Notes a try. Beyond [`TRIED_MAX`] the oldest is forgotten.
    pub fn add(&mut self, id: EndpointId) {
        self.ids[self.len % TRIED_MAX] = Some(id);
        self.len += 1;
    }

    /// Whether it was tried.
    #[must_use]
    pub fn contains(&self, id: EndpointId) -> bool {
        self.len > 0 && self.ids.contains(&Some(id))
    }

    /// Forgets all: after a hold every endpoint deserves another try.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Which endpoints one search may return.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Any,
}

impl Pool {
    /// The index of the endpoint to try, or `None` if every serving one was tried.
    #[must_use]
    pub fn pick(&self, balance: &Balance, ask: Ask<'_>, turn: &mut Turn) -> Option<usize> {
        let search = |health| Search { pool: self, balance, ask, health };
        search(Health::Good).run(turn).or_else(|| search(Health::Any).run(turn))
    }

    /// Whether a serving endpoint is left that this request has not tried.
    #[must_use]
    pub fn has_untried(&self, tried: &Tried) -> bool {
        self.serving.iter().any(|index| !tried.contains(self.endpoints[*index as usize].id))
    }
}

/// One search through the serving endpoints; `place` is an index into `pool.serving`.
struct Search<'a> {
    pool: &'a Pool,
    balance: &'a Balance,
    ask: Ask<'a>,
    health: Health,
}

impl Search<'_> {
    fn run(&self, turn: &mut Turn) -> Option<usize> {
        let count = self.pool.serving.len();
        if count == 0 {
            return None;
        }
        let place = match self.balance.algorithm {
            Algorithm::FewestInFlight if count <= EXACT_MAX => self.fewest(),
            Algorithm::FewestInFlight => self.fewer_of_two(),
            Algorithm::Random => self.random(),
            Algorithm::RoundRobin => self.next(turn),
        };
        place.map(|place| self.pool.serving[place] as usize)
    }

    /// Compares all. Among equals (an idle pool) the draw decides in proportion to weight, so that
    /// threads that know nothing of each other do not all choose the first.
    fn fewest(&self) -> Option<usize> {
        let mut best: Option<Load> = None;
        let mut equals = 0;
        for place in self.usable() {
            let load = self.load(place);
            match best {
                Some(least) if least.is_less_than(load) => {}
                Some(least) if !load.is_less_than(least) => equals += load.weight,
                _ => (best, equals) = (Some(load), load.weight),
            }
        }
        let least = best?;
        let mut ticket = self.ask.draw % equals.max(1);
        self.usable().find(|place| {
            let load = self.load(*place);
            if least.is_less_than(load) {
                return false;
            }
            let found = ticket < load.weight;
            ticket = ticket.saturating_sub(load.weight);
            found
        })
    }

    /// The better of two that were drawn. With thousands of endpoints this is nearly as even as
    /// comparing all, at a cost that does not depend on their number.
    fn fewer_of_two(&self) -> Option<usize> {
        for round in 0..DRAWS_MAX {
            let first = self.drawn(2 * u64::from(round));
            let second = self.drawn(2 * u64::from(round) + 1);
            match (self.is_usable(first), self.is_usable(second)) {
                (true, true) => {
                    let fewer = self.load(second).is_less_than(self.load(first));
                    return Some(if fewer { second } else { first });
                }
                (true, false) => return Some(first),
                (false, true) => return Some(second),
                (false, false) => {}
            }
        }
        self.first_usable_from(self.drawn(0))
    }

    /// Draws until one is accepted in proportion to its weight.
    fn random(&self) -> Option<usize> {
        for round in 0..DRAWS_MAX {
            let place = self.drawn(2 * u64::from(round));
            let ticket = mix(self.ask.draw, 2 * u64::from(round) + 1) % self.heaviest();
            if self.is_usable(place) && ticket < self.load(place).weight {
                return Some(place);
            }
        }
        self.first_usable_from(self.drawn(0))
    }

    /// The next in turn. One with half the weight of the heaviest is passed over in every second
    /// round; two full rounds always meet one that is due, unless its weight is below half.
    fn next(&self, turn: &mut Turn) -> Option<usize> {
        let count = self.pool.serving.len() as u64;
        let heaviest = self.heaviest();
        for _ in 0..2 * count {
            let (round, place) = (turn.0 / count, (turn.0 % count) as usize);
            turn.0 += 1;
            let weight = self.load(place).weight;
            let is_due = (round + 1) * weight / heaviest > round * weight / heaviest;
            if is_due && self.is_usable(place) {
                return Some(place);
            }
        }
        self.first_usable_from((turn.0 % count) as usize)
    }

    fn usable(&self) -> impl Iterator<Item = usize> {
        (0..self.pool.serving.len()).filter(|place| self.is_usable(*place))
    }

    fn first_usable_from(&self, start: usize) -> Option<usize> {
        let count = self.pool.serving.len();
        (start..count).chain(0..start).find(|place| self.is_usable(*place))
    }

    fn is_usable(&self, place: usize) -> bool {
        let endpoint = self.endpoint(place);
        !self.ask.tried.contains(endpoint.id)
            && (self.health == Health::Any || !endpoint.traffic.is_ejected(self.ask.now))
    }

    fn endpoint(&self, place: usize) -> &Endpoint {
        &self.pool.endpoints[self.pool.serving[place] as usize]
    }

    fn drawn(&self, salt: u64) -> usize {
        (mix(self.ask.draw, salt) % self.pool.serving.len() as u64) as usize
    }

    fn heaviest(&self) -> u64 {
        u64::from(self.pool.heaviest.percent()) * 100
    }

    fn load(&self, place: usize) -> Load {
        let endpoint = self.endpoint(place);
        let in_flight = u64::from(endpoint.traffic.in_flight(self.ask.thread));
        let grown = grown_percent(self.ask.now.since(endpoint.since), self.balance.slow_start);
        Load { in_flight, weight: u64::from(endpoint.weight.percent()) * grown }
    }
}

/// Requests in flight and the weight that carries them, in hundredths of a per cent.
#[derive(Clone, Copy)]
struct Load {
    in_flight: u64,
    weight: u64,
}

impl Load {
    /// Compares `in_flight / weight` without dividing.
    fn is_less_than(self, other: Self) -> bool {
        self.in_flight * other.weight < other.in_flight * self.weight
    }
}

/// How much of its weight an endpoint of this age has, in per cent.
fn grown_percent(age: Duration, slow_start: Duration) -> u64 {
    if age >= slow_start {
        return 100;
    }
    let percent = age.as_millis() * 100 / slow_start.as_millis().max(1);
    u64::try_from(percent).unwrap_or(100).clamp(NEWCOMER_PERCENT, 100)
}

/// More random bits from one draw (the finalizer of SplitMix64).
fn mix(draw: u64, salt: u64) -> u64 {
    let mut bits = draw.wrapping_add((salt + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;

//! Choosing the endpoint for one try.
//!
//! An endpoint is *usable* when it serves, was not tried for this request and is not ejected. If
//! none is usable, the ejected ones are (fail open): a guess about health must never turn away
//! traffic that somebody could have answered. Only when every serving endpoint was tried is there
//! nothing to pick.
//!
//! A client that is tied to a usable endpoint goes there, whatever the algorithm. Otherwise what a
//! pick costs does not depend on how many endpoints there are: it looks at [`EXACT_MAX`] or at
//! [`DRAWS_MAX`] of them. Only if luck fails that often, as when nearly all of a large pool are
//! ejected, are more looked at, and never more than [`SEARCH_MAX`].

use std::cmp::Ordering;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::aperture::{self, Aperture};
use super::draw::{DRAWS_MAX, Draw};
use super::maglev::Key;
use super::sticky::Token;
use super::{Endpoint, EndpointId, Order, Place, Pool};
use crate::clock::Instant;

/// Endpoints that one request can have tried: more would only make a failing request slower.
pub const TRIED_MAX: usize = 8;

/// A newcomer takes its full share after ten seconds: long enough to warm caches and just-in-time
/// compilers, short enough that three endpoints do not stay two.
pub const SLOW_START: Duration = Duration::from_secs(10);

/// Up to here the fewest in flight is found by looking at all, which for a handful is as cheap
/// as drawing two; above it the cost must not grow with the number of endpoints.
const EXACT_MAX: usize = 8;

/// Endpoints looked at when luck failed. A pool up to this size is searched whole, so that the last
/// usable one is found. In a larger one whoever misses so often knows that fewer than one in a
/// hundred is usable, and all the traffic on those would sink them too: the ejected ones count
/// again, as Envoy does it when half are gone.
const SEARCH_MAX: usize = 1024;

/// The least share that a newcomer starts from, in per cent of its weight: enough to be noticed
/// if it fails, too little to hurt.
const NEWCOMER_PERCENT: u64 = 10;

/// Who has served for the whole slow start has all of its weight.
const FULLY_GROWN: u64 = 100;

/// How endpoints are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// The fewest requests in flight for its weight; in a large pool power of two choices, through
    /// an aperture that is as wide as it takes to find somebody idle.
    #[default]
    FewestInFlight,
    /// Any, in proportion to weight.
    Random,
    /// One after the other, in proportion to weight.
    RoundRobin,
    /// The one that the request's key belongs to; the fewest in flight for one without a key.
    Hash,
}

/// How the pool is balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How endpoints are compared.
    pub algorithm: Algorithm,
    /// How long a newcomer takes to grow into its full share. Ties know no slow start: a key
    /// belongs where it belongs.
    pub slow_start: Duration,
}

impl Default for Balance {
    fn default() -> Self {
        Self { algorithm: Algorithm::default(), slow_start: SLOW_START }
    }
}

/// Where a thread goes on. Each has its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Of round robin.
    next: u64,
    /// Of the aperture.
    start: aperture::Start,
}

impl Turn {
    /// Some place, so that threads that start together do not go in step.
    #[must_use]
    pub const fn somewhere(draw: u64) -> Self {
        Self { next: draw, start: aperture::Start::somewhere(draw) }
    }
}

/// The endpoints that one request has tried and that failed it: mostly none, and then this needs no
/// memory.
#[derive(Clone, Debug, Default)]
pub struct Tried(Vec<EndpointId>);

/// What ties a request to an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// What consistent hashing goes by.
    pub key: Option<Key>,
    /// The endpoint that the client was given before.
    pub token: Option<Token>,
}

/// What a pick depends on besides the pool.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The thread that asks: its own requests in flight are what it compares.
    pub thread: usize,
    /// What this request has tried.
    pub tried: &'a Tried,
    /// Where it belongs.
    pub ties: Ties,
    /// Random bits.
    pub draw: u64,
    /// The time.
    pub now: Instant,
}

impl Tried {
    /// Notes a try. Beyond [`TRIED_MAX`] the oldest is forgotten.
    pub fn add(&mut self, id: EndpointId) {
        if self.0.len() == TRIED_MAX {
            self.0.remove(0);
        }
        self.0.push(id);
    }

    /// Whether it was tried.
    #[must_use]
    pub fn contains(&self, id: EndpointId) -> bool {
        self.0.contains(&id)
    }

    /// Whether nothing was tried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all: after a hold every endpoint deserves another try.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Which endpoints one search may return.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Any,
}

/// Whether anybody still grows into a full share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// As a rule nobody does, and then no age has to be looked at.
    Done,
    Going,
}

impl Pool {
    /// The index of the endpoint to try, or `None` if every serving one was tried.
    #[must_use]
    pub fn pick(&self, ask: Ask<'_>, turn: &mut Turn) -> Option<usize> {
        let growth = if ask.now >= self.grown_at { Growth::Done } else { Growth::Going };
        // As long as nobody is ejected there is no record to be looked at.
        let has_ejected = self.ledger.has_ejected(ask.now);
        let health = if has_ejected { Health::Good } else { Health::Any };
        let tried = Some(ask.tried).filter(|tried| !tried.is_empty());
        let search = Search { pool: self, ask: &ask, tried, health, growth };
        search.run(turn).or_else(|| search.again(turn))
    }

    /// Whether a serving endpoint is left that this request has not tried. Looks at no more than
    /// one beyond the [`TRIED_MAX`] that can have been.
    #[must_use]
    pub fn has_untried(&self, tried: &Tried) -> bool {
        let id = |place: &Place| self.endpoints[place.index as usize].id;
        self.serving.iter().any(|place| !tried.contains(id(place)))
    }
}

/// One search through the serving endpoints; `place` is an index into `pool.serving`.
struct Search<'a> {
    pool: &'a Pool,
    ask: &'a Ask<'a>,
    /// What was tried, if anything was.
    tried: Option<&'a Tried>,
    health: Health,
    growth: Growth,
}

impl Search<'_> {
    /// When nobody is well, whoever serves will do.
    #[cold]
    fn again(&self, turn: &mut Turn) -> Option<usize> {
        let search = Search { health: Health::Any, ..*self };
        if self.health == Health::Any { None } else { search.run(turn) }
    }

    #[inline]
    fn run(&self, turn: &mut Turn) -> Option<usize> {
        if self.count() == 0 {
            return None;
        }
        let place =
            self.tied().or_else(|| match (self.pool.balance.algorithm, self.ask.ties.key) {
                (Algorithm::Random, _) => self.random(),
                (Algorithm::RoundRobin, _) => self.next(turn),
                (Algorithm::Hash, Some(key)) => self.belongs(key, turn),
                (Algorithm::Hash, None) | (Algorithm::FewestInFlight, _) => self.fewest(turn),
            });
        place.map(|place| self.pool.serving[place].index as usize)
    }

    /// The one that the client was given before.
    fn tied(&self) -> Option<usize> {
        let place = self.pool.tokens.place(self.ask.ties.token?)?;
        self.is_usable(place).then_some(place)
    }

    fn fewest(&self, turn: &mut Turn) -> Option<usize> {
        if self.count() <= EXACT_MAX {
            return self.fewest_of_all();
        }
        self.fewest_of_some(turn.start.next(self.count()))
    }

    /// Compares all. Among equals (an idle pool) the draw decides in proportion to weight, so that
    /// threads that know nothing of each other do not all choose the first.
    fn fewest_of_all(&self) -> Option<usize> {
        let draw = self.draw();
        let mut best: Option<(usize, Load)> = None;
        let mut equals = 0;
        for (index, place) in self.usable() {
            let load = self.load(place);
            let order = best.map_or(Ordering::Less, |(_, least)| load.compare(least));
            equals = match order {
                Ordering::Less => load.weight,
                Ordering::Equal => equals + load.weight,
                Ordering::Greater => continue,
            };
            // Whoever joins the equals takes the place of the one before with the share that falls
            // to it, which leaves each with its share (Chao 1982).
            if order == Ordering::Less || draw.below(index as u64, equals) < load.weight {
                best = Some((index, load));
            }
        }
        best.map(|(index, _)| index)
    }

    /// The first that is idle of those that were drawn in proportion to weight, or if nobody is the
    /// better of two out of all. With thousands of endpoints this is nearly as even as comparing
    /// all (Mitzenmacher 2001; with weights, Wieder 2007).
    #[inline(never)]
    fn fewest_of_some(&self, aperture: Aperture) -> Option<usize> {
        let mut best: Option<Drawn> = None;
        for (round, place) in self.drawn(aperture) {
            let load = self.load(self.look(place));
            if load.in_flight == 0 {
                return Some(place);
            }
            let drawn = Drawn { place, load, among: aperture.width(round) };
            // Those of a narrower aperture are out: they had more chances than all others.
            let rival = best.filter(|rival| rival.among == drawn.among);
            let better = rival.map_or(drawn, |rival| rival.or_less_loaded(drawn));
            if rival.is_some() && drawn.among == self.count() {
                return Some(better.place);
            }
            best = Some(better);
        }
        let place = best.map(|best| best.place);
        place.or_else(|| self.search(self.draw()))
    }

    fn random(&self) -> Option<usize> {
        let mut drawn = self.drawn(Aperture::whole(self.count()));
        let first = drawn.next().map(|(_, place)| place);
        first.or_else(|| self.search(self.draw()))
    }

    /// The next in turn. Whoever cannot take their turn loses it.
    fn next(&self, turn: &mut Turn) -> Option<usize> {
        let Order::Turns(cycle) = &self.pool.tables.order else { return self.random() };
        for round in 0..DRAWS_MAX {
            let place = cycle.place(self.count(), turn.next);
            turn.next = turn.next.wrapping_add(1);
            if self.is_usable(place) && self.is_grown(place, round) {
                return Some(place);
            }
        }
        // A long row of unusable ones is no reason to go through it one by one.
        self.random()
    }

    /// The first usable one of those that the key goes to, whose order never changes.
    fn belongs(&self, key: Key, turn: &mut Turn) -> Option<usize> {
        let Order::Keys(maglev) = &self.pool.tables.order else { return self.fewest(turn) };
        let mut choices = (0..DRAWS_MAX).map(|round| maglev.place(key, round));
        let choice = choices.find(|place| self.is_usable(*place));
        choice.or_else(|| self.search(key.draw()))
    }

    /// Usable ones, drawn in proportion to weight and age, each with its round; if that finds too
    /// few, to weight alone.
    fn drawn(&self, aperture: Aperture) -> impl Iterator<Item = (u64, usize)> {
        let lots = move || (0..DRAWS_MAX).map(move |round| (round, self.lot(aperture, round)));
        let grown = lots().filter(|(round, place)| {
            // Growth first: it is known without looking at counters that other threads write.
            self.is_grown(*place, *round) && self.is_usable(*place)
        });
        let any = lots().filter(|(_, place)| self.is_usable(*place));
        grown.chain(any)
    }

    fn lot(&self, aperture: Aperture, round: u64) -> usize {
        let draw = self.draw();
        self.pool.tables.lottery.winner(aperture.place(draw, round), draw, round)
    }

    fn usable(&self) -> impl Iterator<Item = (usize, &Place)> {
        let all = self.pool.serving.iter().inspect(|_| count_look()).enumerate();
        all.filter(|(_, place)| self.accepts(place))
    }

    /// Looks for a usable one when luck has failed: everywhere if that is not far.
    fn search(&self, draw: Draw) -> Option<usize> {
        let count = self.count();
        let drawn = |round| draw.below(round, count as u64) as usize;
        if count <= SEARCH_MAX {
            let start = drawn(0);
            return (start..count).chain(0..start).find(|place| self.is_usable(*place));
        }
        (0..SEARCH_MAX as u64).map(drawn).find(|place| self.is_usable(*place))
    }

    fn is_usable(&self, place: usize) -> bool {
        self.accepts(self.look(place))
    }

    /// Whether it may be returned. Nearly always all may: what else there is to ask stands apart,
    /// so that the loop over a few endpoints stays as short as it looks.
    #[inline(always)]
    fn accepts(&self, place: &Place) -> bool {
        (self.health == Health::Any && self.tried.is_none()) || self.is_left(place)
    }

    #[inline(never)]
    fn is_left(&self, place: &Place) -> bool {
        let was_tried = |tried: &Tried| tried.contains(self.endpoint(place).id);
        let is_ejected = || self.pool.ledger.is_ejected(place.seat, self.ask.now);
        !self.tried.is_some_and(was_tried) && (self.health == Health::Any || !is_ejected())
    }

    /// Whether a newcomer may take what falls to it: as often as it has grown, measured by the
    /// one that has served longest. When all are new, nobody is.
    fn is_grown(&self, place: usize, round: u64) -> bool {
        if self.growth == Growth::Done {
            return true;
        }
        let grown = self.grown_percent(self.endpoint(self.look(place)).since);
        let most = self.grown_percent(self.pool.eldest);
        // Other numbers than those that the lots are drawn with.
        grown == most || Draw::new(!self.ask.draw).below(round, most) < grown
    }

    fn draw(&self) -> Draw {
        Draw::new(self.ask.draw)
    }

    fn count(&self) -> usize {
        self.pool.serving.len()
    }

    fn look(&self, place: usize) -> &Place {
        count_look();
        &self.pool.serving[place]
    }

    /// All that is known of it. It is far away: whoever picks asks only what [`Place`] does not
    /// say.
    fn endpoint(&self, place: &Place) -> &Endpoint {
        &self.pool.endpoints[place.index as usize]
    }

    /// What it carries. The growth stands apart, for the same reason.
    #[inline(always)]
    fn load(&self, place: &Place) -> Load {
        let in_flight = self.pool.ledger.in_flight(place.seat, self.ask.thread).load(Relaxed);
        let weight = match self.growth {
            Growth::Done => u64::from(place.weight.percent()) * FULLY_GROWN,
            Growth::Going => self.growing_weight(place),
        };
        Load { in_flight: in_flight.into(), weight }
    }

    #[inline(never)]
    fn growing_weight(&self, place: &Place) -> u64 {
        u64::from(place.weight.percent()) * self.grown_percent(self.endpoint(place).since)
    }

    /// How much of its weight an endpoint has that serves since then, in per cent.
    fn grown_percent(&self, since: Instant) -> u64 {
        let (age, slow_start) = (self.ask.now.since(since), self.pool.balance.slow_start);
        if age >= slow_start {
            return FULLY_GROWN;
        }
        let percent = age.as_millis() * 100 / slow_start.as_millis().max(1);
        u64::try_from(percent).unwrap_or(FULLY_GROWN).clamp(NEWCOMER_PERCENT, FULLY_GROWN)
    }
}

/// The tests count what a pick costs.
fn count_look() {
    #[cfg(test)]
    tests::count_look();
}

/// Somebody that may be picked.
#[derive(Clone, Copy)]
struct Drawn {
    place: usize,
    load: Load,
    /// Out of so many neighbours.
    among: usize,
}

impl Drawn {
    fn or_less_loaded(self, other: Self) -> Self {
        if other.load.compare(self.load).is_lt() { other } else { self }
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
    fn compare(self, other: Self) -> Ordering {
        (self.in_flight * other.weight).cmp(&(other.in_flight * self.weight))
    }
}

#[cfg(test)]
mod tests;

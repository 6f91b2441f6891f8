//! Picking, by counting what many picks return.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::pool::{Ejection, Ledger, Secret, Standing, Weight};

const NOW: Instant = Instant::at(Duration::from_secs(1000));
const EJECTION: Ejection =
    Ejection { first: Duration::from_secs(9), longest: Duration::from_secs(9), strikes: 3 };

thread_local! {
    /// Endpoints that were looked at by this test.
    static LOOKS: Cell<usize> = const { Cell::new(0) };
    /// Where the endpoints of this test are counted.
    static LEDGER: Arc<Ledger> = Ledger::new(1);
}

/// Counts what a pick costs, wherever the work is done.
pub(super) fn count_look() {
    LOOKS.set(LOOKS.get() + 1);
}

fn endpoint(number: u64, standing: Standing) -> Endpoint {
    Endpoint {
        id: EndpointId::new(number),
        address: SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 80)).into(),
        name: None,
        weight: Weight::FULL,
        since: Instant::START,
        standing,
        traffic: LEDGER.with(Ledger::open).unwrap(),
        token: None,
    }
}

fn endpoints(count: u64) -> Vec<Endpoint> {
    (0..count).map(|number| endpoint(number, Standing::Serving)).collect()
}

fn pool_of(algorithm: Algorithm, endpoints: Vec<Endpoint>) -> Pool {
    let balance = Balance { algorithm, slow_start: Duration::from_secs(10) };
    Pool::new(LEDGER.with(Arc::clone), balance).next(endpoints)
}

fn pool(algorithm: Algorithm, count: u64) -> Pool {
    pool_of(algorithm, endpoints(count))
}

fn eject(endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        assert!(endpoint.traffic.eject(&EJECTION, NOW).is_some());
    }
}

fn ask(tried: &Tried, draw: u64) -> Ask<'_> {
    Ask { thread: 0, tried, ties: Ties::default(), draw: Draw::new(draw).bits(0), now: NOW }
}

fn pick(pool: &Pool, tried: &Tried, draw: u64) -> Option<usize> {
    pool.pick(ask(tried, draw), &mut Turn::somewhere(draw))
}

/// What a thousand picks return.
fn shares(pool: &Pool) -> BTreeMap<usize, u32> {
    shares_of(1000, pool)
}

fn shares_of(picks: u64, pool: &Pool) -> BTreeMap<usize, u32> {
    let mut turn = Turn::default();
    let tried = Tried::default();
    let mut shares = BTreeMap::new();
    for draw in 0..picks {
        let picked = pool.pick(ask(&tried, draw), &mut turn).unwrap();
        *shares.entry(picked).or_default() += 1;
    }
    shares
}

/// Requests here have no key, so that the last does what the first does.
const ALL: [Algorithm; 4] =
    [Algorithm::FewestInFlight, Algorithm::Random, Algorithm::RoundRobin, Algorithm::Hash];

#[test]
fn an_empty_pool_has_nothing_to_pick() {
    for algorithm in ALL {
        assert_eq!(pick(&pool(algorithm, 0), &Tried::default(), 7), None);
    }
}

#[test]
fn the_fewest_in_flight_wins() {
    let pool = pool(Algorithm::FewestInFlight, 3);
    for (index, requests) in [(0, 2), (1, 1), (2, 3)] {
        (0..requests).for_each(|_| pool.endpoints()[index].traffic.enter(0));
    }
    for draw in 0..50 {
        assert_eq!(pick(&pool, &Tried::default(), draw), Some(1));
    }
}

#[test]
fn an_idle_pool_is_shared_evenly() {
    for algorithm in ALL {
        for count in [3, 20] {
            let shares = shares(&pool(algorithm, count));
            let even = 1000 / u32::try_from(count).unwrap();
            assert_eq!(shares.len() as u64, count, "{algorithm:?}");
            assert!(shares.values().all(|share| (even / 2..even * 2).contains(share)));
        }
    }
}

#[test]
fn two_choices_avoid_the_busy_ones() {
    let pool = pool(Algorithm::FewestInFlight, 20);
    pool.endpoints()[..10].iter().for_each(|busy| busy.traffic.enter(0));
    let busy: u32 = shares(&pool).range(..10).map(|(_, share)| share).sum();
    assert!((150..350).contains(&busy), "a quarter of the pairs are both busy, not {busy}");
}

#[test]
fn two_choices_are_two_although_half_of_them_are_ejected() {
    let pool = pool(Algorithm::FewestInFlight, 32);
    eject(&pool.endpoints()[16..]);
    pool.endpoints()[..8].iter().for_each(|busy| busy.traffic.enter(0));
    let busy: u32 = shares(&pool).range(..8).map(|(_, share)| share).sum();
    assert!((150..350).contains(&busy), "a quarter of the pairs are both busy, not {busy}");
}

#[test]
fn weight_is_a_share_in_small_and_large_pools() {
    for algorithm in ALL {
        for count in [3, 21] {
            let mut endpoints = endpoints(count);
            let lighter = endpoints.iter_mut().skip(2).step_by(3);
            lighter.for_each(|each| each.weight = Weight::clamped(50));
            let shares = shares(&pool_of(algorithm, endpoints));
            let lighter: u32 =
                shares.iter().filter(|each| each.0 % 3 == 2).map(|each| each.1).sum();
            assert!((150..250).contains(&lighter), "{algorithm:?}, {count}: {shares:?}");
        }
    }
}

#[test]
fn in_flight_counts_against_weight() {
    let mut endpoints = endpoints(2);
    endpoints[1].weight = Weight::clamped(300);
    let pool = pool_of(Algorithm::FewestInFlight, endpoints);
    pool.endpoints()[0].traffic.enter(0);
    (0..2).for_each(|_| pool.endpoints()[1].traffic.enter(0));
    assert_eq!(pick(&pool, &Tried::default(), 0), Some(1));
}

#[test]
fn load_settles_in_proportion_to_weight_in_a_large_pool() {
    let mut endpoints = endpoints(60);
    endpoints.iter_mut().step_by(2).for_each(|each| each.weight = Weight::clamped(300));
    let pool = pool_of(Algorithm::FewestInFlight, endpoints);
    for draw in 0..6000 {
        let picked = pick(&pool, &Tried::default(), draw).unwrap();
        pool.endpoints()[picked].traffic.enter(0);
    }
    for (index, endpoint) in pool.endpoints().iter().enumerate() {
        let (held, even) = (endpoint.traffic.in_flight(0), if index % 2 == 0 { 150 } else { 50 });
        assert!(held.abs_diff(even) <= even / 10 + 1, "{index}: {held} is not about {even}");
    }
}

#[test]
fn round_robin_gives_everybody_exactly_their_turns() {
    let mut endpoints = endpoints(4);
    for (endpoint, percent) in endpoints.iter_mut().zip([100, 250, 400, 250]) {
        endpoint.weight = Weight::clamped(percent);
    }
    let shares = shares(&pool_of(Algorithm::RoundRobin, endpoints));
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [100, 250, 400, 250]);
}

#[test]
fn a_newcomer_starts_small_and_grows() {
    for algorithm in ALL {
        // In the larger pool there are as many newcomers as makes the same share of the traffic.
        for count in [3, 30] {
            let share_at = |age: u64| {
                let mut endpoints = endpoints(count);
                let new = endpoints.iter_mut().skip(2).step_by(3);
                new.for_each(|each| each.since = NOW - Duration::from_secs(age));
                let shares = shares(&pool_of(algorithm, endpoints));
                shares.iter().filter(|each| each.0 % 3 == 2).map(|each| each.1).sum::<u32>()
            };
            let grown = [share_at(0), share_at(5), share_at(10)];
            let is_as_told = (20..90).contains(&grown[0])
                && (150..260).contains(&grown[1])
                && (280..390).contains(&grown[2]);
            assert!(is_as_told, "{algorithm:?}, {count}: {grown:?}");
        }
    }
}

#[test]
fn when_all_are_new_nobody_is() {
    for algorithm in ALL {
        let mut endpoints = endpoints(20);
        endpoints.iter_mut().for_each(|each| each.since = NOW);
        let shares = shares(&pool_of(algorithm, endpoints));
        assert_eq!(shares.len(), 20, "{algorithm:?}");
        assert!(
            shares.values().all(|share| (25..100).contains(share)),
            "{algorithm:?}: {shares:?}"
        );
    }
}

#[test]
fn what_was_tried_is_not_picked_again() {
    for algorithm in ALL {
        for count in [3, 20, 2000] {
            let pool = pool(algorithm, count);
            let mut tried = Tried::default();
            for _ in 0..count.min(TRIED_MAX as u64) {
                let picked = pick(&pool, &tried, 99).unwrap();
                let id = pool.endpoints()[picked].id;
                assert!(!tried.contains(id));
                tried.add(id);
            }
            assert_eq!(pick(&pool, &tried, 99).is_none(), count == 3);
            assert_eq!(pool.has_untried(&tried), count != 3);
        }
    }
}

#[test]
fn an_ejected_endpoint_is_passed_over() {
    for algorithm in ALL {
        for count in [3, 20] {
            let pool = pool(algorithm, count);
            eject(&pool.endpoints()[1..2]);
            assert!(!shares(&pool).contains_key(&1), "{algorithm:?}");
        }
    }
}

#[test]
fn with_every_endpoint_ejected_the_traffic_goes_on() {
    for algorithm in ALL {
        let pool = pool(algorithm, 3);
        eject(pool.endpoints());
        assert_eq!(shares(&pool).len(), 3, "{algorithm:?}");
    }
}

#[test]
fn the_last_one_that_is_not_ejected_gets_all_in_a_large_pool_too() {
    for algorithm in ALL {
        let pool = pool(algorithm, 100);
        eject(&pool.endpoints()[1..]);
        assert_eq!(shares(&pool), BTreeMap::from([(0, 1000)]), "{algorithm:?}");
    }
}

#[test]
fn what_drains_or_is_lost_is_never_picked() {
    let endpoints = [
        endpoint(0, Standing::Draining),
        endpoint(1, Standing::Serving),
        endpoint(2, Standing::Lost),
    ];
    for algorithm in ALL {
        let pool = pool_of(algorithm, endpoints.to_vec());
        eject(&pool.endpoints()[1..2]);
        assert_eq!(shares(&pool), BTreeMap::from([(1, 1000)]), "{algorithm:?}");
        endpoints[1].traffic.recover();
    }
}

mod any;
mod aperture;
mod cost;
mod ties;

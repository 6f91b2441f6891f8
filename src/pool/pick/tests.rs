//! Picking, by counting what many picks return.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::pool::{Ejection, Standing, Traffic, Weight};

const NOW: Instant = Instant::at(Duration::from_secs(1000));
const EJECTION: Ejection =
    Ejection { first: Duration::from_secs(9), longest: Duration::from_secs(9), strikes: 3 };

fn endpoint(number: u64, standing: Standing) -> Endpoint {
    Endpoint {
        id: EndpointId::new(number),
        address: SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        weight: Weight::FULL,
        since: Instant::START,
        standing,
        traffic: Arc::new(Traffic::new(1)),
    }
}

fn pool(count: u64) -> Pool {
    Pool::new((0..count).map(|number| endpoint(number, Standing::Serving)).collect())
}

fn eject(endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        assert!(endpoint.traffic.eject(&EJECTION, NOW).is_some());
    }
}

fn balance(algorithm: Algorithm) -> Balance {
    Balance { algorithm, slow_start: Duration::from_secs(10) }
}

fn pick(pool: &Pool, algorithm: Algorithm, tried: &Tried, draw: u64) -> Option<usize> {
    let ask = Ask { thread: 0, tried, draw, now: NOW };
    pool.pick(&balance(algorithm), ask, &mut Turn(draw))
}

/// What a thousand picks return.
fn shares(pool: &Pool, algorithm: Algorithm) -> BTreeMap<usize, u32> {
    let mut turn = Turn::default();
    let tried = Tried::default();
    let mut shares = BTreeMap::new();
    for draw in 0..1000 {
        let ask = Ask { thread: 0, tried: &tried, draw: mix(draw, 0), now: NOW };
        let picked = pool.pick(&balance(algorithm), ask, &mut turn).unwrap();
        *shares.entry(picked).or_default() += 1;
    }
    shares
}

const ALL: [Algorithm; 3] = [Algorithm::FewestInFlight, Algorithm::Random, Algorithm::RoundRobin];

#[test]
fn an_empty_pool_has_nothing_to_pick() {
    for algorithm in ALL {
        assert_eq!(pick(&pool(0), algorithm, &Tried::default(), 7), None);
    }
}

#[test]
fn the_fewest_in_flight_wins() {
    let pool = pool(3);
    for (index, requests) in [(0, 2), (1, 1), (2, 3)] {
        (0..requests).for_each(|_| pool.endpoints()[index].traffic.enter(0));
    }
    for draw in 0..50 {
        assert_eq!(pick(&pool, Algorithm::FewestInFlight, &Tried::default(), draw), Some(1));
    }
}

#[test]
fn an_idle_pool_is_shared_evenly() {
    for algorithm in ALL {
        for count in [3, 20] {
            let shares = shares(&pool(count), algorithm);
            let even = 1000 / u32::try_from(count).unwrap();
            assert_eq!(shares.len() as u64, count, "{algorithm:?}");
            assert!(shares.values().all(|share| (even / 2..even * 2).contains(share)));
        }
    }
}

#[test]
fn two_choices_avoid_the_busy_ones() {
    let pool = pool(20);
    pool.endpoints()[..10].iter().for_each(|busy| busy.traffic.enter(0));
    let shares = shares(&pool, Algorithm::FewestInFlight);
    let busy: u32 = shares.range(..10).map(|(_, share)| share).sum();
    assert!((150..350).contains(&busy), "a quarter of the pairs are both busy, not {busy}");
}

#[test]
fn weight_is_a_share() {
    for algorithm in ALL {
        let mut endpoints = pool(3).endpoints().to_vec();
        endpoints[2].weight = Weight::clamped(50);
        let shares = shares(&Pool::new(endpoints), algorithm);
        assert!((150..250).contains(&shares[&2]), "{algorithm:?}: {shares:?}");
    }
}

#[test]
fn in_flight_counts_against_weight() {
    let mut endpoints = pool(2).endpoints().to_vec();
    endpoints[1].weight = Weight::clamped(300);
    let pool = Pool::new(endpoints);
    pool.endpoints()[0].traffic.enter(0);
    (0..2).for_each(|_| pool.endpoints()[1].traffic.enter(0));
    assert_eq!(pick(&pool, Algorithm::FewestInFlight, &Tried::default(), 0), Some(1));
}

#[test]
fn a_newcomer_starts_small_and_grows() {
    let share_at = |age: u64| {
        let mut endpoints = pool(3).endpoints().to_vec();
        endpoints[2].since = NOW - Duration::from_secs(age);
        shares(&Pool::new(endpoints), Algorithm::FewestInFlight)[&2]
    };
    assert!((20..90).contains(&share_at(0)));
    assert!((150..260).contains(&share_at(5)));
    assert!((280..390).contains(&share_at(10)));
}

#[test]
fn what_was_tried_is_not_picked_again() {
    for algorithm in ALL {
        for count in [3, 20] {
            let pool = pool(count);
            let mut tried = Tried::default();
            for _ in 0..count.min(TRIED_MAX as u64) {
                let picked = pick(&pool, algorithm, &tried, 99).unwrap();
                let id = pool.endpoints()[picked].id;
                assert!(!tried.contains(id));
                tried.add(id);
            }
            assert_eq!(pick(&pool, algorithm, &tried, 99).is_none(), count == 3);
            assert_eq!(pool.has_untried(&tried), count != 3);
        }
    }
}

#[test]
fn an_ejected_endpoint_is_passed_over() {
    for algorithm in ALL {
        for count in [3, 20] {
            let pool = pool(count);
            eject(&pool.endpoints()[1..2]);
            assert!(!shares(&pool, algorithm).contains_key(&1), "{algorithm:?}");
        }
    }
}

#[test]
fn with_every_endpoint_ejected_the_traffic_goes_on() {
    for algorithm in ALL {
        let pool = pool(3);
        eject(pool.endpoints());
        assert_eq!(shares(&pool, algorithm).len(), 3, "{algorithm:?}");
    }
}

#[test]
fn the_last_one_that_is_not_ejected_gets_all_in_a_large_pool_too() {
    for algorithm in ALL {
        let pool = pool(100);
        eject(&pool.endpoints()[1..]);
        assert_eq!(shares(&pool, algorithm), BTreeMap::from([(0, 1000)]), "{algorithm:?}");
    }
}

#[test]
fn what_drains_or_is_lost_is_never_picked() {
    let endpoints = vec![
        endpoint(0, Standing::Draining),
        endpoint(1, Standing::Serving),
        endpoint(2, Standing::Lost),
    ];
    let pool = Pool::new(endpoints);
    pool.endpoints()[1].traffic.eject(&EJECTION, NOW);
    for algorithm in ALL {
        assert_eq!(shares(&pool, algorithm), BTreeMap::from([(1, 1000)]), "{algorithm:?}");
    }
}

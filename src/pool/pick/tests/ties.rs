//! Keys and tokens: who goes where, and who goes elsewhere.

use super::*;

fn key(name: &str) -> Ties {
    Ties { key: Some(Key::of(name.as_bytes())), token: None }
}

fn keys() -> impl Iterator<Item = Ties> {
    (0..500).map(|number| key(&format!("user-{number}")))
}

fn tied(pool: &Pool, tried: &Tried, ties: Ties, draw: u64) -> usize {
    pool.pick(Ask { ties, ..ask(tried, draw) }, &mut Turn::somewhere(draw)).unwrap()
}

/// Endpoints that clients stick to.
fn sticky(count: u64) -> Vec<Endpoint> {
    let secret = Secret::new(b"secret");
    let mut endpoints = endpoints(count);
    endpoints.iter_mut().for_each(|each| each.token = Some(secret.token(&each.address)));
    endpoints
}

fn token_of(endpoint: &Endpoint) -> Ties {
    Ties { key: None, token: endpoint.token }
}

#[test]
fn a_key_goes_to_one_endpoint_whatever_else_is_asked() {
    for count in [3, 100] {
        let pool = pool(Algorithm::Hash, count);
        // Another start: other ids, another order, other counters.
        let mut later = endpoints(count);
        later.reverse();
        for (id, endpoint) in (count..).map(EndpointId::new).zip(&mut later) {
            endpoint.id = id;
        }
        let later = pool_of(Algorithm::Hash, later);
        for ties in keys() {
            let picked = tied(&pool, &Tried::default(), ties, 1);
            pool.endpoints()[picked].traffic.enter(0);
            assert_eq!(tied(&pool, &Tried::default(), ties, 2), picked);
            let later = &later.endpoints()[tied(&later, &Tried::default(), ties, 3)];
            assert_eq!(later.address, pool.endpoints()[picked].address);
        }
    }
}

#[test]
fn a_key_whose_endpoint_is_ejected_goes_to_its_next_choice_and_comes_back() {
    let pool = pool(Algorithm::Hash, 10);
    let none = Tried::default();
    let before: Vec<usize> = keys().map(|ties| tied(&pool, &none, ties, 0)).collect();
    eject(&pool.endpoints()[4..5]);
    let mut heirs = BTreeMap::<usize, u32>::new();
    for (ties, was) in keys().zip(&before) {
        let picked = tied(&pool, &none, ties, 1);
        assert_eq!(tied(&pool, &none, ties, 2), picked);
        match *was {
            4 => *heirs.entry(picked).or_default() += 1,
            was => assert_eq!(picked, was),
        }
    }
    assert!(heirs.len() >= 8 && !heirs.contains_key(&4), "one takes over too much: {heirs:?}");
    pool.endpoints()[4].traffic.recover();
    assert!(keys().zip(&before).all(|(ties, was)| tied(&pool, &none, ties, 3) == *was));
}

#[test]
fn each_try_of_a_key_goes_to_another_in_an_order_that_does_not_change() {
    for count in [2, 5, 2000] {
        let pool = pool(Algorithm::Hash, count);
        let order = |draw| {
            let mut tried = Tried::default();
            let picks = (0..count.min(6)).map(|_| {
                let picked = tied(&pool, &tried, key("a"), draw);
                tried.add(pool.endpoints()[picked].id);
                picked
            });
            picks.collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(2));
        let mut distinct = order(1);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len() as u64, count.min(6));
    }
}

#[test]
fn without_a_key_the_fewest_in_flight_gets_it() {
    let pool = pool(Algorithm::Hash, 3);
    pool.endpoints()[..2].iter().for_each(|busy| busy.traffic.enter(0));
    assert_eq!(shares(&pool), BTreeMap::from([(2, 1000)]));
}

#[test]
fn a_client_sticks_to_its_endpoint_whatever_the_algorithm_and_the_load() {
    for algorithm in ALL {
        for count in [3, 100] {
            let pool = pool_of(algorithm, sticky(count));
            for (index, endpoint) in pool.endpoints().iter().enumerate() {
                (0..5).for_each(|_| endpoint.traffic.enter(0));
                let ties = Ties { token: endpoint.token, ..key("a") };
                assert_eq!(tied(&pool, &Tried::default(), ties, 9), index, "{algorithm:?}");
            }
        }
    }
}

#[test]
fn a_client_moves_when_its_endpoint_is_ejected_tried_or_drains() {
    for algorithm in ALL {
        let mut endpoints = sticky(3);
        let mut tried = Tried::default();
        let ties = token_of(&endpoints[1]);
        let pool = pool_of(algorithm, endpoints.clone());
        tried.add(endpoints[1].id);
        assert_ne!(tied(&pool, &tried, ties, 1), 1);
        eject(&endpoints[1..2]);
        assert_ne!(tied(&pool, &Tried::default(), ties, 1), 1);
        endpoints[1].traffic.recover();
        for standing in [Standing::Draining, Standing::Lost] {
            endpoints[1].standing = standing;
            assert_ne!(tied(&pool.next(endpoints.clone()), &Tried::default(), ties, 1), 1);
        }
    }
}

#[test]
fn when_all_are_ejected_a_client_stays() {
    for algorithm in ALL {
        let pool = pool_of(algorithm, sticky(20));
        eject(pool.endpoints());
        for (index, endpoint) in pool.endpoints().iter().enumerate() {
            assert_eq!(tied(&pool, &Tried::default(), token_of(endpoint), 1), index);
        }
    }
}

#[test]
fn an_unknown_token_is_as_good_as_none() {
    for algorithm in ALL {
        let pool = pool_of(algorithm, sticky(3));
        let stranger = Secret::new(b"another").token(&pool.endpoints()[0].address);
        let ties = Ties { key: None, token: Some(stranger) };
        let with: Vec<_> = (0..50).map(|draw| tied(&pool, &Tried::default(), ties, draw)).collect();
        let without: Vec<_> =
            (0..50).map(|draw| pick(&pool, &Tried::default(), draw).unwrap()).collect();
        assert_eq!(with, without);
    }
}

#[test]
fn the_tables_are_kept_until_members_or_weights_change() {
    for algorithm in ALL {
        let mut endpoints = endpoints(5);
        let pool = pool_of(algorithm, endpoints.clone());
        endpoints.push(endpoint(5, Standing::Draining));
        endpoints[0].since = NOW;
        let same = pool.next(endpoints.clone());
        assert!(Arc::ptr_eq(&same.tables, &pool.tables), "{algorithm:?}");
        endpoints[0].weight = Weight::clamped(50);
        let lighter = same.next(endpoints.clone());
        assert!(!Arc::ptr_eq(&lighter.tables, &same.tables), "{algorithm:?}");
        endpoints[1].standing = Standing::Draining;
        let fewer = lighter.next(endpoints);
        assert!(!Arc::ptr_eq(&fewer.tables, &lighter.tables), "{algorithm:?}");
        assert_eq!(shares(&fewer).len(), 4);
    }
}

//! What a pick costs does not grow with the number of endpoints: counted, not timed.

use super::*;

/// A growing newcomer, a busy endpoint, an even and an odd weight, all over the pool.
fn motley(count: u64) -> Vec<Endpoint> {
    let mut endpoints = endpoints(count);
    for (number, each) in endpoints.iter_mut().enumerate() {
        each.weight = Weight::clamped([100, 100, 50, 333, 1][number % 5]);
        each.token = Some(Secret::new(b"secret").token(&each.address));
        if number % 7 == 0 {
            each.since = NOW - Duration::from_secs(3);
        }
        if number % 3 == 0 {
            each.traffic.enter(0);
        }
    }
    endpoints
}

/// The most endpoints that one of a thousand picks looked at.
fn most_looks(pool: &Pool, tried: &Tried, ties_of: impl Fn(u64) -> Ties) -> usize {
    let mut turn = Turn::default();
    let looks = (0..1000).map(|draw| {
        LOOKS.set(0);
        let ask = Ask { ties: ties_of(draw), ..ask(tried, draw) };
        assert!(pool.pick(ask, &mut turn).is_some());
        LOOKS.get()
    });
    looks.max().unwrap_or_default()
}

fn key(draw: u64) -> Ties {
    Ties { key: Some(Key::of(&draw.to_le_bytes())), token: None }
}

/// Twice the number of draws: for growth and without, and each looks at health and at age.
const LOOKS_MAX: usize = 4 * DRAWS_MAX as usize + 2;

#[test]
fn a_pick_looks_at_no_more_of_ten_thousand_than_of_a_hundred() {
    for algorithm in ALL {
        for count in [9, 100, 10_000] {
            let pool = pool_of(algorithm, motley(count));
            let mut tried = Tried::default();
            for _ in 0..2 {
                let looks = most_looks(&pool, &tried, key);
                assert!(looks <= LOOKS_MAX, "{algorithm:?} looks at {looks} of {count}");
                (0..4).for_each(|number| tried.add(EndpointId::new(number)));
            }
        }
    }
}

#[test]
fn a_pick_by_cookie_looks_at_one() {
    for algorithm in ALL {
        let pool = pool_of(algorithm, motley(10_000));
        let token = |draw: u64| pool.endpoints()[draw as usize * 10].token;
        let looks =
            most_looks(&pool, &Tried::default(), |draw| Ties { token: token(draw), ..key(draw) });
        assert_eq!(looks, 1, "{algorithm:?}");
    }
}

#[test]
fn with_a_third_of_ten_thousand_ejected_in_a_row_it_is_no_more() {
    for algorithm in ALL {
        let pool = pool_of(algorithm, motley(10_000));
        eject(&pool.endpoints()[1000..4300]);
        let looks = most_looks(&pool, &Tried::default(), key);
        assert!(looks <= LOOKS_MAX + DRAWS_MAX as usize, "{algorithm:?} looks at {looks}");
    }
}

#[test]
fn even_with_all_ejected_it_is_bounded() {
    for algorithm in ALL {
        let pool = pool_of(algorithm, motley(10_000));
        eject(pool.endpoints());
        let looks = most_looks(&pool, &Tried::default(), key);
        assert!(looks <= SEARCH_MAX + 3 * LOOKS_MAX, "{algorithm:?} looks at {looks}");
    }
}

#[test]
fn a_large_pool_with_one_in_a_hundred_left_finds_it() {
    for algorithm in ALL {
        let pool = pool(algorithm, 10_000);
        let gone = pool.endpoints().iter().enumerate().filter(|(index, _)| index % 100 != 0);
        gone.for_each(|(_, each)| eject(std::slice::from_ref(each)));
        let shares = shares(&pool);
        assert!(shares.keys().all(|index| index % 100 == 0), "{algorithm:?}");
        assert!(shares.len() > 90, "{algorithm:?}: only {} of 100", shares.len());
    }
}

#[test]
fn a_look_for_something_untried_ends_after_those_that_were_tried() {
    let pool = pool(Algorithm::Random, 10_000);
    let mut tried = Tried::default();
    (0..TRIED_MAX as u64).for_each(|number| tried.add(EndpointId::new(number)));
    assert!(pool.has_untried(&tried));
    assert!(
        !pool_of(Algorithm::Random, pool.endpoints()[..TRIED_MAX].to_vec()).has_untried(&tried)
    );
}

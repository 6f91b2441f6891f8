//! What a large pool is looked at through: how few that are, as long as it is enough, and that it
//! is everybody's turn in the end.

use super::*;

/// Picks and lets none of them end: what each has in flight then.
fn pile_up(pool: &Pool, picks: u64) -> Vec<u32> {
    let (tried, mut turn) = (Tried::default(), Turn::default());
    for draw in 0..picks {
        let picked = pool.pick(ask(&tried, draw), &mut turn).unwrap();
        pool.endpoints()[picked].traffic.enter(0);
    }
    pool.endpoints().iter().map(|each| each.traffic.in_flight(0)).collect()
}

#[test]
fn one_request_at_a_time_is_served_by_a_few_of_ten_thousand() {
    let pool = pool(Algorithm::FewestInFlight, 10_000);
    let served_by = shares(&pool).len();
    assert!((30..=40).contains(&served_by), "a thousand picks return {served_by}");
}

#[test]
fn as_long_as_enough_are_idle_nobody_has_two() {
    let pool = pool(Algorithm::FewestInFlight, 10_000);
    let held = pile_up(&pool, 1000);
    assert_eq!(held.into_iter().max(), Some(1));
}

#[test]
fn when_all_are_busy_all_are_compared_alike() {
    for count in [40, 1000, 10_000] {
        let pool = pool(Algorithm::FewestInFlight, count);
        let held = pile_up(&pool, 50 * count);
        let uneven = held.iter().filter(|held| held.abs_diff(50) > 10).count();
        assert_eq!(uneven, 0, "of {count} so many do not have about 50: {held:?}");
    }
}

#[test]
fn in_the_long_run_everybody_has_the_share_of_their_weight() {
    let mut endpoints = endpoints(200);
    endpoints.iter_mut().step_by(4).for_each(|each| each.weight = Weight::clamped(300));
    let pool = pool_of(Algorithm::FewestInFlight, endpoints);
    // Once around.
    let shares = shares_of(200 * 512, &pool);
    assert_eq!(shares.len(), 200);
    for (index, share) in shares {
        let due: u32 = if index % 4 == 0 { 1024 } else { 341 };
        assert!(share.abs_diff(due) < due / 3, "{index} has {share} instead of {due}");
    }
}

#[test]
fn a_pool_that_changes_is_looked_at_where_it_was() {
    let all = endpoints(10_000);
    let (tried, mut turn) = (Tried::default(), Turn::somewhere(u64::MAX / 2));
    let mut picked = |pool: &Pool, draw: u64| {
        let picked = pool.pick(ask(&tried, draw), &mut turn).unwrap();
        pool.endpoints()[picked].id.number()
    };
    for gone in 0..50_u64 {
        let pool = pool_of(Algorithm::FewestInFlight, all[gone as usize..].to_vec());
        let picked = picked(&pool, gone);
        assert!((4950..5100).contains(&picked), "{gone} are gone, and {picked} is next");
    }
}

#[test]
fn neighbours_that_are_all_ejected_are_looked_past() {
    let pool = pool(Algorithm::FewestInFlight, 10_000);
    eject(&pool.endpoints()[..500]);
    let shares = shares(&pool);
    assert!(shares.keys().all(|index| *index >= 500));
}

//! Where keys go, by asking for many.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

const KEYS: u64 = 20_000;

fn address(number: u16) -> Address {
    SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 80)).into()
}

fn addresses(count: u16) -> Vec<Address> {
    (0..count).map(address).collect()
}

fn table(addresses: &[Address], weight_of: impl Fn(usize) -> u32) -> Maglev {
    let weights = (0..).map(|place| Weight::clamped(weight_of(place)));
    Maglev::new(&addresses.iter().zip(weights).collect::<Vec<_>>())
}

fn even(addresses: &[Address]) -> Maglev {
    table(addresses, |_| 100)
}

fn keys() -> impl Iterator<Item = Key> {
    (0..KEYS).map(|number| Key::of(format!("user-{number}").as_bytes()))
}

/// Entries of each place.
fn entries(maglev: &Maglev, count: usize) -> Vec<usize> {
    let mut entries = vec![0; count];
    maglev.0.iter().for_each(|place| entries[*place as usize] += 1);
    entries
}

#[test]
fn the_sizes_are_primes() {
    for size in [ENTRIES, ENTRIES_MANY] {
        assert!((2..).take_while(|by| by * by <= size).all(|by| size % by != 0), "{size}");
    }
}

#[test]
fn the_hash_is_the_same_in_every_version_and_on_every_machine() {
    // Computed by another program. What clients are tied to must survive an upgrade: this may
    // only change with a release note.
    assert_eq!(Key::of(b"user-1"), Key(1147506023570637606));
    let table = even(&addresses(5));
    let places: Vec<usize> = keys().take(10).map(|key| table.place(key, 0)).collect();
    assert_eq!(places, [2, 0, 0, 3, 2, 1, 3, 1, 0, 3]);
}

#[test]
fn shares_are_within_two_per_cent_of_even() {
    for count in [2, 3, 7, 100, 655, 656, 3000] {
        let entries = entries(&even(&addresses(count)), count.into());
        let (least, most) = (entries.iter().min().unwrap(), entries.iter().max().unwrap());
        assert!(most - least <= most / 50 + 1, "{count}: {least} to {most}");
    }
    let table = even(&addresses(10));
    let mut met = [0_u64; 10];
    keys().for_each(|key| met[table.place(key, 0)] += 1);
    assert!(met.iter().all(|met| met.abs_diff(KEYS / 10) < KEYS / 10 / 10), "{met:?}");
}

#[test]
fn weights_are_shares() {
    let (all, percents) = (addresses(50), |place: usize| [100, 50, 1000, 1, 333][place % 5]);
    let entries = entries(&table(&all, percents), all.len());
    let total: usize = (0..all.len()).map(|place| percents(place) as usize).sum();
    for (place, entries) in entries.into_iter().enumerate() {
        let share = ENTRIES * percents(place) as usize / total;
        assert!(entries.abs_diff(share) <= share / 50 + 2, "{entries} is not about {share}");
    }
}

#[test]
fn the_lightest_among_many_heavy_ones_is_not_left_out() {
    let all = addresses(600);
    let entries = entries(&table(&all, |place| if place < 300 { 997 } else { 1 }), all.len());
    assert!(entries.iter().all(|entries| *entries >= 1));
}

#[test]
fn when_one_goes_few_other_keys_move() {
    for count in [3, 10, 100] {
        let all = addresses(count);
        let before = even(&all);
        for gone in [0, usize::from(count) / 2, usize::from(count) - 1] {
            let mut left = all.clone();
            left.remove(gone);
            let after = even(&left);
            let moved = keys().filter(|key| {
                let was = before.place(*key, 0);
                was != gone && all[was] != left[after.place(*key, 0)]
            });
            let moved = moved.count() as u64;
            assert!(moved < KEYS / 25, "{moved} of {KEYS} moved with {count} endpoints");
        }
    }
}

#[test]
fn when_one_weighs_less_few_keys_of_others_move() {
    let all = addresses(10);
    let (before, after) = (even(&all), table(&all, |place| if place == 4 { 25 } else { 100 }));
    let moved = keys().filter(|key| {
        let (was, is) = (before.place(*key, 0), after.place(*key, 0));
        was != 4 && was != is
    });
    let moved = moved.count() as u64;
    assert!(moved < KEYS / 20, "{moved} of {KEYS}");
}

#[test]
fn the_next_choices_of_the_keys_of_one_are_spread_over_all_others() {
    let table = even(&addresses(10));
    let mut heirs = [0_u64; 10];
    for key in keys().filter(|key| table.place(*key, 0) == 3) {
        let next = (1..16).map(|round| table.place(key, round)).find(|place| *place != 3);
        heirs[next.unwrap()] += 1;
    }
    let even = KEYS / 10 / 9;
    let shares = heirs.iter().enumerate().filter(|(place, _)| *place != 3);
    for (place, share) in shares {
        assert!((even / 2..even * 2).contains(share), "{place}: {share}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn the_order_in_which_they_are_listed_does_not_matter(
        mut members in prop::collection::btree_map(0..2000_u16, 1..=1000_u32, 1..20)
            .prop_map(|members| members.into_iter().collect::<Vec<_>>())
            .prop_shuffle(),
    ) {
        let place_of = |members: &[(u16, u32)]| {
            let all: Vec<Address> = members.iter().map(|(number, _)| address(*number)).collect();
            let table = table(&all, |place| members.get(place).map_or(1, |(_, weight)| *weight));
            let places: Vec<u16> =
                keys().take(500).map(|key| members[table.place(key, 0)].0).collect();
            places
        };
        let shuffled = place_of(&members);
        members.sort_unstable();
        prop_assert_eq!(shuffled, place_of(&members));
    }
}

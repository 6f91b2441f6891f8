//! The laws of the fleet, checked after each step of simulated worlds.
//!
//! A seed decides everything: what the operator does, which machines crash, hang or come back, what
//! the cloud answers and what it loses, and at which step the controller is killed. First there are
//! faults, and nothing wrong may ever happen (safety); then there are none, and all must become
//! well (liveness). A failure prints its seed and its story; `CLOUDAPS_SEED=n cargo test --test
//! simulation` tells it again.

mod simulation {
    pub(crate) mod bucket;
    pub(crate) mod bugs;
    pub(crate) mod calls;
    pub(crate) mod chaos;
    pub(crate) mod checks;
    pub(crate) mod cloud;
    pub(crate) mod controller;
    pub(crate) mod faults;
    pub(crate) mod freeze;
    pub(crate) mod law;
    pub(crate) mod machine;
    pub(crate) mod page;
    pub(crate) mod planners;
    pub(crate) mod relaying;
    pub(crate) mod trace;
    pub(crate) mod traffic;
    pub(crate) mod world;
}

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};

use cloudaps::clock;

use simulation::bugs::{BUGS, Bug, NONE};
use simulation::law::Law;
use simulation::page;
use simulation::trace::{Tracing, report};
use simulation::world::World;

/// So many worlds in every test run.
const SEEDS: u64 = 256;

#[test]
fn every_law_holds_in_every_world() {
    let seeds = number("CLOUDAPS_SEED").map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        expect_no_violation(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [7, 77] {
        let [first, second] = [(); 2].map(|()| World::live(seed, &NONE, Tracing::On).trace);
        assert!(first.len() > 100, "nothing happened: {first:?}");
        assert_eq!(first, second);
    }
}

#[test]
fn each_deliberate_bug_is_found() {
    for law in Law::ALL {
        assert!(BUGS.iter().any(|bug| bug.law == law), "no bug breaks: {}", law.sentence());
    }
    let missed = BUGS.iter().filter(|bug| seeds_until_found(bug).is_none());
    let missed: Vec<_> = missed.map(|bug| bug.name).collect();
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:#?}");
}

#[test]
fn the_laws_stand_in_the_architecture_in_the_same_order() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let architecture = std::fs::read_to_string(path).expect("it is part of the repository");
    assert_eq!(page::laws_of(&architecture), Law::ALL.map(Law::sentence));
}

#[test]
#[ignore = "the long run: `just simulate 100000`"]
fn many_worlds() {
    let first = number("CLOUDAPS_SEED").unwrap_or(0);
    let seeds = first..first + number("CLOUDAPS_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (next, happened) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let began = clock::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| live_many(&next, seeds.end, &happened));
        }
    });
    let count = seeds.end - seeds.start;
    let took = clock::now().since(began).as_secs_f64();
    let (rate, happened) = (count as f64 / took, happened.into_inner());
    println!(
        "{count} seeds without a violation in {took:.1} s: {rate:.0} seeds/s, {happened} steps"
    );
}

#[test]
#[ignore = "writes docs/simulation.md: `just simulation-table`"]
fn table() {
    let rows = BUGS.iter().map(|bug| (bug.name, bug.law, seeds_until_found(bug)));
    let rows: Vec<page::Row> = rows.collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/simulation.md");
    std::fs::write(path, page::write(&rows, SEEDS)).expect("docs/ can be written");
}

fn live_many(next: &AtomicU64, end: u64, happened: &AtomicU64) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        happened.fetch_add(expect_no_violation(seed), Ordering::Relaxed);
    }
}

/// How many worlds it took until the bug broke its law.
fn seeds_until_found(bug: &'static Bug) -> Option<u64> {
    let breaks_its_law = |seed: &u64| {
        let violation = World::live(*seed, bug, Tracing::Off).violation;
        violation.is_some_and(|violation| violation.law == bug.law)
    };
    (0..SEEDS).find(breaks_its_law).map(|seed| seed + 1)
}

/// Returns how many things happened in the world.
fn expect_no_violation(seed: u64) -> u64 {
    let outcome = World::live(seed, &NONE, Tracing::Off);
    if outcome.violation.is_some() {
        let told = World::live(seed, &NONE, Tracing::On);
        panic!("{}", report(seed, &told.trace));
    }
    outcome.happened
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

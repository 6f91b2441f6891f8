//! The laws of the fleet, checked after each step of random worlds.
//!
//! A seed decides everything: what the operator does, which machines crash, hang or come back, what
//! the provider answers, and when the controller is killed. First there are faults, and nothing
//! wrong may ever happen (safety); then there are none, and all must become well (liveness).
//! `CLOUDAPS_SEED=n cargo test --test laws` replays one world; a failure prints its seed and trace.

#[path = "laws/checks.rs"]
mod checks;
#[path = "laws/cloud.rs"]
mod cloud;
#[path = "laws/world.rs"]
mod world;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Fleet, Flow, Group, Handover, LaunchToken, Operation, Phase, Plan, Spec, plan,
};
use std::time::Duration;

use world::{Planner, World};

/// So many worlds in every test run: each break below is found by one of the first two seeds, the
/// rare bugs of the core took up to some thousands; these take about five seconds.
const SEEDS: u64 = 256;

#[test]
fn every_law_holds_in_every_world() {
    for seed in replayed().map_or(0..SEEDS, |seed| seed..seed + 1) {
        if let Err(violation) = World::live(seed, plan) {
            panic!("{violation}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let [first, second] = [(); 2].map(|()| World::live(7, plan).expect("the laws hold"));
    assert!(first.len() > 100, "nothing happened: {first:?}");
    assert_eq!(first, second);
}

#[test]
fn each_law_that_is_broken_on_purpose_is_found() {
    let breaks: [(&str, Planner); 8] = [
        ("at most one backend lives", without_the_fence),
        ("machines exist, not", without_the_limit),
        ("is drained before it is ended", without_a_drain),
        ("until its drain ended", without_patience),
        ("a token launches once", with_one_token),
        ("nothing is launched or ended while paused", without_pausing),
        ("the same plan twice", by_mood),
        ("all is well", without_acting),
    ];
    for (law, broken) in breaks {
        let found = (0..SEEDS).find_map(|seed| World::live(seed, broken).err());
        let found = found.unwrap_or_else(|| panic!("nobody noticed the break of: {law}"));
        assert!(found.contains(law), "expected a break of {law:?}, found: {found}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn replayed() -> Option<u64> {
    let seed = std::env::var("CLOUDAPS_SEED").ok()?;
    Some(seed.parse().unwrap_or_else(|_| panic!("CLOUDAPS_SEED={seed} is not a number")))
}

// === Planners that break a law ===

fn without_the_fence(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = desired.clone();
    broken.backend.handover = Handover::LaunchFirst { surge: 1 };
    plan(&broken, observed, now)
}

fn without_the_limit(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = desired.clone();
    broken.instances.handover = Handover::LaunchFirst { surge: 9 };
    plan(&broken, observed, now)
}

fn without_a_drain(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for action in &mut broken.actions {
        if let Action::Drain(id, reason) = action {
            *action = Action::Terminate(id.clone(), reason.clone());
        }
    }
    broken
}

fn without_patience(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for tracked in observed.members(Group::Instances) {
        if let Phase::Draining(reason, Flow::InFlight) = &tracked.phase
            && tracked.since < now
        {
            let end = Action::Terminate(tracked.instance.id.clone(), reason.clone());
            broken.actions.retain(|action| *action != end);
            broken.actions.push(end);
        }
    }
    broken
}

fn with_one_token(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for action in &mut broken.actions {
        if let Action::Launch(launch) = action {
            launch.token = LaunchToken::recorded(&launch.slot.to_string());
        }
    }
    broken
}

fn without_pausing(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    plan(&Spec { operation: Operation::Active, ..desired.clone() }, observed, now)
}

fn by_mood(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    use std::sync::atomic::{AtomicU64, Ordering};
    static MOOD: AtomicU64 = AtomicU64::new(0);
    let mut broken = plan(desired, observed, now);
    broken.wake_at = Some(now + Duration::from_secs(1 + MOOD.fetch_add(1, Ordering::Relaxed)));
    broken
}

fn without_acting(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    Plan { actions: Vec::new(), wake_at: None, ..plan(desired, observed, now) }
}

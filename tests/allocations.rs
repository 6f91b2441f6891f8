//! What the control plane allocates for a fleet of ten thousand, counted.

use std::time::Duration;

use allocation_counter::measure;
use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Capacity, Event, Finding, Fleet, Group, GroupSpec, Handover, Instance, InstanceId, LaunchOn,
    LaunchToken, Operation, Ownership, Plan, Probe, Relays, Slot, Spec, Thresholds, Vitals, plan,
};
use many::{instance, probed, serving, spec};

#[path = "fixtures/many.rs"]
mod many;

const SIZE: u32 = 10_000;
const NOW: Instant = Instant::at(Duration::from_secs(100));
const SECOND: Duration = Duration::from_secs(1);

/// A plan that finds nothing to do notes who fills which slot, and nothing else.
const IDLE_MAX: u64 = 8;

/// The plan of a fleet of which half is gone has up to 64 launches and as many terminations as are
/// due, each with a name or two; why the others wait is a number, not a text.
const BUSY_MAX: u64 = 1_000;

#[test]
fn a_plan_allocates_for_what_is_to_be_done_and_not_for_who_is_there() {
    let (spec, mut fleet) = (spec(SIZE), serving(SIZE));
    let idle = measure(|| assert_eq!(plan(&spec, &fleet, NOW), Plan::default()));
    assert!(idle.count_total <= IDLE_MAX, "{idle:?}");
    // A byte for each slot, and the alignment.
    assert!(idle.bytes_max < 2 * u64::from(SIZE), "{idle:?}");

    for index in 0..SIZE / 2 {
        let gone = Event::Gone(instance(index).id, "signal: 9".to_owned());
        fleet.observe(gone, &spec, NOW);
    }
    let terminations = u64::from(SIZE / 2);
    let mut planned = Plan::default();
    let busy = measure(|| planned = plan(&spec, &fleet, NOW));
    assert!(planned.actions.len() as u64 >= terminations);
    // The cause of each termination is a text of its own.
    assert!(busy.count_total <= terminations + BUSY_MAX, "{busy:?}");
}

#[test]
fn a_probe_that_says_what_the_one_before_said_allocates_nothing() {
    let (spec, mut fleet) = (spec(SIZE), serving(SIZE));
    let probes: Vec<Event> = (0..SIZE).map(|index| probed(index, Finding::Well)).collect();
    let folded = measure(|| {
        for probe in probes {
            fleet.observe(probe, &spec, NOW);
        }
    });
    assert_eq!(folded.count_total, 0, "{folded:?}");
    assert_eq!(fleet.take_journal(), []);
}

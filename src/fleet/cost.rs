//! What an event and a plan cost, counted in looks at instances, not timed.

use std::cell::Cell;
use std::time::Duration;

use super::*;
use many::{instance, listing, probed, serving, spec};

#[path = "../../tests/fixtures/many.rs"]
mod many;

const NOW: Instant = Instant::at(Duration::from_secs(100));
const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    /// Instances that were looked at by this test.
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what something costs, wherever the work is done.
pub(super) fn count_look() {
    LOOKS.set(LOOKS.get() + 1);
}

fn looks(work: impl FnOnce()) -> usize {
    LOOKS.set(0);
    work();
    LOOKS.get()
}

/// Each instance may be looked at a few times by a plan, however many there are.
const LOOKS_EACH_MAX: usize = 8;

#[test]
fn a_plan_looks_at_each_instance_a_few_times_however_many_there_are() {
    for size in [1_000, 2_000, 10_000] {
        let fleet = serving(size);
        let looks = looks(|| assert_eq!(plan(&spec(size), &fleet, NOW).actions, []));
        assert!(looks <= LOOKS_EACH_MAX * size as usize, "{looks} looks at {size}");
    }
}

#[test]
fn a_plan_that_fills_many_slots_counts_the_fleet_once() {
    for size in [1_000, 2_000, 10_000] {
        let mut fleet = serving(size);
        for index in 0..size / 2 {
            let gone = Event::Gone(instance(index).id, "signal: 9".to_owned());
            fleet.observe(gone, &spec(size), NOW);
        }
        let mut planned = Plan::default();
        let looks = looks(|| planned = plan(&spec(size), &fleet, NOW));
        let launches = planned.actions.iter().filter(|of| matches!(of, Action::Launch(_)));
        assert_eq!(launches.count(), plan::LAUNCHING_MAX);
        assert!(looks <= LOOKS_EACH_MAX * size as usize, "{looks} looks at {size}");
    }
}

#[test]
fn a_plan_for_servers_that_are_not_ours_looks_at_none_but_for_the_backend() {
    let mut desired = spec(10_000);
    desired.instances.ownership = Ownership::Foreign;
    let fleet = serving(10_000);
    assert_eq!(looks(|| assert_eq!(plan(&desired, &fleet, NOW).actions, [])), 0);
    assert_eq!(looks(|| assert!(!fleet.expects_change(&desired))), 0);
    assert!(!fleet.expects_change(&spec(10_000)), "all of them serve");
}

#[test]
fn a_listing_looks_at_each_instance_a_few_times_however_many_there_are() {
    for size in [1_000, 10_000] {
        let mut fleet = serving(size);
        let looks = looks(|| fleet.observe(listing(size), &spec(size), NOW + SECOND * 9));
        assert!(looks <= LOOKS_EACH_MAX * size as usize, "{looks} looks at {size}");
        let news = fleet.take_journal();
        assert_eq!(news.iter().filter(|change| matches!(change, Change::Described(_))).count(), 0);
    }
}

#[test]
fn an_event_about_one_instance_costs_the_same_among_ten_thousand_as_among_ten() {
    let events = |index| {
        let slot = instance(index).slot;
        let unwell = || probed(index, Finding::TimedOut);
        let id = instance(index).id;
        [
            vec![probed(index, Finding::Well), Event::Suspected(id.clone())],
            // Condemned, and well again: nobody else fills its slot.
            vec![unwell(), unwell(), unwell(), probed(index, Finding::Well)],
            vec![Event::Ordered(slot, Order::Replace), Event::Ordered(slot, Order::Drain)],
            vec![Event::Gone(id.clone(), "signal: 9".to_owned()), Event::Terminated(id, Ok(()))],
        ]
        .concat()
    };
    let cost = |size: u32| {
        let (mut fleet, spec) = (serving(size), spec(size));
        let about_last = events(size - 1);
        looks(|| about_last.into_iter().for_each(|event| fleet.observe(event, &spec, NOW)))
    };
    assert_eq!(cost(10_000), cost(10));
}

#[test]
fn an_instance_whose_tag_names_another_slot_is_found_there() {
    let mut fleet = serving(2);
    let moved = Instance { slot: instance(5).slot, ..instance(1) };
    let found = vec![instance(0), moved];
    fleet.observe(Event::Listed { began: NOW, found }, &spec(2), NOW);
    let names = |index| fleet.in_slot(instance(index).slot).map(|of| of.instance.id.as_str());
    assert_eq!(names(1).count(), 0);
    assert_eq!(names(5).collect::<Vec<_>>(), ["i-1"]);
}

#[test]
fn an_address_that_a_listing_brings_is_news() {
    let mut fleet = Fleet::new(1);
    let pending = Instance { address: None, vitals: Vitals::Pending, ..instance(0) };
    fleet.observe(Event::Listed { began: NOW, found: vec![pending] }, &spec(1), NOW);
    fleet.take_journal();
    fleet.observe(listing(1), &spec(1), NOW);
    assert_eq!(fleet.take_journal(), [Change::Described(instance(0).id)]);
}

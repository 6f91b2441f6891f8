//! What is known of the fleet: slots, instances, and what the control plane did about them.

use std::collections::BTreeMap;

use super::families as family;
use super::proxy::CLASSES;
use super::text::Text;
use crate::controller::{Accounts, Counts, Ending, PROBE_NAMES, Row, Status, Verb};
use crate::fleet::{Group, Operation, Phase, Slot};
use crate::incidents::{Cause, Outcome};
use crate::metrics::{OTHERS, SLOTS_MAX, Tallied};

const GROUPS: [Group; 2] = [Group::Instances, Group::Backend];

/// What the slots' instances answered, and what they are answering.
pub(super) fn expose_slots(text: &mut Text, accounts: &Accounts, status: &Status) {
    let slots = accounts.slots.iter().map(|(slot, account)| (slot.to_string(), account.read()));
    let others = (OTHERS.to_owned(), accounts.others.read());
    let slots: Vec<(String, Tallied)> = slots.chain([others]).collect();
    text.begin(&family::SLOT_RESPONSES);
    for (slot, tallied) in &slots {
        for (index, class) in CLASSES {
            text.sample(&[("slot", slot), ("class", class)], tallied.answers[index]);
        }
    }
    text.begin(&family::SLOT_FAILURES);
    for (slot, tallied) in &slots {
        text.sample(&[("slot", slot)], tallied.failures);
    }
    text.begin(&family::SLOT_FIRST_BYTE);
    for (slot, tallied) in &slots {
        text.histogram(&[("slot", slot)], &tallied.first_byte);
    }
    expose_rows(text, status);
}

/// The state of each slot, or of the first so many.
fn expose_rows(text: &mut Text, status: &Status) {
    let mut slots = BTreeMap::<Slot, State>::new();
    for Row { slot, occupant } in &status.rows {
        let state = slots.entry(*slot).or_default();
        if let Some(occupant) = occupant {
            state.in_flight += occupant.in_flight().map_or(0, u64::from);
            state.serves |= occupant.phase == Phase::Serving.name();
        }
    }
    text.begin(&family::SLOT_IN_FLIGHT);
    for (slot, state) in slots.iter().take(SLOTS_MAX) {
        text.sample(&[("slot", &slot.to_string())], state.in_flight);
    }
    text.begin(&family::SLOT_SERVING);
    for (slot, state) in slots.iter().take(SLOTS_MAX) {
        text.sample(&[("slot", &slot.to_string())], u8::from(state.serves));
    }
}

/// What the instances in a slot do, of which there are two while one replaces the other.
#[derive(Default)]
struct State {
    in_flight: u64,
    serves: bool,
}

/// How many there are, and how many there should be.
pub(super) fn expose_status(text: &mut Text, status: &Status) {
    text.begin(&family::INSTANCES);
    for group in GROUPS {
        for phase in Phase::NAMES {
            let is_meant = |row: &&Row| {
                let phase_of = row.occupant.as_ref().map(|occupant| occupant.phase);
                row.slot.group == group && phase_of == Some(phase)
            };
            let count = status.rows.iter().filter(is_meant).count();
            text.sample(&[("group", group.name()), ("phase", phase)], count);
        }
    }
    text.begin(&family::INSTANCES_DESIRED);
    text.sample(&[("group", Group::Instances.name())], status.instances);
    text.sample(&[("group", Group::Backend.name())], status.backends);
    text.single(&family::STANDBY_DESIRED, &[], status.standby);
    text.single(&family::ACTIVE, &[], u8::from(status.operation == Operation::Active));
    text.single(&family::PLAN_HOLDS, &[], status.holds.len());
}

/// What the control plane has done.
pub(super) fn expose_counts(text: &mut Text, counts: &Counts) {
    text.begin(&family::LAUNCHES);
    for group in GROUPS {
        let count = counts.launches.get(&group).copied().unwrap_or_default();
        text.sample(&[("group", group.name())], count);
    }
    text.begin(&family::PROBES);
    for found in PROBE_NAMES {
        let count = counts.probes.get(found).copied().unwrap_or_default();
        text.sample(&[("found", found)], count);
    }
    text.begin(&family::PROBE_DURATION);
    text.histogram(&[], &counts.probe_times);
    expose_incidents(text, counts);
    expose_calls(text, counts);
}

fn expose_incidents(text: &mut Text, counts: &Counts) {
    text.begin(&family::INCIDENTS);
    for cause in Cause::ALL {
        let count = counts.incidents.get(&cause).copied().unwrap_or_default();
        text.sample(&[("cause", cause.name())], count);
    }
    text.begin(&family::INCIDENTS_ENDED);
    for outcome in Outcome::ENDS {
        let count = counts.ended.get(outcome).copied().unwrap_or_default();
        text.sample(&[("outcome", outcome)], count);
    }
    text.begin(&family::REPAIR_DURATION);
    for group in GROUPS {
        let times = counts.repairs.get(&group).cloned().unwrap_or_default();
        text.histogram(&[("group", group.name())], &times);
    }
}

fn expose_calls(text: &mut Text, counts: &Counts) {
    text.begin(&family::PROVIDER_CALLS);
    for verb in Verb::ALL {
        for ending in Ending::ALL {
            let count = counts.calls.get(&(verb, ending)).copied().unwrap_or_default();
            text.sample(&[("verb", verb.name()), ("outcome", ending.name())], count);
        }
    }
    text.begin(&family::PROVIDER_DURATION);
    for verb in Verb::ALL {
        let times = counts.call_times.get(&verb).cloned().unwrap_or_default();
        text.histogram(&[("verb", verb.name())], &times);
    }
}

//! What the operator sees of the fleet, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::command::sizes;
use super::probers::Probers;
use super::pulse::Pulse;
use super::roster::Roster;
use crate::address::Address;
use crate::clock::Instant;
use crate::fleet::{
    Change, Fleet, Group, Hold, InstanceId, Operation, Ownership, Reason, Slot, Spec, Tracked,
};
use crate::pool::Traffic;

/// The fleet at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// When this was so.
    pub at: Instant,
    /// Whether the operator lets us act.
    pub operation: Operation,
    /// Whether the machines are ours.
    pub ownership: Ownership,
    /// How many instances are to take traffic.
    pub instances: u32,
    /// How many more are to stand by.
    pub standby: u32,
    /// How many backends are wanted.
    pub backends: u32,
    /// How many of each may exist at once.
    pub limits: Limits,
    /// How many of each the operator may ask for.
    pub sizes: Sizes,
    /// One row per instance, and one per slot that is empty, in the order of the slots.
    pub rows: Vec<Row>,
    /// What is waited for.
    pub holds: Vec<Hold>,
    /// Why instances are probed less often than was set, if they are.
    pub slow_probes: Option<String>,
}

/// How many machines may exist at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instances.
    pub instances: u32,
    /// Backends.
    pub backends: u32,
}

/// To how many a group can be scaled: to no other number than it has, if it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Instances.
    pub instances: RangeInclusive<u32>,
    /// Backends.
    pub backends: RangeInclusive<u32>,
}

impl Sizes {
    fn new(spec: &Spec) -> Self {
        let of = |group| {
            let size = spec.group(group).size;
            sizes(spec, group).unwrap_or(size..=size)
        };
        Self { instances: of(Group::Instances), backends: of(Group::Backend) }
    }
}

/// One line of the fleet's table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The place.
    pub slot: Slot,
    /// Who is in it. The same in every status as long as nothing about it changes.
    pub occupant: Option<Arc<Occupant>>,
}

/// Who is in a slot.
#[derive(Clone, Debug)]
pub struct Occupant {
    /// The provider's name.
    pub id: String,
    /// What a person would look for, such as `pid 4242`.
    pub label: String,
    /// Where it serves.
    pub address: Option<Address>,
    /// Where it relays to, if it is a forwarder.
    pub backends: BTreeSet<SocketAddr>,
    /// Where it is in its life.
    pub phase: &'static str,
    /// Why it has to go, if it has to.
    pub reason: Option<Reason>,
    /// When it entered that phase.
    pub since: Instant,
    /// When it was launched, as the time since 1970.
    pub launched: Duration,
    /// The how-manyeth it is in its slot since this `up` began.
    pub generation: u32,
    /// What its last probe found, read live; none if it was never probed.
    pub pulse: Option<Arc<Pulse>>,
    /// Its requests in flight, read live; none if it takes no traffic from the balancer.
    traffic: Option<Traffic>,
}

impl Occupant {
    /// Its requests in flight; none if it takes no traffic from the balancer.
    #[must_use]
    pub fn in_flight(&self) -> Option<u32> {
        self.traffic.as_ref().map(Traffic::total)
    }
}

impl Status {
    pub(super) fn before_the_first_list(spec: &Spec) -> Self {
        Self::new(spec, &Board::default(), &[Hold::Unlisted], Instant::START)
    }

    pub(super) fn new(spec: &Spec, board: &Board, holds: &[Hold], at: Instant) -> Self {
        Self {
            at,
            operation: spec.operation,
            ownership: spec.instances.ownership,
            instances: spec.instances.size,
            standby: spec.instances.slots() - spec.instances.size,
            backends: spec.backend.size,
            limits: Limits { instances: spec.instances.limit(), backends: spec.backend.limit() },
            sizes: Sizes::new(spec),
            rows: board.rows(spec),
            holds: holds.to_vec(),
            slow_probes: None,
        }
    }

    /// How many instances take traffic.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.count(|phase| matches!(phase, "serving" | "outgoing"))
    }

    /// How many instances stand by.
    #[must_use]
    pub fn standing_by(&self) -> usize {
        self.count(|phase| phase == "standby")
    }

    fn count(&self, is_meant: impl Fn(&str) -> bool) -> usize {
        let instances = self.rows.iter().filter(|row| row.slot.group == Group::Instances);
        let occupants = instances.filter_map(|row| row.occupant.as_ref());
        occupants.filter(|of| is_meant(of.phase)).count()
    }

    /// Whether every slot has an instance that serves or stands by.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_ready = |row: &Row| {
            row.occupant.as_ref().is_some_and(|of| matches!(of.phase, "serving" | "standby"))
        };
        self.rows.iter().all(is_ready)
    }
}

/// The rows of those that exist, kept from one status to the next: only what changed is described
/// anew.
#[derive(Debug, Default)]
pub(super) struct Board {
    occupants: BTreeMap<(Slot, InstanceId), Arc<Occupant>>,
    /// Where each of them stands.
    slots: BTreeMap<InstanceId, Slot>,
    /// How many each slot has had.
    generations: BTreeMap<Slot, u32>,
}

impl Board {
    /// Describes those whom the news are about.
    pub(super) fn follow(
        &mut self,
        fleet: &Fleet,
        roster: &Roster,
        probers: &Probers,
        news: &[Change],
    ) {
        for id in news.iter().map(Change::id) {
            let before = self.slots.remove(id);
            let before = before.and_then(|slot| self.occupants.remove(&(slot, id.clone())));
            let Some(tracked) = fleet.get(id) else { continue };
            let slot = tracked.instance.slot;
            let generation = match &before {
                Some(before) => before.generation,
                None => self.next_generation(slot),
            };
            // Who is probed no longer is shown with what was found last.
            let pulse = probers.pulse(id).or_else(|| before.as_ref()?.pulse.clone());
            let seen = Seen { generation, pulse, traffic: roster.traffic(id) };
            self.slots.insert(id.clone(), slot);
            self.occupants.insert((slot, id.clone()), Arc::new(occupant(tracked, seen)));
        }
    }

    fn next_generation(&mut self, slot: Slot) -> u32 {
        let generation = self.generations.entry(slot).or_default();
        *generation = generation.saturating_add(1);
        *generation
    }

    /// One row per instance, and one per slot that is wanted and empty.
    fn rows(&self, spec: &Spec) -> Vec<Row> {
        let slots_of =
            |group| (0..spec.group(group).slots()).map(move |index| Slot { group, index });
        let groups = [Group::Instances, Group::Backend].into_iter();
        let mut wanted = groups.flat_map(slots_of).peekable();
        let mut rows = Vec::with_capacity(self.occupants.len());
        for ((slot, _), occupant) in &self.occupants {
            while let Some(empty) = wanted.next_if(|wanted| wanted < slot) {
                rows.push(Row { slot: empty, occupant: None });
            }
            wanted.next_if_eq(slot);
            rows.push(Row { slot: *slot, occupant: Some(Arc::clone(occupant)) });
        }
        rows.extend(wanted.map(|slot| Row { slot, occupant: None }));
        rows
    }
}

/// What the fleet itself does not know of an instance.
struct Seen {
    generation: u32,
    pulse: Option<Arc<Pulse>>,
    traffic: Option<Traffic>,
}

fn occupant(tracked: &Tracked, seen: Seen) -> Occupant {
    Occupant {
        id: tracked.instance.id.to_string(),
        label: tracked.instance.label.clone(),
        address: tracked.instance.address.clone(),
        backends: tracked.relays.to.serving.clone(),
        phase: tracked.phase.name(),
        reason: tracked.phase.reason().cloned(),
        since: tracked.since,
        launched: tracked.instance.launched,
        generation: seen.generation,
        pulse: seen.pulse,
        traffic: seen.traffic,
    }
}

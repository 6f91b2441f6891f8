//! What the operator sees of the fleet, as plain data.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::roster::Roster;
use crate::address::Address;
use crate::clock::Instant;
use crate::fleet::{
    Change, Fleet, Group, Hold, InstanceId, Operation, Ownership, Slot, Spec, Tracked,
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
    /// How many backends are wanted: one or none.
    pub backends: u32,
    /// How many of each may exist at once.
    pub limits: Limits,
    /// One row per instance, and one per slot that is empty, in the order of the slots.
    pub rows: Vec<Row>,
    /// What is waited for.
    pub holds: Vec<String>,
}

/// How many machines may exist at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instances.
    pub instances: u32,
    /// Backends.
    pub backends: u32,
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
    pub backend: Option<SocketAddr>,
    /// Where it is in its life.
    pub phase: &'static str,
    /// Why it has to go, if it has to.
    pub reason: Option<String>,
    /// When it entered that phase.
    pub since: Instant,
    /// When it was launched, as the time since 1970.
    pub launched: Duration,
    /// Its requests in flight, read live; none if it takes no traffic from the balancer.
    pub traffic: Option<Arc<Traffic>>,
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
            rows: board.rows(spec),
            holds: holds.iter().map(ToString::to_string).collect(),
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
}

impl Board {
    /// Describes those whom the news are about.
    pub(super) fn follow(&mut self, fleet: &Fleet, roster: &Roster, news: &[Change]) {
        for id in news.iter().map(Change::id) {
            if let Some(slot) = self.slots.remove(id) {
                self.occupants.remove(&(slot, id.clone()));
            }
            if let Some(tracked) = fleet.get(id) {
                let slot = tracked.instance.slot;
                self.slots.insert(id.clone(), slot);
                self.occupants.insert((slot, id.clone()), Arc::new(occupant(tracked, roster)));
            }
        }
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

fn occupant(tracked: &Tracked, roster: &Roster) -> Occupant {
    Occupant {
        id: tracked.instance.id.to_string(),
        label: tracked.instance.label.clone(),
        address: tracked.instance.address.clone(),
        backend: tracked.backend,
        phase: tracked.phase.name(),
        reason: tracked.phase.reason().map(ToString::to_string),
        since: tracked.since,
        launched: tracked.instance.launched,
        traffic: roster.traffic(&tracked.instance.id),
    }
}

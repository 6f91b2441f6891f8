//! One life of the controller: from its start until it is killed, with all that it then forgets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Event, Fleet, Group, InstanceId, LaunchToken, Operation, Order, Phase, Reason, Slot, Spec,
    Tracked,
};

use super::freeze::Freeze;
use super::traffic::{StandingOf, Traffic};

/// One thing that the controller hears.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Event(Event),
    /// A request was refused there.
    Refused(InstanceId),
    /// No request is in flight there any more.
    Quiet(InstanceId),
    /// The provider did not list.
    ListFailed,
    /// The operator wants so many of a group.
    Scale(Group, u32),
    /// The operator wants something of who is in a slot.
    Order(Slot, Order),
    /// The operator wants us to act, or not to.
    Operate(Operation),
}

/// Why the controller does not run for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Its process was stopped: its clock went on.
    Stopped,
    /// Its machine was: its clock stood.
    Suspended,
}

pub(crate) struct Controller {
    /// Its number: what was meant for another is not heard.
    pub(crate) life: u32,
    pub(crate) spec: Spec,
    pub(crate) fleet: Fleet,
    pub(crate) inbox: VecDeque<Heard>,
    pub(crate) traffic: Traffic,
    /// Whom it probes, and the number of the probe that is next.
    pub(crate) probers: BTreeMap<InstanceId, u64>,
    pub(crate) asleep: Option<Sleep>,
    /// After so many more steps it is killed.
    pub(crate) doom: Option<u32>,
    pub(crate) turn_is_due: bool,
    /// The number of the alarm that is set.
    pub(crate) alarm: u64,
    // What the laws need to know.
    pub(crate) own: BTreeSet<LaunchToken>,
    pub(crate) ended: BTreeSet<InstanceId>,
    pub(crate) freeze: Freeze,
    born: Instant,
    stood: Duration,
}

impl Controller {
    pub(crate) fn new(life: u32, spec: Spec, born: Instant) -> Self {
        Self {
            life,
            spec,
            fleet: Fleet::new(life),
            inbox: VecDeque::new(),
            traffic: Traffic::default(),
            probers: BTreeMap::new(),
            asleep: None,
            doom: None,
            turn_is_due: false,
            alarm: 0,
            own: BTreeSet::new(),
            ended: BTreeSet::new(),
            freeze: Freeze::default(),
            born,
            stood: Duration::ZERO,
        }
    }

    /// Its own clock: it starts with its process, and stands while its machine does.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        Instant::START + now.since(self.born).saturating_sub(self.stood)
    }

    /// Its machine stood for so long.
    pub(crate) fn stood(&mut self, time: Duration) {
        self.stood += time;
    }

    /// What changes what is desired; the rest is for the fleet.
    pub(crate) fn obey(&mut self, heard: &Heard) {
        match heard {
            Heard::Scale(Group::Instances, size) => self.spec.instances.size = *size,
            Heard::Scale(Group::Backend, size) => self.spec.backend.size = *size,
            Heard::Operate(operation) => self.spec.operation = *operation,
            _ => {}
        }
        if let Heard::Operate(Operation::Active) = heard {
            self.freeze.thaw();
        }
    }

    /// One more step on its way to its doom. Returns whether this was the last.
    pub(crate) fn is_doomed(&mut self) -> bool {
        match &mut self.doom {
            None => false,
            Some(0) => true,
            Some(steps) => {
                *steps -= 1;
                false
            }
        }
    }

    /// What the rest of the process takes over from the fleet: whom to send requests, whom to ask.
    /// Returns the new ones to probe.
    pub(crate) fn publish(&mut self, standing_of: StandingOf, now: Instant) -> Vec<InstanceId> {
        self.traffic.follow(&self.fleet, standing_of, now);
        let fleet = &self.fleet;
        self.probers.retain(|id, _| fleet.get(id).is_some_and(is_worth_asking));
        let new = fleet.iter().filter(|of| is_worth_asking(of));
        let new: Vec<_> = new.map(|of| of.instance.id.clone()).collect();
        new.into_iter().filter(|id| !self.probers.contains_key(id)).collect()
    }

    /// A newborn is ended because it never served: its first end counts.
    pub(crate) fn never_served(&mut self, id: &InstanceId, now: Instant) {
        let newborn = self.fleet.get(id).filter(|of| of.phase == Phase::Starting);
        if let Some(group) = newborn.map(|of| of.instance.slot.group) {
            self.freeze.failed(group, &[&Reason::NeverServed.to_string()], now);
        }
    }

    /// How many of a group take their share.
    pub(crate) fn serving(&self, group: Group) -> usize {
        self.fleet.members(group).filter(|of| of.phase == Phase::Serving).count()
    }
}

fn is_worth_asking(tracked: &Tracked) -> bool {
    let is_open = match &tracked.phase {
        Phase::Starting | Phase::Standby | Phase::Serving | Phase::Outgoing(_) => true,
        Phase::Condemned(reason) => !reason.is_gone(),
        Phase::Draining(..) | Phase::Terminating(..) => false,
    };
    is_open && tracked.instance.address.is_some()
}

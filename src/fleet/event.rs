//! How what happened becomes what is known: every event is folded in here, and only here.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::health::Verdict;
use super::plan::LAUNCHING_MAX;
use super::{
    Backends, Change, DEPARTED_MAX, Finding, Fleet, Group, Handover, Health, Instance, InstanceId,
    LaunchToken, Origin, Ownership, Phase, Reason, Relays, Repointing, Slot, Spec, Step, Tracked,
    Unseen, Vitals,
};
use crate::clock::Instant;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The provider listed our instances. What changed after `began` is not judged by it.
    Listed {
        /// When the call was sent.
        began: Instant,
        /// What it returned.
        found: Vec<Instance>,
    },
    /// A launch was answered: by the instance, or by why there is none.
    Launched(LaunchToken, Result<Instance, String>),
    /// The provider noticed that a machine is gone; the text says how.
    Gone(InstanceId, String),
    /// A probe ended.
    Probed(InstanceId, Probe),
    /// A request found an instance refusing or resetting connections.
    Suspected(InstanceId),
    /// No request is in flight on a draining instance any more.
    Drained(InstanceId),
    /// A termination was answered: the instance is gone, or why that is not known.
    Terminated(InstanceId, Result<(), String>),
    /// A forwarder was told where the backends are: it took the news, or why not.
    Repointed(InstanceId, Arc<Backends>, Result<(), String>),
    /// The operator named a slot.
    Ordered(Slot, Order),
    /// The operator wants to go on: launches are no longer frozen.
    Resumed,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How the instance is.
    pub finding: Finding,
    /// What it says of its requests, if it is a forwarder.
    pub relays: Relays,
}

/// What the operator wants with the instance in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take it out of the traffic now, then end it.
    Drain,
    /// Launch its successor first.
    Replace,
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Drain => "drain",
            Self::Replace => "replace",
        })
    }
}

impl Fleet {
    /// Folds one event in. Decides nothing: that is the plan's.
    pub fn observe(&mut self, event: Event, spec: &Spec, now: Instant) {
        match event {
            Event::Listed { began, found } => self.listed(began, found, spec, now),
            Event::Launched(token, result) => self.launched(&token, result, now),
            Event::Gone(id, how) => self.gone(id, how, now),
            Event::Probed(id, probe) => self.probed(&id, probe, spec, now),
            Event::Suspected(id) => self.suspected(&id, now),
            Event::Drained(id) => self.step(&id, Step::Quiet, now),
            Event::Terminated(id, result) => self.terminated(&id, &result, spec, now),
            Event::Repointed(id, to, result) => self.repointed(&id, to, result.is_ok()),
            Event::Ordered(slot, order) => self.ordered(slot, order, spec, now),
            Event::Resumed => self.resumed(spec, now),
        }
    }

    fn listed(&mut self, began: Instant, found: Vec<Instance>, spec: &Spec, now: Instant) {
        if self.listed.is_some_and(|newest| began < newest) {
            return;
        }
        if self.listed.replace(began).is_none() {
            self.suspect_earlier_launches(began, spec);
        }
        let missing = self.missing_from(&found, began, spec);
        for instance in found {
            self.found(instance, began, spec, now);
        }
        for id in missing {
            self.failed(&id, Reason::Gone("no longer listed".to_owned()), now);
        }
        self.unseen.retain(|unseen| began < unseen.since + spec.group(unseen.group).settle);
    }

    /// The first listing may be too old to know what an earlier controller launched last. Of most
    /// groups one more would be ended again; of those that share their data it must not exist.
    fn suspect_earlier_launches(&mut self, began: Instant, spec: &Spec) {
        for group in [Group::Instances, Group::Backend] {
            if spec.group(group).handover == Handover::Fenced && spec.group(group).size > 0 {
                self.unseen.push(Unseen { launch: None, group, since: began });
            }
        }
    }

    /// The instances that a listing should have known of, and did not name.
    fn missing_from(&self, found: &[Instance], began: Instant, spec: &Spec) -> Vec<InstanceId> {
        let found: BTreeSet<&InstanceId> = found.iter().map(|listed| &listed.id).collect();
        let unlisted = self.iter().filter(|tracked| {
            let settle = spec.group(tracked.instance.slot.group).settle;
            let settled = began.since(tracked.first_seen) > settle;
            settled && !found.contains(&tracked.instance.id)
        });
        unlisted.map(|tracked| tracked.instance.id.clone()).collect()
    }

    fn found(&mut self, instance: Instance, began: Instant, spec: &Spec, now: Instant) {
        if self.get(&instance.id).is_some() {
            return self.described(instance, now);
        }
        let ended = self.departed.get(&instance.id).copied();
        let settle = spec.group(instance.slot.group).settle;
        // EC2 lists a machine for an hour after its end: that is no news, and nothing to end again.
        let is_known = matches!(instance.vitals, Vitals::Gone(_));
        if ended.is_some_and(|ended| is_known || began <= ended + settle) {
            return;
        }
        let id = instance.id.clone();
        // What was seen is no longer only suspected.
        self.unseen.retain(|unseen| unseen.launch.is_none() || unseen.launch != instance.token);
        let was_launched_by_us =
            instance.token.as_ref().is_some_and(|token| self.launches.remove(token).is_some());
        let origin = if was_launched_by_us { Origin::Launched } else { Origin::Found };
        let end = self.track(instance, origin, now);
        // What ended before we came says nothing about what we would launch now, and what came
        // back was launched long ago: neither is a newborn that failed.
        match end {
            Some(how) if was_launched_by_us => self.failed(&id, Reason::Gone(how), now),
            Some(how) => self.step(&id, Step::Fail(Reason::Gone(how)), now),
            None if ended.is_some() => self.step(&id, Step::Fail(Reason::Revenant), now),
            None => {}
        }
        self.forget_stillborn();
    }

    /// Takes in how the provider now describes an instance that is tracked.
    fn described(&mut self, instance: Instance, now: Instant) {
        let (id, vitals) = (instance.id.clone(), instance.vitals.clone());
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        // A listing that began before the machine had an address must not take it away again.
        let address = instance.address.or_else(|| tracked.instance.address.clone());
        let control = instance.control.or(tracked.instance.control);
        let described = Instance { address, control, ..instance };
        if described != tracked.instance {
            self.journal.push(Change::Described(id.clone()));
            if described.slot == tracked.instance.slot {
                tracked.instance = described;
            } else if let Some(tracked) = self.tracked.remove(&id) {
                // Somebody wrote another slot on its tag.
                self.tracked.insert(Tracked { instance: described, ..tracked });
            }
        }
        if let Vitals::Gone(how) = vitals {
            self.failed(&id, Reason::Gone(how), now);
        }
    }

    fn launched(&mut self, token: &LaunchToken, result: Result<Instance, String>, now: Instant) {
        let Some(pending) = self.launches.remove(token) else { return };
        match result {
            // A listing may have named it before the launch was answered.
            Ok(instance) if self.get(&instance.id).is_some() => {}
            Ok(instance) => {
                let id = instance.id.clone();
                if let Some(how) = self.track(instance, Origin::Launched, now) {
                    self.failed(&id, Reason::Gone(how), now);
                }
            }
            Err(cause) => {
                let group = pending.slot.group;
                let cause = format!("the launch failed: {cause}");
                self.history(group).newborns.failed(cause, now);
                self.unseen.push(Unseen { launch: Some(token.clone()), group, since: now });
            }
        }
        self.forget_stillborn();
    }

    /// Starts to follow an instance: one just launched, or one that an earlier controller left.
    /// Returns how it ended, if it did already.
    fn track(&mut self, instance: Instance, origin: Origin, now: Instant) -> Option<String> {
        let id = instance.id.clone();
        let end = match &instance.vitals {
            Vitals::Gone(how) => Some(how.clone()),
            Vitals::Pending | Vitals::Running => self.stillborn.remove(&id),
        };
        self.history(instance.slot.group).filled.insert(instance.slot.index);
        let tracked = Tracked {
            instance,
            phase: Phase::Starting,
            since: now,
            first_seen: now,
            health: Health::default(),
            last_good: None,
            relays: Relays::default(),
            repointing: Repointing::Idle,
            origin,
        };
        self.journal.push(tracked.entered_from(None));
        self.tracked.insert(tracked);
        end
    }

    /// The end of a newborn can be noticed before its launch is answered, that is, before we know
    /// whose end it is.
    fn gone(&mut self, id: InstanceId, how: String, now: Instant) {
        if self.get(&id).is_some() {
            self.failed(&id, Reason::Gone(how), now);
        } else if !self.launches.is_empty() && self.stillborn.len() < LAUNCHING_MAX {
            self.stillborn.insert(id, how);
        }
    }

    /// Without an unanswered launch there is nobody left whom an early end could be about.
    fn forget_stillborn(&mut self) {
        if self.launches.is_empty() {
            self.stillborn.clear();
        }
    }

    fn probed(&mut self, id: &InstanceId, probe: Probe, spec: &Spec, now: Instant) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        let thresholds = spec.group(tracked.instance.slot.group).thresholds;
        let load = tracked.health.load();
        let verdict = tracked.health.add(probe.finding, &thresholds, now);
        if load != tracked.health.load() {
            self.journal.push(Change::Load(id.clone(), tracked.health.load()));
        }
        if probe.finding.is_answer() {
            tracked.last_good = Some(now);
            if tracked.relays.to.serving != probe.relays.to.serving {
                self.journal.push(Change::Backends(id.clone(), probe.relays.to.clone()));
            }
            tracked.relays = probe.relays;
            if matches!(tracked.repointing, Repointing::Failed(_)) {
                tracked.repointing = Repointing::Idle;
            }
        }
        match verdict {
            Verdict::Well => self.passed(id, spec, now),
            Verdict::Undecided => {}
            // A newborn that does not answer yet is not ill: its launch timeout judges it.
            Verdict::Failed(_) if self.group_of_newborn(id).is_some() => {}
            Verdict::Failed(reason) => self.failed(id, reason, now),
        }
        if probe.finding == Finding::Leaving {
            self.leaving(id, now);
        }
    }

    /// Its machine is taken from us soon: a successor is launched while it serves on. One that has
    /// not begun need not, and that is no failure of its own.
    fn leaving(&mut self, id: &InstanceId, now: Instant) {
        let is_new = self.group_of_newborn(id).is_some();
        let step = if is_new { Step::Fail } else { Step::Supersede };
        self.step(id, step(Reason::Reclaimed), now);
    }

    fn passed(&mut self, id: &InstanceId, spec: &Spec, now: Instant) {
        let Some(tracked) = self.get(id) else { return };
        let group = tracked.instance.slot.group;
        match &tracked.phase {
            Phase::Starting => {
                let took = now.since(tracked.first_seen);
                let took = Some(took).filter(|_| tracked.origin == Origin::Launched);
                let history = self.history(group);
                history.newborns.served();
                took.into_iter().for_each(|took| history.boots.served(took));
            }
            Phase::Condemned(reason) if self.may_return(tracked, reason, spec) => {}
            _ => return,
        }
        if let Some(tracked) = self.tracked.get_mut(id) {
            tracked.health.settle();
        }
        let has_spares = spec.group(group).standby > 0;
        self.step(id, if has_spares { Step::Readied } else { Step::Passed }, now);
    }

    /// Replaced once is replaced for good; who was only suspected, and has no successor, returns.
    fn may_return(&self, tracked: &Tracked, reason: &Reason, spec: &Spec) -> bool {
        match spec.group(tracked.instance.slot.group).ownership {
            Ownership::Foreign => *reason != Reason::Ordered,
            Ownership::Owned => {
                let is_final =
                    matches!(reason, Reason::Reclaimed | Reason::Revenant | Reason::Ordered);
                !reason.is_gone() && !is_final && !self.has_successor(tracked)
            }
        }
    }

    /// Traffic raises suspicion; only the instance's own health check convicts it.
    fn suspected(&mut self, id: &InstanceId, now: Instant) {
        if let Some(tracked) = self.tracked.get_mut(id) {
            tracked.health.suspect(now);
        }
    }

    fn failed(&mut self, id: &InstanceId, reason: Reason, now: Instant) {
        if let Some(group) = self.group_of_newborn(id) {
            let cause = format!("it ended before it served: {reason}");
            self.history(group).newborns.failed(cause, now);
        }
        self.step(id, Step::Fail(reason), now);
    }

    fn terminated(
        &mut self,
        id: &InstanceId,
        result: &Result<(), String>,
        spec: &Spec,
        now: Instant,
    ) {
        let Some(tracked) = self.get(id) else { return };
        if result.is_err() {
            let again = now + spec.group(tracked.instance.slot.group).replacement_interval;
            self.step(id, Step::EndingFailed { again }, now);
            return;
        }
        self.tracked.remove(id);
        self.journal.push(Change::Forgotten(id.clone()));
        self.departed.insert(id.clone(), now);
        if self.departed.len() > DEPARTED_MAX {
            let oldest = self.departed.iter().min_by_key(|(_, ended)| **ended);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| self.departed.remove(&id));
        }
    }

    fn repointed(&mut self, id: &InstanceId, to: Arc<Backends>, taken: bool) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        if taken {
            if tracked.relays.to.serving != to.serving {
                self.journal.push(Change::Backends(id.clone(), Backends::clone(&to)));
            }
            // Until a probe says otherwise.
            tracked.relays.take(Backends::clone(&to));
            tracked.repointing = Repointing::Idle;
        } else {
            tracked.repointing = Repointing::Failed(to);
        }
    }

    fn ordered(&mut self, slot: Slot, order: Order, spec: &Spec, now: Instant) {
        let group = spec.group(slot.group);
        let named = |tracked: &&Tracked| {
            // One of ours that failed goes anyway; one that is not ours would be back when well.
            let may_return = group.ownership == Ownership::Foreign
                && matches!(tracked.phase, Phase::Condemned(_));
            tracked.phase.fills_slot() || may_return
        };
        let those = self.in_slot(slot).filter(named);
        let Some(tracked) = those.min_by_key(|tracked| tracked.precedence()) else { return };
        let (id, phase) = (tracked.instance.id.clone(), tracked.phase.clone());
        let step = match (order, group.ownership, group.handover) {
            // Nobody makes a successor for a server that is not ours.
            (Order::Replace, Ownership::Foreign, _) => return,
            // It has taken no traffic, and is not to.
            _ if phase == Phase::Starting => Step::Fail(Reason::Ordered),
            // Nobody has to serve in its stead first.
            _ if phase == Phase::Standby => Step::Drain(Reason::Ordered),
            (Order::Drain, _, Handover::LaunchFirst { .. }) => Step::Drain(Reason::Ordered),
            (Order::Drain | Order::Replace, _, _) => Step::Supersede(Reason::Ordered),
        };
        self.step(&id, step, now);
    }

    /// Launches are thawed, and servers that were taken out of the traffic may come back.
    fn resumed(&mut self, spec: &Spec, now: Instant) {
        self.history.values_mut().for_each(|history| history.newborns.served());
        let drained = |tracked: &&Tracked| {
            spec.group(tracked.instance.slot.group).ownership == Ownership::Foreign
                && tracked.phase.reason() == Some(&Reason::Ordered)
        };
        let ids: Vec<_> = self.iter().filter(drained).map(|of| of.instance.id.clone()).collect();
        for id in ids {
            self.step(&id, Step::Readmit, now);
        }
    }
}

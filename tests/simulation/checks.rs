//! The checks, each named like its law.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use cloudaps::address::Address;
use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Backends, Ending, Flow, Group, GroupSpec, Handover, Instance, InstanceId, Launch, Load,
    Operation, Phase, Plan, Reason, Slot,
};
use cloudaps::pool::Standing;

use super::controller::Controller;
use super::law::{Law, Verdict, law};
use super::machine::Machine;
use super::world::World;

/// How many launches a plan may begin beyond one action for each instance that is known.
const LAUNCHES_MAX: usize = 64;

/// What must be true of every plan before it is begun.
impl World {
    pub(crate) fn check_plan(&self, of: &Controller, planned: &Plan, again: &Plan) -> Verdict {
        let same = planned == again;
        law(Law::Repetition, same, || "the same fleet gives another plan".to_owned())?;
        every_plan_is_bounded(of, planned)?;
        self.launches_in_flight_count(of, planned, Group::Instances)?;
        self.launches_in_flight_count(of, planned, Group::Backend)?;
        planned.actions.iter().try_for_each(|action| self.check_action(of, action))
    }

    fn check_action(&self, of: &Controller, action: &Action) -> Verdict {
        match action {
            Action::Launch(launch) => {
                nothing_is_done_while_paused(of, action, None)?;
                let is_new = !self.tokens.contains(&launch.token);
                law(Law::Token, is_new, || format!("{} again", launch.token))?;
                self.nothing_is_launched_while_frozen(of, launch)
            }
            Action::Promote(_) | Action::Demote(_) => Ok(()),
            Action::Supersede(..) => nothing_is_done_while_paused(of, action, None),
            Action::Drain(_, reason) => nothing_is_done_while_paused(of, action, Some(reason)),
            Action::Terminate(id, reason) => {
                nothing_is_done_while_paused(of, action, Some(reason))?;
                self.who_serves_is_drained_before_it_is_ended(of, id)
            }
            Action::Repoint { to, .. } => {
                forwarders_are_pointed_at_those_that_are_to_have_requests(of, to)
            }
        }
    }

    /// (One of which this controller cannot know, because an earlier one launched it, or its
    /// provider said that it was gone, is too many for a while.)
    fn launches_in_flight_count(&self, of: &Controller, planned: &Plan, group: Group) -> Verdict {
        let spec = of.spec.group(group);
        let Handover::LaunchFirst { surge } = spec.handover else { return Ok(()) };
        let is_launch = |action: &&Action| match action {
            Action::Launch(launch) => launch.slot.group == group,
            _ => false,
        };
        let launches = planned.actions.iter().filter(is_launch).count();
        let living = self.cloud.living(group, self.now);
        let living = living.filter(|machine| can_know(of, machine)).count();
        let is_ours = |(life, slot): &&(u32, Slot)| *life == of.life && slot.group == group;
        let coming = self.coming.values().filter(is_ours).count();
        let limit = (spec.size + spec.standby + surge) as usize;
        law(Law::Limit, launches == 0 || living + coming + launches <= limit, || {
            format!("{living} live, {coming} are coming, {launches} more, allowed are {limit}")
        })
    }

    fn nothing_is_launched_while_frozen(&self, of: &Controller, launch: &Launch) -> Verdict {
        let cause = of.freeze.holds(launch.slot.group, of.clock(self.now));
        law(Law::Freeze, cause.is_none(), || {
            format!("{} although {}", launch.slot, cause.unwrap_or_default())
        })
    }

    fn who_serves_is_drained_before_it_is_ended(
        &self,
        of: &Controller,
        id: &InstanceId,
    ) -> Verdict {
        let Some(tracked) = of.fleet.get(id) else {
            return law(Law::Tag, false, || format!("{id} is not known"));
        };
        let spec = of.spec.group(tracked.instance.slot.group);
        let is_fenced = spec.handover == Handover::Fenced;
        let now = of.clock(self.now);
        let is_right = match &tracked.phase {
            Phase::Starting => true,
            Phase::Standby | Phase::Serving | Phase::Outgoing(_) => is_fenced,
            Phase::Condemned(reason) => {
                is_fenced || reason.is_death() || *reason == Reason::Ordered
            }
            Phase::Draining(..) if now >= tracked.since + spec.drain_timeout => true,
            Phase::Draining(_, Flow::InFlight) => false,
            Phase::Draining(_, Flow::Quiet) => {
                !self.is_busy(of, id) && !self.is_relayed_to(of, &tracked.instance)
            }
            Phase::Terminating(_, ending) => {
                let is_due = matches!(ending, Ending::AskAgain(at) if *at <= now);
                let twice = || format!("{id} is asked to end twice at once");
                return law(Law::Repetition, is_due, twice);
            }
        };
        law(Law::Drain, is_right, || format!("{id} is {:?}", tracked.phase))
    }

    /// Whether a request that would still be answered is in flight there.
    fn is_busy(&self, of: &Controller, id: &InstanceId) -> bool {
        let Some(flow) = of.traffic.flows.get(id) else { return false };
        let answers = self.cloud.machines.get(id).is_some_and(|of| of.answers(self.now));
        answers && flow.standing == Standing::Draining && flow.busy_until > self.now
    }
}

impl World {
    /// Whether a forwarder that has requests would still send some there, or waits for an answer.
    fn is_relayed_to(&self, of: &Controller, ending: &Instance) -> bool {
        // An instance may have the address of a backend that is gone. Who was not told yet does not
        // get through to it: only the balancer is let in (`blueprint/rule.rs`).
        let is_backend = ending.slot.group == Group::Backend;
        let address = ending.address.as_ref().filter(|_| is_backend).and_then(Address::ip);
        let Some(address) = address else { return false };
        // Who was found dead in this turn loses its requests in this turn: nobody waits for them.
        let is_dead = |id: &InstanceId| match of.fleet.get(id).map(|tracked| &tracked.phase) {
            Some(Phase::Condemned(reason)) => reason.is_death(),
            _ => false,
        };
        let has_traffic = |id: &InstanceId| {
            let flow = of.traffic.flows.get(id);
            flow.is_some_and(|flow| flow.standing != Standing::Lost) && !is_dead(id)
        };
        self.cloud.machines.values().any(|machine| {
            let relays = machine.is_forwarder() && machine.answers(self.now);
            let is_busy = machine.relaying.is_busy_at(address, self.now);
            relays && is_busy && has_traffic(&machine.instance.id)
        })
    }
}

/// Those that serve and do not shed; or else those that serve; or else those that may.
fn forwarders_are_pointed_at_those_that_are_to_have_requests(
    of: &Controller,
    to: &Backends,
) -> Verdict {
    let is_fenced = of.spec.backend.handover == Handover::Fenced;
    let ranks = of.fleet.members(Group::Backend).filter_map(|tracked| {
        let sheds = tracked.health.load() == Load::Shedding;
        let rank = match &tracked.phase {
            Phase::Starting | Phase::Serving if is_fenced => 0,
            Phase::Serving | Phase::Outgoing(_) if !is_fenced => u8::from(sheds),
            Phase::Outgoing(_) => 1,
            Phase::Starting => 2,
            Phase::Condemned(reason) if reason.may_still_answer() => 2,
            _ => return None,
        };
        Some((tracked.instance.address.as_ref()?.ip()?, rank))
    });
    // Whoever serves may have the address of one that is gone, so that one address has two ranks.
    let ranks: BTreeSet<(SocketAddr, u8)> = ranks.collect();
    let best = ranks.iter().map(|(_, rank)| *rank).min();
    let is_best = |at: &SocketAddr| best.is_some_and(|rank| ranks.contains(&(*at, rank)));
    law(Law::Backend, to.serving.iter().all(is_best), || format!("{to} of {ranks:?}"))
}

fn every_plan_is_bounded(of: &Controller, planned: &Plan) -> Verdict {
    let known = of.fleet.iter().count();
    law(Law::Bound, planned.actions.len() <= known + LAUNCHES_MAX, || {
        format!("{} actions for {known} instances", planned.actions.len())
    })
}

fn nothing_is_done_while_paused(of: &Controller, action: &Action, why: Option<&Reason>) -> Verdict {
    let is_paused = of.spec.operation == Operation::Paused;
    law(Law::Pause, !is_paused || why == Some(&Reason::Ordered), || action.to_string())
}

/// (Who is about to go, but must not while nothing may be ended, is neither.)
fn who_is_ready_serves_or_stands_by(of: &Controller) -> Verdict {
    let GroupSpec { size, standby, .. } = of.spec.instances;
    let serving = of.serving(Group::Instances);
    let mut members = of.fleet.members(Group::Instances);
    let waits = members.any(|tracked| tracked.phase == Phase::Standby);
    let is_right = match serving.cmp(&(size as usize)) {
        Ordering::Less => !waits,
        Ordering::Equal => true,
        Ordering::Greater => standby == 0,
    };
    law(Law::Spares, is_right || of.spec.operation != Operation::Active, || {
        format!("{serving} of {size} serve; one waits: {waits}")
    })
}

fn can_know(of: &Controller, machine: &Machine) -> bool {
    let Instance { id, token, .. } = &machine.instance;
    let is_own = token.as_ref().is_some_and(|token| of.own.contains(token));
    of.fleet.get(id).is_some() || (is_own && !of.ended.contains(id))
}

/// What must be true after a step.
impl World {
    /// What was begun is done: the rest waits for an event, or for an instant yet to come.
    pub(crate) fn check_rest(&self, of: &Controller, planned: &Plan, rest: &Plan) -> Verdict {
        let is_due = planned.wake_at.is_some_and(|at| at <= of.clock(self.now));
        law(Law::Repetition, is_due || rest.actions.is_empty(), || {
            format!("it leaves {:?}", rest.actions)
        })?;
        let idle = is_due && rest.actions.is_empty() && planned.actions.is_empty();
        law(Law::Repetition, !idle, || "it wakes itself for nothing".to_owned())?;
        who_is_ready_serves_or_stands_by(of)
    }

    /// Nobody who lives is taken for gone because of what a listing said, or did not say; `began`
    /// is when the listing did that was heard.
    pub(crate) fn nobody_who_lives_is_taken_for_gone(
        &self,
        of: &Controller,
        began: Option<Instant>,
    ) -> Verdict {
        for tracked in of.fleet.iter() {
            let is_gone = tracked.phase.reason().is_some_and(Reason::is_gone);
            let id = &tracked.instance.id;
            if is_gone && self.lives(id) {
                let settle = of.spec.group(tracked.instance.slot.group).settle;
                let is_young = began.is_some_and(|began| began.since(tracked.first_seen) <= settle);
                let which = if is_young { Law::Settling } else { Law::Listing };
                return law(which, false, || format!("{id} lives, and is {:?}", tracked.phase));
            }
        }
        Ok(())
    }

    pub(crate) fn check_state(&self, of: &Controller) -> Verdict {
        self.nothing_without_our_tag_is_touched()?;
        self.at_most_one_backend_has_exclusive_data_open()?;
        self.who_was_ended_takes_no_traffic(of)
    }

    pub(crate) fn nothing_without_our_tag_is_touched(&self) -> Verdict {
        let touched = &self.cloud.touched;
        law(Law::Tag, touched.is_none(), || format!("{touched:?} is somebody else's"))
    }

    pub(crate) fn at_most_one_backend_has_exclusive_data_open(&self) -> Verdict {
        let backends = self.cloud.living(Group::Backend, self.now).count();
        law(Law::Data, backends <= 1 || self.shares_data(), || format!("{backends} do"))
    }

    fn who_was_ended_takes_no_traffic(&self, of: &Controller) -> Verdict {
        for tracked in of.fleet.iter() {
            let id = &tracked.instance.id;
            let takes_traffic = matches!(tracked.phase, Phase::Serving | Phase::Outgoing(_));
            law(Law::Revenant, !takes_traffic || !of.ended.contains(id), || id.to_string())?;
        }
        Ok(())
    }

    /// Where a new request was sent.
    pub(crate) fn requests_go_to_who_serves(&self, of: &Controller, id: &InstanceId) -> Verdict {
        let phase = of.fleet.get(id).map(|of| &of.phase);
        let serves = matches!(phase, Some(Phase::Serving | Phase::Outgoing(_)));
        let which = if phase == Some(&Phase::Standby) { Law::Spares } else { Law::Traffic };
        law(which, serves, || format!("a request to {id}, which is {phase:?}"))
    }

    /// Where every world ends when the faults do.
    pub(crate) fn all_is_well(&self, of: &Controller) -> Verdict {
        for group in [Group::Instances, Group::Backend] {
            let serving = of.serving(group);
            let known = of.fleet.members(group).count();
            let living = self.cloud.living(group, self.now).count();
            let GroupSpec { size, standby, .. } = *of.spec.group(group);
            let [size, slots] = [size, size + standby].map(|count| count as usize);
            let is_well = [serving, known, living] == [size, slots, slots];
            law(Law::Liveness, is_well, || {
                format!(
                    "of {size} of {group:?}, {serving} serve, {known} are known and {living} live; \
                     the plan: {:#?}",
                    self.plan(of)
                )
            })?;
        }
        self.all_backends_have_requests()?;
        let rest = self.plan(of);
        law(Law::Liveness, rest == Plan::default(), || format!("there is more to do: {rest:?}"))
    }

    fn all_backends_have_requests(&self) -> Verdict {
        let backends = self.cloud.living(Group::Backend, self.now);
        let all = backends.filter_map(|machine| machine.instance.address.as_ref()?.ip());
        let all: BTreeSet<SocketAddr> = all.collect();
        let forwarders = self.cloud.living(Group::Instances, self.now);
        for forwarder in forwarders.filter(|machine| machine.is_forwarder()) {
            let to = &forwarder.relaying.to.serving;
            let id = &forwarder.instance.id;
            law(Law::Liveness, *to == all, || format!("{id} relays to {to:?} of {all:?}"))?;
        }
        Ok(())
    }

    fn lives(&self, id: &InstanceId) -> bool {
        self.cloud.machines.get(id).is_some_and(|of| of.lives(self.now))
    }
}

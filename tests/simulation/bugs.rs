//! Deliberate bugs: each breaks a law, so that a check which never fails is noticed.

use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Event, Finding, Fleet, Flow, Group, Instance, InstanceId, Operation, Phase, Plan,
    Probe, Reason, Relays, Spec, Tracked, Vitals, plan,
};
use cloudaps::pool::Standing;

use super::controller::Heard;
use super::law::Law;
use super::machine::Machine;
use super::planners::{
    a_hundred_times, by_mood, ends_once, to_newborn_backends, to_one_backend, to_the_old_backend,
    with_duplicates, with_more_spares, with_one_token, without_a_drain, without_acting,
    without_demotion, without_mercy, without_patience, without_pausing, without_promotion,
    without_the_fence, without_the_forwarders_requests, without_the_limit,
    without_the_limit_of_backends,
};
use super::traffic::{StandingOf, standing_of};

/// What decides.
type Planner = fn(&Spec, &Fleet, Instant) -> Plan;

/// What takes in what was heard.
type Observer = fn(&mut Fleet, Heard, &Spec, Instant);

/// A controller with a mistake in one place.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    pub(crate) law: Law,
    pub(crate) planner: Planner,
    pub(crate) observer: Observer,
    /// What is done about an action before it is executed.
    pub(crate) begin: fn(&mut Fleet, &Action, &Spec, Instant),
    /// Whom a termination is about, out of all that exist.
    pub(crate) target: fn(&InstanceId, &[&Machine]) -> InstanceId,
    /// Whether a listing is of our tag alone.
    pub(crate) filter: Filter,
    /// How the data plane is told of an instance.
    pub(crate) standing_of: StandingOf,
    /// What new requests may be sent to.
    pub(crate) takes_requests: fn(Standing) -> bool,
}

/// Whether a listing is of our tag alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    OurTag,
    Everything,
}

/// The controller as it is.
pub(crate) const NONE: Bug = Bug {
    name: "none",
    law: Law::Liveness,
    planner: plan,
    observer: observe,
    begin: Fleet::begin,
    target: |id, _| id.clone(),
    filter: Filter::OurTag,
    standing_of,
    takes_requests: |standing| matches!(standing, Standing::Serving),
};

/// Each law is broken by at least one.
pub(crate) const BUGS: [Bug; 33] = [
    Bug {
        name: "a failed listing is an empty one",
        law: Law::Listing,
        observer: failed_is_empty,
        ..NONE
    },
    Bug {
        name: "a listing is as young as its answer",
        law: Law::Settling,
        observer: never_stale,
        ..NONE
    },
    Bug {
        name: "a listing without the filter for our tag",
        law: Law::Tag,
        filter: Filter::Everything,
        ..NONE
    },
    Bug { name: "an address is an identity", law: Law::Tag, target: by_address, ..NONE },
    Bug { name: "no limit to the surge", law: Law::Limit, planner: without_the_limit, ..NONE },
    Bug {
        name: "a launch that was not answered does not count",
        law: Law::Limit,
        observer: forget_the_unanswered,
        ..NONE
    },
    Bug { name: "one token for each slot", law: Law::Token, planner: with_one_token, ..NONE },
    Bug { name: "ended without a drain", law: Law::Drain, planner: without_a_drain, ..NONE },
    Bug { name: "no patience with a drain", law: Law::Drain, planner: without_patience, ..NONE },
    Bug { name: "who flaps is ended at once", law: Law::Drain, planner: without_mercy, ..NONE },
    Bug {
        name: "quiet before the last request ended",
        law: Law::Drain,
        observer: quiet_at_once,
        ..NONE
    },
    Bug { name: "no settling time", law: Law::Settling, observer: without_settling, ..NONE },
    Bug {
        name: "who was ended is forgotten",
        law: Law::Revenant,
        observer: forget_the_ended,
        ..NONE
    },
    Bug {
        name: "the backend is replaced like any other",
        law: Law::Data,
        planner: without_the_fence,
        ..NONE
    },
    Bug {
        name: "gone because it does not answer",
        law: Law::Data,
        observer: silence_is_death,
        ..NONE
    },
    Bug {
        name: "forwarders follow the old backend",
        law: Law::Backend,
        planner: to_the_old_backend,
        ..NONE
    },
    Bug {
        name: "forwarders do not wait for a newborn backend to serve",
        law: Law::Backend,
        planner: to_newborn_backends,
        ..NONE
    },
    Bug {
        name: "forwarders know one backend of several",
        law: Law::Liveness,
        planner: to_one_backend,
        ..NONE
    },
    Bug {
        name: "a backend ends before its forwarders are done with it",
        law: Law::Drain,
        planner: without_the_forwarders_requests,
        ..NONE
    },
    Bug {
        name: "no limit to the surge of backends",
        law: Law::Limit,
        planner: without_the_limit_of_backends,
        ..NONE
    },
    Bug { name: "no freeze", law: Law::Freeze, observer: without_a_freeze, ..NONE },
    Bug { name: "pause is not heard", law: Law::Pause, planner: without_pausing, ..NONE },
    Bug { name: "each action a hundred times", law: Law::Bound, planner: a_hundred_times, ..NONE },
    Bug { name: "plans by mood", law: Law::Repetition, planner: by_mood, ..NONE },
    Bug {
        name: "what was begun is not recorded",
        law: Law::Repetition,
        begin: |_, _, _, _| {},
        ..NONE
    },
    Bug {
        name: "new requests to the draining",
        law: Law::Traffic,
        takes_requests: |of| of != Standing::Lost,
        ..NONE
    },
    Bug {
        name: "spares take requests",
        law: Law::Spares,
        standing_of: with_spares_serving,
        ..NONE
    },
    Bug { name: "spares stay spares", law: Law::Spares, planner: without_promotion, ..NONE },
    Bug { name: "spares do not count", law: Law::Limit, planner: with_more_spares, ..NONE },
    Bug { name: "nobody stands by again", law: Law::Spares, planner: without_demotion, ..NONE },
    Bug { name: "nothing is done", law: Law::Liveness, planner: without_acting, ..NONE },
    Bug { name: "duplicates stay", law: Law::Liveness, planner: with_duplicates, ..NONE },
    Bug { name: "a failed end is not tried again", law: Law::Liveness, planner: ends_once, ..NONE },
];

/// As the controller does it.
pub(crate) fn observe(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    match heard {
        Heard::Event(event) => fleet.observe(event, spec, now),
        Heard::Refused(id) => fleet.observe(Event::Suspected(id), spec, now),
        Heard::Quiet(id) => fleet.observe(Event::Drained(id), spec, now),
        Heard::Order(slot, order) => fleet.observe(Event::Ordered(slot, order), spec, now),
        Heard::Operate(Operation::Active) => fleet.observe(Event::Resumed, spec, now),
        Heard::ListFailed | Heard::Scale(..) | Heard::Operate(_) => {}
    }
}

// === Observers ===

fn failed_is_empty(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    let heard = match heard {
        Heard::ListFailed if fleet.iter().next().is_some() => {
            Heard::Event(Event::Listed { began: now, found: Vec::new() })
        }
        heard => heard,
    };
    observe(fleet, heard, spec, now);
}

fn never_stale(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    let heard = match heard {
        Heard::Event(Event::Listed { found, .. }) => {
            Heard::Event(Event::Listed { began: now, found })
        }
        heard => heard,
    };
    observe(fleet, heard, spec, now);
}

fn forget_the_unanswered(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    if let Heard::Event(Event::Launched(token, Err(_))) = &heard {
        // As if it were certain that there is no such machine.
        let settle = spec.instances.settle;
        let listed = Event::Listed { began: now + settle, found: known(fleet) };
        fleet.observe(Event::Launched(token.clone(), Err(String::new())), spec, now);
        fleet.observe(listed, spec, now);
        return;
    }
    observe(fleet, heard, spec, now);
}

fn quiet_at_once(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    observe(fleet, heard, spec, now);
    let drains = |of: &&Tracked| matches!(of.phase, Phase::Draining(_, Flow::InFlight));
    let draining: Vec<_> = fleet.iter().filter(drains).map(|of| of.instance.id.clone()).collect();
    for id in draining {
        fleet.observe(Event::Drained(id), spec, now);
    }
}

fn without_settling(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    let mut hasty = spec.clone();
    hasty.instances.settle = Duration::ZERO;
    observe(fleet, heard, &hasty, now);
}

/// As if the controller were started anew whenever it meets one that it ended.
fn forget_the_ended(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    observe(fleet, heard, spec, now);
    let is_back = |of: &Tracked| of.phase == Phase::Condemned(Reason::Revenant);
    if !fleet.iter().any(is_back) {
        return;
    }
    let serving = fleet.iter().filter(|of| of.phase == Phase::Serving);
    let serving: Vec<_> = serving.map(|of| of.instance.id.clone()).collect();
    let nonce = u32::try_from(now.since_start().as_millis()).unwrap_or(u32::MAX);
    let listed = Event::Listed { began: now, found: known(fleet) };
    *fleet = Fleet::new(nonce);
    fleet.observe(listed, spec, now);
    for id in serving {
        let probe = Probe { finding: Finding::Well, relays: Relays::default() };
        fleet.observe(Event::Probed(id, probe), spec, now);
    }
}

fn silence_is_death(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    if let Heard::Event(Event::Probed(id, Probe { finding: Finding::TimedOut, .. })) = &heard
        && fleet.get(id).is_some_and(|of| of.instance.slot.group == Group::Backend)
    {
        fleet.observe(Event::Gone(id.clone(), "silent".to_owned()), spec, now);
        return fleet.observe(Event::Terminated(id.clone(), Ok(())), spec, now);
    }
    observe(fleet, heard, spec, now);
}

fn without_a_freeze(fleet: &mut Fleet, heard: Heard, spec: &Spec, now: Instant) {
    observe(fleet, heard, spec, now);
    fleet.observe(Event::Resumed, spec, now);
}

fn known(fleet: &Fleet) -> Vec<Instance> {
    fleet.iter().map(|of| Instance { vitals: Vitals::Running, ..of.instance.clone() }).collect()
}

// === Traffic ===

fn with_spares_serving(phase: &Phase) -> Option<Standing> {
    if *phase == Phase::Standby { Some(Standing::Serving) } else { standing_of(phase) }
}

// === Executors ===

/// Whoever has the address now.
fn by_address(id: &InstanceId, machines: &[&Machine]) -> InstanceId {
    let named = machines.iter().find(|of| of.instance.id == *id);
    let address = named.and_then(|of| of.instance.address.as_ref());
    let holders = machines.iter().filter(|of| of.instance.address.as_ref() == address);
    let newest = holders.max_by_key(|of| of.made);
    newest.map_or_else(|| id.clone(), |of| of.instance.id.clone())
}

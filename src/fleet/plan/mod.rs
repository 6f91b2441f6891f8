//! The decision: from what is desired and what is observed to what should be done now.
//!
//! [`plan`] cannot fail, changes nothing, and with the same arguments always says the same.

mod explain;
mod fill;
mod flapping;
mod lineup;
mod retire;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{
    Backends, Fleet, Group, GroupSpec, Handover, InstanceId, Launch, LaunchOn, Load, Operation,
    Phase, Reason, Repointing, Slot, Spec, Tracked,
};
use crate::clock::Instant;

/// How many launches may be on their way at once. EC2 takes five requests at once and then two a
/// second, and a machine that starts 64 processes at once is busy for about a second.
pub(super) const LAUNCHING_MAX: usize = 64;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make an instance.
    Launch(Launch),
    /// Send it no new request, and wait for those in flight.
    Drain(InstanceId, Reason),
    /// End it.
    Terminate(InstanceId, Reason),
    /// Launch a successor, and send it traffic until then.
    Supersede(InstanceId, Reason),
    /// Send a spare traffic from now on.
    Promote(InstanceId),
    /// Send it no new request, and keep it as a spare.
    Demote(InstanceId),
    /// Tell a forwarder where the backends are.
    Repoint {
        /// The forwarder.
        id: InstanceId,
        /// Where it takes the news.
        control: SocketAddr,
        /// Where to send requests from now on.
        to: Arc<Backends>,
    },
}

/// Why nothing is done although something is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// The provider has not listed what already runs.
    Unlisted,
    /// The operator paused us.
    Paused(Slot),
    /// Newborns keep failing in the same way.
    Frozen {
        /// The group whose launches are frozen.
        group: Group,
        /// How they failed.
        cause: String,
        /// When one of them is tried again.
        until: Instant,
    },
    /// One newborn is on trial after a freeze; the others wait for how it does.
    OnTrial(Slot),
    /// Too many replacements in too short a time.
    Budget {
        /// The slot that waits.
        slot: Slot,
        /// When the next replacement is allowed.
        until: Instant,
    },
    /// As many machines exist as may.
    Limit(Slot),
    /// The old one is not known to be gone.
    Fenced {
        /// The slot that waits.
        slot: Slot,
        /// For whom.
        by: InstanceId,
    },
    /// Some instances are well and unwell by turns, and so are most of the others.
    Shaken(Group),
    /// All of them answer that they cannot do much: no successor would fare better.
    Shedding(Group),
    /// A failed instance waits for its successor to serve.
    AwaitsSuccessor(InstanceId),
}

/// What to do now, why no more, and when to ask again if nothing happens until then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a plan that nobody executes changes nothing"]
pub struct Plan {
    /// In the order in which to begin them.
    pub actions: Vec<Action>,
    /// What is waited for, each once.
    pub holds: Vec<Hold>,
    /// When the plan may differ by the passing of time alone.
    pub wake_at: Option<Instant>,
}

/// What should be done now.
pub fn plan(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut draft = Draft::new(desired, observed, now);
    if desired.operation == Operation::Stopping {
        draft.stop();
        return draft.finish();
    }
    for group in [Group::Backend, Group::Instances] {
        draft.supersede_flapping(group);
        draft.retire(group);
        draft.fill(group);
    }
    draft.repoint();
    draft.tell_of_shedding();
    draft.finish()
}

/// A plan in the making.
struct Draft<'a> {
    desired: &'a Spec,
    observed: &'a Fleet,
    now: Instant,
    plan: Plan,
    /// Who serves only until its successor does, by this plan.
    superseded: BTreeSet<InstanceId>,
}

impl<'a> Draft<'a> {
    fn new(desired: &'a Spec, observed: &'a Fleet, now: Instant) -> Self {
        Self { desired, observed, now, plan: Plan::default(), superseded: BTreeSet::new() }
    }

    fn spec_of(&self, tracked: &Tracked) -> &'a GroupSpec {
        self.desired.group(tracked.instance.slot.group)
    }

    /// Whether a successor is wanted for one that serves before it is known to have failed.
    fn is_doubtful(&self, tracked: &Tracked) -> bool {
        let spec = self.spec_of(tracked);
        let can_be_succeeded = matches!(spec.handover, Handover::LaunchFirst { .. });
        spec.launch_on == LaunchOn::Suspicion
            && can_be_succeeded
            && tracked.phase == Phase::Serving
            && !tracked.health.is_steady()
    }
}

// === Pointing the forwarders at the backends ===

impl Draft<'_> {
    fn repoint(&mut self) {
        if self.ends_forwarder_of_draining_backend() {
            // Of what it had in flight there, nobody waits for an answer any more.
            self.wake_at(self.now);
        }
        if self.moves_backends() {
            // Where requests are to go then, the next plan knows.
            return self.wake_at(self.now);
        }
        let to = Arc::new(self.backends());
        if to.names_nobody() {
            return;
        }
        for tracked in self.observed.members(Group::Instances).filter(|of| of.relays()) {
            let stale = tracked.relays.to != *to && tracked.repointing == Repointing::Idle;
            if let (true, Some(control)) = (stale, tracked.instance.control) {
                let id = tracked.instance.id.clone();
                self.plan.actions.push(Action::Repoint { id, control, to: Arc::clone(&to) });
            }
        }
    }

    /// Whether this plan changes where requests can go.
    fn moves_backends(&self) -> bool {
        self.plan.actions.iter().any(|action| match action {
            Action::Drain(id, _) | Action::Terminate(id, _) | Action::Supersede(id, _) => {
                self.is_in(Group::Backend, id)
            }
            Action::Launch(_) | Action::Promote(_) | Action::Demote(_) | Action::Repoint { .. } => {
                false
            }
        })
    }

    fn ends_forwarder_of_draining_backend(&self) -> bool {
        let drains = |tracked: &Tracked| matches!(tracked.phase, Phase::Draining(..));
        let ends_forwarder = |action: &Action| match action {
            Action::Terminate(id, _) => self.is_in(Group::Instances, id),
            _ => false,
        };
        self.observed.members(Group::Backend).any(drains)
            && self.plan.actions.iter().any(ends_forwarder)
    }

    fn is_in(&self, group: Group, id: &InstanceId) -> bool {
        self.observed.get(id).is_some_and(|tracked| tracked.instance.slot.group == group)
    }

    fn backends(&self) -> Backends {
        self.observed.backends(self.desired.backend.handover)
    }
}

// === What replacing does not mend ===

impl Draft<'_> {
    /// Backends that all answer 503 say that what they share is away: their database. To end them
    /// for it would end their successors, too.
    fn tell_of_shedding(&mut self) {
        let group = Group::Backend;
        let mut ready = self.observed.members(group).filter(|of| of.phase.is_ready()).peekable();
        let sheds = |of: &Tracked| of.health.load() == Load::Shedding;
        if ready.peek().is_some() && ready.all(sheds) {
            self.hold(Hold::Shedding(group));
        }
    }
}

// === Writing the plan down ===

impl Draft<'_> {
    fn launch(&mut self, slot: Slot) {
        let ahead = u32::try_from(self.plan.launches()).unwrap_or(u32::MAX);
        let launch = Launch {
            token: self.observed.token(slot, ahead),
            slot,
            backends: Arc::new(Backends::serving(self.backends().serving)),
        };
        self.plan.actions.push(Action::Launch(launch));
    }

    fn drain(&mut self, tracked: &Tracked, reason: &Reason) {
        if self.may_end(tracked, reason) {
            let id = tracked.instance.id.clone();
            self.plan.actions.push(Action::Drain(id, reason.clone()));
        }
    }

    fn terminate(&mut self, tracked: &Tracked, reason: &Reason) {
        if self.may_end(tracked, reason) {
            let id = tracked.instance.id.clone();
            self.plan.actions.push(Action::Terminate(id, reason.clone()));
        }
    }

    fn may_end(&mut self, tracked: &Tracked, reason: &Reason) -> bool {
        let allowed = self.desired.operation != Operation::Paused || *reason == Reason::Ordered;
        if !allowed {
            self.hold(Hold::Paused(tracked.instance.slot));
        }
        allowed
    }

    fn hold(&mut self, hold: Hold) {
        self.plan.holds.push(hold);
    }

    /// Several may wait for the same: both groups for the first list, and all in a slot for the
    /// operator.
    fn finish(mut self) -> Plan {
        let holds = &mut self.plan.holds;
        let mut order: Vec<usize> = (0..holds.len()).collect();
        order.sort_unstable_by(|a, b| holds[*a].cmp(&holds[*b]).then(a.cmp(b)));
        let repeats = |pair: &[usize]| (holds[pair[0]] == holds[pair[1]]).then_some(pair[1]);
        let repeated: BTreeSet<usize> = order.windows(2).filter_map(repeats).collect();
        let mut index = 0..;
        holds.retain(|_| !index.next().is_some_and(|at| repeated.contains(&at)));
        self.plan
    }

    fn wake_at(&mut self, at: Instant) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

impl Plan {
    fn launches(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Launch(_))).count()
    }
}

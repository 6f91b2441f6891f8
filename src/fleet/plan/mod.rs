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

use super::{
    Fleet, Group, GroupSpec, Handover, InstanceId, Launch, LaunchOn, Operation, Phase, Reason,
    Repointing, Slot, Spec, Tracked,
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
    /// Tell a forwarder where the backend is.
    Repoint {
        /// The forwarder.
        id: InstanceId,
        /// Where it takes the news.
        control: SocketAddr,
        /// The backend's address.
        to: SocketAddr,
    },
}

/// Why nothing is done although something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// A failed instance waits for its successor to serve.
    AwaitsSuccessor(InstanceId),
}

/// What to do now, why no more, and when to ask again if nothing happens until then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a plan that nobody executes changes nothing"]
pub struct Plan {
    /// In the order in which to begin them.
    pub actions: Vec<Action>,
    /// What is waited for.
    pub holds: Vec<Hold>,
    /// When the plan may differ by the passing of time alone.
    pub wake_at: Option<Instant>,
}

/// What should be done now.
pub fn plan(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut draft = Draft::new(desired, observed, now);
    if desired.operation == Operation::Stopping {
        draft.stop();
        return draft.plan;
    }
    for group in [Group::Backend, Group::Instances] {
        draft.supersede_flapping(group);
        draft.retire(group);
        draft.fill(group);
    }
    draft.repoint();
    draft.plan
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

// === Pointing the forwarders at the backend ===

impl Draft<'_> {
    fn repoint(&mut self) {
        let Some(to) = self.observed.backend_address() else { return };
        for tracked in self.observed.members(Group::Instances) {
            // Also one that failed: it may be well again, or finish the requests that it holds.
            let may_relay = match &tracked.phase {
                Phase::Terminating(..) => false,
                phase => !phase.reason().is_some_and(Reason::is_death),
            };
            let answers = tracked.last_good.is_some() && may_relay;
            let stale = tracked.backend != Some(to) && tracked.repointing == Repointing::Idle;
            if let (true, true, Some(control)) = (answers, stale, tracked.instance.control) {
                let id = tracked.instance.id.clone();
                self.plan.actions.push(Action::Repoint { id, control, to });
            }
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
            backend: self.observed.backend_address(),
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

    fn wake_at(&mut self, at: Instant) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

impl Plan {
    fn launches(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Launch(_))).count()
    }
}

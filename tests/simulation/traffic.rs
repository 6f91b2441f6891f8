//! The requests: where they go, and until when they are in flight.

use std::collections::BTreeMap;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Fleet, Group, InstanceId, Phase};
use cloudaps::pool::Standing;

/// How the data plane is told of an instance; not at all, if it never took traffic.
pub(crate) type StandingOf = fn(&Phase) -> Option<Standing>;

#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) flows: BTreeMap<InstanceId, Flow>,
}

/// What one endpoint has to do.
pub(crate) struct Flow {
    pub(crate) standing: Standing,
    /// When its last request would end.
    pub(crate) busy_until: Instant,
    /// Whether it was said that nothing is in flight there.
    pub(crate) is_quiet: bool,
}

impl Traffic {
    pub(crate) fn follow(&mut self, fleet: &Fleet, standing_of: StandingOf, now: Instant) {
        self.flows.retain(|id, _| fleet.get(id).is_some());
        for tracked in fleet.members(Group::Instances) {
            let id = tracked.instance.id.clone();
            let Some(standing) = standing_of(&tracked.phase) else { continue };
            // Who never took traffic has none to lose.
            if standing != Standing::Serving && !self.flows.contains_key(&id) {
                continue;
            }
            let fresh = Flow { standing, busy_until: now, is_quiet: false };
            let flow = self.flows.entry(id).or_insert(fresh);
            if standing == Standing::Serving {
                flow.is_quiet = false;
            }
            if standing == Standing::Lost {
                // Its requests are cut, and tried elsewhere.
                flow.busy_until = now;
            }
            flow.standing = standing;
        }
    }
}

/// As the controller does it.
pub(crate) fn standing_of(phase: &Phase) -> Option<Standing> {
    match phase {
        Phase::Starting => None,
        Phase::Serving | Phase::Outgoing(_) => Some(Standing::Serving),
        Phase::Draining(reason, _) if reason.may_still_finish() => Some(Standing::Draining),
        Phase::Standby => Some(Standing::Draining),
        Phase::Condemned(_) | Phase::Draining(..) | Phase::Terminating(..) => Some(Standing::Lost),
    }
}

//! The requests: where they go, and until when they are in flight.

use std::collections::BTreeMap;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Fleet, Group, InstanceId, Phase};
use cloudaps::pool::Standing;

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
    pub(crate) fn follow(&mut self, fleet: &Fleet, now: Instant) {
        self.flows.retain(|id, _| fleet.get(id).is_some());
        for tracked in fleet.members(Group::Instances) {
            let standing = match &tracked.phase {
                Phase::Starting => continue,
                Phase::Serving | Phase::Outgoing(_) => Standing::Serving,
                Phase::Draining(reason, _) if reason.may_still_finish() => Standing::Draining,
                Phase::Condemned(_) | Phase::Draining(..) | Phase::Terminating(..) => {
                    Standing::Lost
                }
            };
            let id = tracked.instance.id.clone();
            let fresh = Flow { standing, busy_until: now, is_quiet: false };
            let flow = self.flows.entry(id).or_insert(fresh);
            if standing == Standing::Serving {
                flow.is_quiet = false;
            }
            flow.standing = standing;
        }
    }
}

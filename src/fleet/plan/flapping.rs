//! Who is well and unwell by turns, and has to go although no verdict ever falls.

use std::collections::BTreeSet;

use super::{Action, Draft, Hold};
use crate::fleet::{Group, Handover, Operation, Ownership, Reason, Tracked};

impl Draft<'_> {
    /// Replaces whoever flaps, for which nobody else stands still: it serves until its successor
    /// does. What happens to most of them at once (the machine that they share is overloaded, or
    /// the probes' way is) is not mended by making others.
    pub(super) fn supersede_flapping(&mut self, group: Group) {
        if !self.may_supersede(group) {
            return;
        }
        let spec = self.desired.group(group);
        let limit = spec.thresholds.flapping;
        let flaps = |of: &Tracked| of.phase.is_ready() && of.health.flaps(limit, self.now);
        // As a rule nobody does, and the others need not be counted.
        if !self.observed.members(group).any(flaps) {
            return;
        }
        let (mut ready, mut unsteady, mut flapping) = (0, 0, BTreeSet::new());
        let stays = |of: &&Tracked| of.phase.is_ready() && self.has_place(of);
        for tracked in self.observed.members(group).filter(stays) {
            ready += 1;
            unsteady += usize::from(!tracked.health.is_steady());
            if flaps(tracked) {
                flapping.insert(tracked.instance.id.clone());
            }
        }
        if flapping.is_empty() {
            return;
        }
        // Each of them is compared with the others.
        if 2 * (unsteady - 1) > ready - 1 {
            self.hold(Hold::Shaken(group));
            return;
        }
        let supersede = flapping.iter().cloned();
        let supersede = supersede.map(|id| Action::Supersede(id, Reason::Flapping));
        self.plan.actions.extend(supersede);
        self.superseded = flapping;
        // Their successors are launched by the next plan, which knows.
        self.wake_at(self.now);
    }

    /// Only where a successor can live beside it: who works half of the time is better than nobody.
    fn may_supersede(&self, group: Group) -> bool {
        let spec = self.desired.group(group);
        spec.ownership == Ownership::Owned
            && matches!(spec.handover, Handover::LaunchFirst { surge: 1.. })
            && self.desired.operation == Operation::Active
    }
}

//! Who has to go, and in which order the steps of going come.

use super::{Draft, Hold};
use crate::fleet::{Ending, Flow, Group, Handover, Ownership, Phase, Reason, Tracked};

impl Draft<'_> {
    /// Ends the instances first: as long as one is left it may need the backend.
    pub(super) fn stop(&mut self) {
        let is_left = |group| {
            self.observed.members(group).next().is_some()
                || self.observed.launching().any(|(slot, _)| slot.group == group)
        };
        let group = if is_left(Group::Instances) { Group::Instances } else { Group::Backend };
        for tracked in self.observed.members(group) {
            match &tracked.phase {
                Phase::Terminating(reason, ending) => self.ask_again(tracked, reason, *ending),
                _ => self.terminate(tracked, &Reason::Shutdown),
            }
        }
    }

    pub(super) fn retire(&mut self, group: Group) {
        if self.desired.group(group).ownership == Ownership::Foreign {
            return;
        }
        for tracked in self.observed.members(group) {
            match &tracked.phase {
                Phase::Starting => self.judge_newborn(tracked),
                Phase::Serving => self.judge_place(tracked),
                Phase::Condemned(reason) if reason.is_death() => self.terminate(tracked, reason),
                Phase::Condemned(reason) | Phase::Outgoing(reason) => {
                    self.hand_over(tracked, reason);
                }
                Phase::Draining(reason, flow) => self.finish_drain(tracked, reason, *flow),
                Phase::Terminating(reason, ending) => self.ask_again(tracked, reason, *ending),
            }
        }
    }

    fn judge_newborn(&mut self, tracked: &Tracked) {
        let deadline = tracked.since + self.spec_of(tracked).launch_timeout;
        if self.is_beyond_size(tracked) {
            self.terminate(tracked, &Reason::Surplus);
        } else if self.has_elder(tracked) {
            self.terminate(tracked, &Reason::Duplicate);
        } else if self.now >= deadline {
            self.terminate(tracked, &Reason::NeverServed);
        } else {
            self.wake_at(deadline);
        }
    }

    fn judge_place(&mut self, tracked: &Tracked) {
        if self.is_beyond_size(tracked) {
            self.drain(tracked, &Reason::Surplus);
        } else if self.has_elder(tracked) {
            self.drain(tracked, &Reason::Duplicate);
        }
    }

    /// Launch first, then drain: unless the successor must not exist yet, or none is wanted.
    fn hand_over(&mut self, tracked: &Tracked, reason: &Reason) {
        match self.spec_of(tracked).handover {
            // Whoever relays to it holds the requests; it finishes those that it has by itself.
            Handover::Fenced => self.terminate(tracked, reason),
            Handover::LaunchFirst { .. }
                if self.is_succeeded(tracked) || self.is_beyond_size(tracked) =>
            {
                self.drain(tracked, reason);
            }
            Handover::LaunchFirst { .. } => {
                self.hold(Hold::AwaitsSuccessor(tracked.instance.id.clone()));
            }
        }
    }

    fn finish_drain(&mut self, tracked: &Tracked, reason: &Reason, flow: Flow) {
        let deadline = tracked.since + self.spec_of(tracked).drain_timeout;
        if flow == Flow::Quiet || self.now >= deadline {
            self.terminate(tracked, reason);
        } else {
            self.wake_at(deadline);
        }
    }

    fn ask_again(&mut self, tracked: &Tracked, reason: &Reason, ending: Ending) {
        match ending {
            Ending::Asked => {}
            Ending::AskAgain(at) if self.now >= at => self.terminate(tracked, reason),
            Ending::AskAgain(at) => self.wake_at(at),
        }
    }

    fn is_succeeded(&self, tracked: &Tracked) -> bool {
        self.in_slot(tracked.instance.slot).any(|other| other.phase == Phase::Serving)
    }

    fn is_beyond_size(&self, tracked: &Tracked) -> bool {
        tracked.instance.slot.index >= self.spec_of(tracked).size
    }

    /// Whether somebody else fills the slot and was there first.
    fn has_elder(&self, tracked: &Tracked) -> bool {
        let rank = |tracked: &Tracked| {
            (tracked.phase != Phase::Serving, tracked.since, tracked.instance.id.clone())
        };
        let mut others = self.in_slot(tracked.instance.slot);
        others.any(|other| other.phase.fills_slot() && rank(other) < rank(tracked))
    }
}

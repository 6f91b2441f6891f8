//! Who has to go, and in which order the steps of going come.

use super::lineup::Lineup;
use super::{Draft, Hold};
use crate::fleet::{Ending, Flow, Group, Handover, Ownership, Phase, Reason, Tracked};

impl Draft<'_> {
    /// Ends the instances first: as long as one is left it may need the backend.
    pub(super) fn stop(&mut self) {
        let is_left = |group| {
            self.observed.members(group).next().is_some()
                || self.observed.launching().any(|(slot, _)| slot.group == group)
                || self.observed.unseen.iter().any(|unseen| unseen.group == group)
        };
        let instances_first =
            self.desired.instances.ownership == Ownership::Owned && is_left(Group::Instances);
        let group = if instances_first { Group::Instances } else { Group::Backend };
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
        let lineup = self.line_up(group);
        for tracked in self.observed.members(group) {
            match &tracked.phase {
                Phase::Starting => self.judge_newborn(tracked),
                Phase::Standby | Phase::Serving => self.judge_place(tracked),
                // It does not matter in which slots they are that serve without it.
                Phase::Outgoing(reason) if lineup == Lineup::Complete => {
                    self.drain(tracked, reason);
                }
                Phase::Condemned(reason) if reason.is_death() || *reason == Reason::Ordered => {
                    self.terminate(tracked, reason);
                }
                Phase::Condemned(reason) | Phase::Outgoing(reason) => {
                    self.hand_over(tracked, reason);
                }
                Phase::Draining(reason, flow) => self.finish_drain(tracked, reason, *flow),
                Phase::Terminating(reason, ending) => self.ask_again(tracked, reason, *ending),
            }
        }
    }

    fn judge_newborn(&mut self, tracked: &Tracked) {
        let boots = &self.observed.history[&tracked.instance.slot.group].boots;
        let deadline = tracked.since + boots.deadline(self.spec_of(tracked).launch_timeout);
        if self.is_beyond_slots(tracked) {
            self.end_newborn(tracked, &Reason::Surplus);
        } else if self.is_duplicate_newborn(tracked) {
            self.end_newborn(tracked, &Reason::Duplicate);
        } else if self.now >= deadline {
            self.end_newborn(tracked, &Reason::NeverServed);
        } else {
            self.wake_at(deadline);
        }
    }

    /// Its end can make room for another launch (its slot is empty, it is on trial no longer), and
    /// if it failed that may freeze all of them: the next plan, which knows, is due at once.
    fn end_newborn(&mut self, tracked: &Tracked, reason: &Reason) {
        let planned = self.plan.actions.len();
        self.terminate(tracked, reason);
        if self.plan.actions.len() > planned {
            self.wake_at(self.now);
        }
    }

    fn judge_place(&mut self, tracked: &Tracked) {
        if self.is_beyond_slots(tracked) {
            self.drain(tracked, &Reason::Surplus);
        } else if self.has_elder(tracked) {
            match self.spec_of(tracked).handover {
                Handover::LaunchFirst { .. } => self.drain(tracked, &Reason::Duplicate),
                // A drain would let two write to the same data for as long as it takes.
                Handover::Fenced => self.terminate(tracked, &Reason::Duplicate),
            }
        }
    }

    /// Launch first, then drain: unless the successor must not exist yet, or none is wanted.
    fn hand_over(&mut self, tracked: &Tracked, reason: &Reason) {
        match self.spec_of(tracked).handover {
            // Whoever relays to it holds the requests; it finishes those that it has by itself.
            Handover::Fenced => self.terminate(tracked, reason),
            Handover::LaunchFirst { surge } => {
                // With no room beyond the size, the old one has to make it.
                let in_order = surge > 0 && !self.is_beyond_slots(tracked);
                if in_order && !self.is_outranked(tracked) {
                    self.hold(Hold::AwaitsSuccessor(tracked.instance.id.clone()));
                } else {
                    self.drain(tracked, reason);
                }
            }
        }
    }

    fn finish_drain(&mut self, tracked: &Tracked, reason: &Reason, flow: Flow) {
        let deadline = tracked.since + self.spec_of(tracked).drain_timeout;
        let is_quiet = flow == Flow::Quiet && !self.observed.is_relayed_to(tracked);
        if is_quiet || self.now >= deadline {
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
        let mut others = self.observed.others_in_slot_of(tracked);
        others.any(|other| other.phase.is_ready() && !self.is_doubtful(other))
    }

    /// Whether another in its slot does more for the traffic, or as much and is newer. At most one
    /// in a slot may wait for a successor: if two did, they could take the room that it needs.
    fn is_outranked(&self, tracked: &Tracked) -> bool {
        let rank = |tracked: &Tracked| {
            let standing = match &tracked.phase {
                Phase::Serving => 4,
                Phase::Standby => 3,
                Phase::Outgoing(_) => 2,
                Phase::Condemned(_) => 1,
                Phase::Starting | Phase::Draining(..) | Phase::Terminating(..) => 0,
            };
            (standing, tracked.first_seen, tracked.instance.id.clone())
        };
        self.observed.others_in_slot_of(tracked).any(|other| rank(other) > rank(tracked))
    }

    /// Whether its slot is wanted, and nobody else's.
    pub(super) fn has_place(&self, tracked: &Tracked) -> bool {
        !self.is_beyond_slots(tracked) && !self.has_elder(tracked)
    }

    fn is_beyond_slots(&self, tracked: &Tracked) -> bool {
        tracked.instance.slot.index >= self.spec_of(tracked).slots()
    }

    /// Of two newborns in a slot nobody knows which one is well (after a restart, one of them may
    /// be what the other was to replace): whichever serves first stays. Two that share their data
    /// must not both exist, so there the younger goes at once.
    fn is_duplicate_newborn(&self, tracked: &Tracked) -> bool {
        match self.spec_of(tracked).handover {
            Handover::LaunchFirst { .. } => self.is_succeeded(tracked),
            Handover::Fenced => self.has_elder(tracked),
        }
    }

    /// Whether somebody else fills the slot without doubt and was there first.
    fn has_elder(&self, tracked: &Tracked) -> bool {
        let mut others = self.observed.others_in_slot_of(tracked);
        others.any(|other| {
            let fills = other.phase.fills_slot() && !self.is_doubtful(other);
            fills && other.precedence() < tracked.precedence()
        })
    }
}

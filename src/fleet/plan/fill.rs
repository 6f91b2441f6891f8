//! Which empty slots are filled now, and what keeps the others empty.

use super::{Draft, Hold, LAUNCHING_MAX};
use crate::fleet::budget::Budget;
use crate::fleet::{Group, GroupSpec, Handover, InstanceId, Operation, Ownership, Phase, Slot};

impl Draft<'_> {
    pub(super) fn fill(&mut self, group: Group) {
        let spec = self.desired.group(group);
        if spec.ownership == Ownership::Foreign {
            return;
        }
        let missing: Vec<Slot> = (0..spec.size)
            .map(|index| Slot { group, index })
            .filter(|slot| !self.is_filled(*slot))
            .collect();
        if missing.is_empty() {
            return;
        }
        if self.observed.listed.is_none() {
            self.hold(Hold::Unlisted);
            return;
        }
        self.fill_slots(&missing, group);
    }

    fn fill_slots(&mut self, missing: &[Slot], group: Group) {
        if let Some((cause, until)) = self.observed.history[&group].newborns.frozen(self.now) {
            let cause = cause.to_owned();
            self.hold(Hold::Frozen { group, cause, until });
            self.wake_at(until);
            return;
        }
        let mut draw = self.observed.history[&group].budget.clone();
        let mut begun = 0;
        for slot in missing {
            match self.obstacle(*slot, begun, &draw) {
                Some(hold) => {
                    if let Hold::Budget { until, .. } = &hold {
                        self.wake_at(*until);
                    }
                    self.hold(hold);
                }
                None => {
                    begun += 1;
                    if self.is_replacement(*slot) {
                        draw.spend(self.desired.group(group).replacement_interval, self.now);
                    }
                    self.launch(*slot);
                }
            }
        }
    }

    /// What keeps a slot from being filled now, when `begun` launches are already in this plan.
    fn obstacle(&self, slot: Slot, begun: u32, budget: &Budget) -> Option<Hold> {
        let spec = self.desired.group(slot.group);
        let history = &self.observed.history[&slot.group];
        let launching = self.observed.launches.len() + self.plan.launches();
        if self.desired.operation == Operation::Paused {
            return Some(Hold::Paused(slot));
        }
        if let Some(by) = self.fence(slot, spec) {
            return Some(Hold::Fenced { slot, by });
        }
        if history.newborns.on_trial() && (begun > 0 || self.newborns(slot.group) > 0) {
            return Some(Hold::OnTrial(slot));
        }
        if launching >= LAUNCHING_MAX || self.occupied(slot.group) + begun >= limit(spec) {
            return Some(Hold::Limit(slot));
        }
        if !self.is_replacement(slot) {
            return None;
        }
        let next = budget.next(spec.size, spec.replacement_interval, self.now);
        next.err().map(|until| Hold::Budget { slot, until })
    }

    /// Whoever may still hold what a fenced successor would open.
    fn fence(&self, slot: Slot, spec: &GroupSpec) -> Option<InstanceId> {
        match spec.handover {
            Handover::LaunchFirst { .. } => None,
            Handover::Fenced => {
                self.observed.members(slot.group).next().map(|other| other.instance.id.clone())
            }
        }
    }

    fn is_filled(&self, slot: Slot) -> bool {
        self.in_slot(slot).any(|tracked| tracked.phase.fills_slot())
            || self.observed.launching().any(|(pending, _)| pending == slot)
    }

    fn is_replacement(&self, slot: Slot) -> bool {
        self.observed.history[&slot.group].filled.contains(&slot.index)
    }

    /// The machines of a group that may exist, those on their way included.
    fn occupied(&self, group: Group) -> u32 {
        let existing = self.observed.members(group).filter(|tracked| tracked.phase.occupies());
        let launching = self.observed.launching().filter(|(slot, _)| slot.group == group);
        u32::try_from(existing.count() + launching.count()).unwrap_or(u32::MAX)
    }

    fn newborns(&self, group: Group) -> usize {
        let starting = self.observed.members(group).filter(|of| of.phase == Phase::Starting);
        starting.count() + self.observed.launching().filter(|(slot, _)| slot.group == group).count()
    }
}

/// How many machines of a group may exist at once.
const fn limit(spec: &GroupSpec) -> u32 {
    match spec.handover {
        Handover::LaunchFirst { surge } => spec.size.saturating_add(surge),
        Handover::Fenced => spec.size,
    }
}

//! Which empty slots are filled now, and what keeps the others empty.

use super::{Draft, Hold, LAUNCHING_MAX};
use crate::fleet::budget::Budget;
use crate::fleet::{
    Group, GroupSpec, Handover, InstanceId, Operation, Ownership, Phase, Slot, Unseen,
};

/// How surely somebody fills a slot. Two that are doubtful are enough: there is no third.
const SURE: u8 = 2;
const DOUBTFUL: u8 = 1;

impl Draft<'_> {
    pub(super) fn fill(&mut self, group: Group) {
        let spec = self.desired.group(group);
        if spec.ownership == Ownership::Foreign {
            return;
        }
        let mut missing = self.missing(group);
        // Where somebody still takes traffic can wait longest for a successor.
        missing.sort_by_cached_key(|slot| self.vacancy(*slot));
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
            if missing.iter().any(|slot| self.is_awaited(*slot)) {
                let cause = cause.to_owned();
                self.hold(Hold::Frozen { group, cause, until });
                self.wake_at(until);
            }
            return;
        }
        let mut draw = self.observed.history[&group].budget.clone();
        let mut census = self.census(group);
        for slot in missing {
            match self.obstacle(*slot, &census, &draw) {
                Some(_) if !self.is_awaited(*slot) => {}
                Some(hold) => {
                    if let Hold::Budget { until, .. } = &hold {
                        self.wake_at(*until);
                    }
                    self.hold(hold);
                }
                None => {
                    census.begin();
                    if self.is_replacement(*slot) {
                        draw.spend(self.desired.group(group).replacement_interval, self.now);
                    }
                    self.launch(*slot);
                }
            }
        }
    }

    /// What keeps a slot from being filled now.
    fn obstacle(&self, slot: Slot, census: &Census, budget: &Budget) -> Option<Hold> {
        let spec = self.desired.group(slot.group);
        let history = &self.observed.history[&slot.group];
        if self.desired.operation == Operation::Paused {
            return Some(Hold::Paused(slot));
        }
        if let Some(by) = self.fence(slot, spec) {
            return Some(Hold::Fenced { slot, by });
        }
        if history.newborns.on_trial() && census.newborns > 0 {
            return Some(Hold::OnTrial(slot));
        }
        if census.launching >= LAUNCHING_MAX || census.occupied >= spec.limit() as usize {
            return Some(Hold::Limit(slot));
        }
        if !self.is_replacement(slot) {
            return None;
        }
        let next = budget.next(spec.slots(), spec.replacement_interval, self.now);
        next.err().map(|until| Hold::Budget { slot, until })
    }

    /// Whoever may still hold what a fenced successor would open.
    fn fence(&self, slot: Slot, spec: &GroupSpec) -> Option<InstanceId> {
        match spec.handover {
            Handover::LaunchFirst { .. } => None,
            Handover::Fenced => {
                let seen = self.observed.members(slot.group).map(|of| of.instance.id.clone());
                seen.chain(self.unseen(slot.group).map(Unseen::name)).next()
            }
        }
    }

    /// The slots that nobody fills, now or soon, in their order.
    fn missing(&self, group: Group) -> Vec<Slot> {
        let mut sureties = vec![0_u8; self.desired.group(group).slots() as usize];
        for (index, surety) in self.filled(group) {
            // What is beyond them fills no slot that is wanted.
            if let Some(sum) = sureties.get_mut(index as usize) {
                *sum = sum.saturating_add(surety);
            }
        }
        let missing = (0..).zip(sureties).filter(|(_, surety)| *surety < SURE);
        missing.map(|(index, _)| Slot { group, index }).collect()
    }

    /// Who fills which slot, now or soon, and how surely.
    fn filled(&self, group: Group) -> impl Iterator<Item = (u32, u8)> {
        let by = self.observed.members(group).filter(|tracked| tracked.phase.fills_slot());
        let by = by.map(|tracked| {
            let surety = if self.is_doubtful(tracked) { DOUBTFUL } else { SURE };
            (tracked.instance.slot.index, surety)
        });
        by.chain(self.launching(group).map(|slot| (slot.index, SURE)))
    }

    /// Nobody waits for a successor that may not be needed.
    fn is_awaited(&self, slot: Slot) -> bool {
        self.vacancy(slot) != Vacancy::Doubtful
    }

    fn vacancy(&self, slot: Slot) -> Vacancy {
        let occupants = self.observed.in_slot(slot).map(|tracked| match &tracked.phase {
            Phase::Outgoing(_) => Vacancy::Served,
            phase if phase.fills_slot() => Vacancy::Doubtful,
            _ => Vacancy::Empty,
        });
        occupants.max().unwrap_or(Vacancy::Empty)
    }

    fn is_replacement(&self, slot: Slot) -> bool {
        self.observed.history[&slot.group].filled.contains(&slot.index)
    }

    /// Counts a group once, however many of its slots are to be filled.
    fn census(&self, group: Group) -> Census {
        let launching = self.launching(group).count();
        let mut census = Census {
            launching: self.observed.launches.len() + self.plan.launches(),
            occupied: self.unseen(group).count() + launching,
            newborns: launching,
        };
        for tracked in self.observed.members(group) {
            census.occupied += usize::from(tracked.phase.occupies());
            census.newborns += usize::from(tracked.phase == Phase::Starting);
        }
        census
    }

    fn launching(&self, group: Group) -> impl Iterator<Item = Slot> {
        let slots = self.observed.launching().map(|(slot, _)| slot);
        slots.filter(move |slot| slot.group == group)
    }

    /// The machines of a group that may exist although nobody has seen them.
    fn unseen(&self, group: Group) -> impl Iterator<Item = &Unseen> {
        self.observed.unseen.iter().filter(move |unseen| unseen.group == group)
    }
}

/// How much a slot needs somebody new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Vacancy {
    /// Nobody does its work.
    Empty,
    /// Somebody does until a successor can.
    Served,
    /// Somebody does, and may be about to fail.
    Doubtful,
}

/// How many of a group there are, what this plan launches included.
struct Census {
    /// Launches on their way, those of all groups.
    launching: usize,
    /// Machines that may exist, those on their way and the unseen included.
    occupied: usize,
    /// Those that have not served yet.
    newborns: usize,
}

impl Census {
    /// One more launch is planned.
    fn begin(&mut self) {
        self.launching += 1;
        self.occupied += 1;
        self.newborns += 1;
    }
}

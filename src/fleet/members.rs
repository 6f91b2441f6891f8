//! Who is tracked, found by name, by group and by slot.
//!
//! The index of the slots follows from the instances, and is kept beside them because looking for
//! who is in a slot must not mean looking at the whole fleet: each turn of the controller asks that
//! about every instance.

use std::collections::BTreeMap;

use super::{Group, Instance, InstanceId, Slot, Tracked};

/// Up to so many instances the index is compared with them after each change in a debug build. With
/// more of them the comparisons would cost more than the tests that are about many.
const CHECKED_MAX: usize = 64;

/// Everybody who is tracked, by group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    instances: Members,
    backend: Members,
}

/// Who is in one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    tracked: BTreeMap<InstanceId, Tracked>,
    /// The names of those in each slot that is not empty, in their order.
    slots: BTreeMap<u32, Vec<InstanceId>>,
}

impl Groups {
    pub(super) const fn of(&self, group: Group) -> &Members {
        match group {
            Group::Instances => &self.instances,
            Group::Backend => &self.backend,
        }
    }

    const fn of_mut(&mut self, group: Group) -> &mut Members {
        match group {
            Group::Instances => &mut self.instances,
            Group::Backend => &mut self.backend,
        }
    }

    /// Everybody, one group after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracked> {
        self.instances.iter().chain(self.backend.iter())
    }

    pub(super) fn in_slot(&self, slot: Slot) -> impl Iterator<Item = &Tracked> {
        self.of(slot.group).in_slot(slot.index)
    }

    pub(super) fn others_in_slot_of(&self, tracked: &Tracked) -> impl Iterator<Item = &Tracked> {
        self.of(tracked.instance.slot.group).others_in_slot_of(tracked)
    }

    pub(super) fn get(&self, id: &InstanceId) -> Option<&Tracked> {
        self.instances.get(id).or_else(|| self.backend.get(id))
    }

    /// Everything about it may change but its name and its slot.
    pub(super) fn get_mut(&mut self, id: &InstanceId) -> Option<&mut Tracked> {
        self.instances.get_mut(id).or_else(|| self.backend.get_mut(id))
    }

    pub(super) fn insert(&mut self, tracked: Tracked) {
        self.of_mut(tracked.instance.slot.group).insert(tracked);
    }

    pub(super) fn remove(&mut self, id: &InstanceId) -> Option<Tracked> {
        self.instances.remove(id).or_else(|| self.backend.remove(id))
    }
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    /// All of them, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracked> {
        self.tracked.values().inspect(|_| count_look())
    }

    fn get(&self, id: &InstanceId) -> Option<&Tracked> {
        count_look();
        self.tracked.get(id)
    }

    fn get_mut(&mut self, id: &InstanceId) -> Option<&mut Tracked> {
        count_look();
        self.tracked.get_mut(id)
    }

    /// Those in the slot with this number, in the order of their names.
    fn in_slot(&self, index: u32) -> impl Iterator<Item = &Tracked> {
        self.names(index).iter().filter_map(|id| self.get(id))
    }

    /// The others in its slot. As a rule there are none, and then nobody is looked up.
    fn others_in_slot_of(&self, tracked: &Tracked) -> impl Iterator<Item = &Tracked> {
        let Instance { id, slot, .. } = &tracked.instance;
        self.names(slot.index).iter().filter(move |name| *name != id).filter_map(|id| self.get(id))
    }

    fn insert(&mut self, tracked: Tracked) {
        let Instance { id, slot, .. } = &tracked.instance;
        let names = self.slots.entry(slot.index).or_default();
        if let Err(place) = names.binary_search(id) {
            names.insert(place, id.clone());
        }
        self.tracked.insert(id.clone(), tracked);
        self.check();
    }

    fn remove(&mut self, id: &InstanceId) -> Option<Tracked> {
        let tracked = self.tracked.remove(id)?;
        let index = tracked.instance.slot.index;
        if let Some(names) = self.slots.get_mut(&index) {
            names.retain(|name| name != id);
            if names.is_empty() {
                self.slots.remove(&index);
            }
        }
        self.check();
        Some(tracked)
    }

    fn names(&self, index: u32) -> &[InstanceId] {
        self.slots.get(&index).map_or(&[], Vec::as_slice)
    }

    /// The invariant: the index names each instance in its slot, and nobody else.
    fn check(&self) {
        if cfg!(debug_assertions) && self.len() <= CHECKED_MAX {
            let mut slots: BTreeMap<u32, Vec<InstanceId>> = BTreeMap::new();
            for Instance { id, slot, .. } in self.tracked.values().map(|of| &of.instance) {
                slots.entry(slot.index).or_default().push(id.clone());
            }
            assert_eq!(slots, self.slots, "the index of the slots follows from the instances");
        }
    }
}

/// Counts what an event or a plan costs, in tests only.
fn count_look() {
    #[cfg(test)]
    super::cost::count_look();
}

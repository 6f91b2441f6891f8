//! Tells people what changed: one line per transition, and none for anything else.

use std::collections::{BTreeMap, HashSet};

use crate::clock::Instant;
use crate::fleet::{Change, Hold, Load, Passage, Phase, Slot};

/// What has to be remembered from one line to a later one.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Since when a slot that served does not: a repair is complete when it serves again.
    vacant: BTreeMap<Slot, Instant>,
}

impl Log {
    pub(super) fn transition(&mut self, change: &Change, now: Instant) {
        match change {
            Change::Phase(passage) => self.passage(passage, now),
            Change::Load(id, Load::Shedding) => tracing::warn!("{id}: asks for less traffic"),
            Change::Load(id, Load::Normal) => tracing::info!("{id}: takes its full share again"),
            Change::Backends(id, to) => tracing::info!("{id}: relays to {to}"),
            // What is new shows on the status; it tells nothing of how the instance does.
            Change::Described(_) => {}
            Change::Forgotten(id) => tracing::debug!("{id}: no more"),
        }
    }

    /// New reasons to wait; those that a person has to do something about are warnings.
    pub(super) fn holds(&self, before: &[Hold], holds: &[Hold]) {
        let before: HashSet<&Hold> = before.iter().collect();
        for hold in holds.iter().filter(|hold| !before.contains(hold)) {
            match hold {
                Hold::Frozen { .. } | Hold::Budget { .. } | Hold::Shaken(_) | Hold::Shedding(_) => {
                    tracing::warn!("{hold}");
                }
                _ => tracing::debug!("{hold}"),
            }
        }
    }

    /// Since when the place is vacant that somebody takes: a spare takes the one that has been so
    /// for longest, any other its own.
    fn vacancy(&mut self, taker: &Passage) -> Option<Instant> {
        let slot = match taker.was {
            Some(Phase::Standby) => {
                let group = taker.slot.group;
                let vacant = self.vacant.iter().filter(|(slot, _)| slot.group == group);
                *vacant.min_by_key(|(_, since)| **since)?.0
            }
            _ => taker.slot,
        };
        self.vacant.remove(&slot)
    }

    fn passage(&mut self, passage: &Passage, now: Instant) {
        let Passage { slot, label, was, phase, .. } = passage;
        match phase {
            Phase::Standby => tracing::info!("{slot}: {label} stands by"),
            Phase::Serving => match self.vacancy(passage) {
                Some(since) => {
                    let took = now.since(since).as_millis();
                    tracing::info!("{slot}: {label} serves, {took} ms after the failure");
                }
                None => tracing::info!("{slot}: {label} serves"),
            },
            Phase::Condemned(reason) => {
                if *was == Some(Phase::Serving) {
                    self.vacant.entry(*slot).or_insert(now);
                }
                tracing::warn!("{slot}: {label} is out of the traffic: {reason}");
            }
            Phase::Draining(reason, _) => tracing::info!("{slot}: {label} drains: {reason}"),
            Phase::Starting => tracing::info!("{slot}: {label} starts"),
            Phase::Outgoing(reason) => tracing::info!("{slot}: {label} is to go: {reason}"),
            Phase::Terminating(..) => tracing::debug!("{slot}: {label} is being ended"),
        }
    }
}

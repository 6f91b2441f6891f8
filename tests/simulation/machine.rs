//! A machine of the simulated cloud: what it is, and how it answers.

use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Finding, Group, Instance, Relays, Vitals};

use super::relaying::Relaying;

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It carries our tag.
    Ours,
    /// It runs in the same account, and is none of our business.
    Somebody,
}

/// How it answers once it has booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Well,
    /// It accepts, and says nothing.
    Hung,
    /// Every other answer comes too late.
    Slow,
    /// Well and unwell by turns of this length, and each time unwell in another way.
    Flapping(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) instance: Instance,
    pub(crate) owner: Owner,
    pub(crate) made: Instant,
    /// From when it is `running` and its address is known.
    pub(crate) running_from: Instant,
    /// From when it would answer; never, if it does not boot.
    pub(crate) serves_from: Option<Instant>,
    pub(crate) condition: Condition,
    /// When it is, or was, no more.
    pub(crate) ends: Option<Instant>,
    /// What it does with requests, if it is a forwarder.
    pub(crate) relaying: Relaying,
    /// How long the cloud's listings take to know of its start and of its end.
    pub(crate) lag: Duration,
}

/// Whether listings name machines that are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shows {
    OnlyTheLiving,
    TheGoneToo,
}

impl Machine {
    pub(crate) fn lives(&self, now: Instant) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.owner == Owner::Ours
    }

    pub(crate) fn is_backend(&self) -> bool {
        self.instance.slot.group == Group::Backend
    }

    pub(crate) fn is_forwarder(&self) -> bool {
        self.instance.control.is_some()
    }

    /// What it says of its requests, if it is a forwarder.
    pub(crate) fn news(&self, now: Instant) -> Relays {
        if self.is_forwarder() { self.relaying.news(now) } else { Relays::default() }
    }

    /// Whether requests that it was given come to an end.
    pub(crate) fn answers(&self, now: Instant) -> bool {
        self.lives(now) && self.condition != Condition::Hung
    }

    /// What an honest probe finds.
    pub(crate) fn finding(&self, now: Instant, draw: u32) -> Finding {
        let has_booted = self.serves_from.is_some_and(|from| from <= now);
        if !self.lives(now) || !has_booted {
            // A machine that is gone may be silent, for its address leads nowhere.
            let silent = !self.lives(now) && draw.is_multiple_of(2);
            return if silent { Finding::TimedOut } else { Finding::Refused };
        }
        match self.condition {
            Condition::Hung => Finding::TimedOut,
            Condition::Slow if draw.is_multiple_of(2) => Finding::TimedOut,
            Condition::Flapping(turn) => {
                let turns = now.since_start().as_millis() / turn.as_millis().max(1);
                let unwell = [Finding::TimedOut, Finding::Failed(500), Finding::Refused];
                if turns.is_multiple_of(2) {
                    Finding::Well
                } else {
                    unwell[draw as usize % unwell.len()]
                }
            }
            Condition::Well | Condition::Slow => match draw % 8 {
                0 => Finding::Shedding,
                _ => Finding::Well,
            },
        }
    }

    /// As a listing shows it that is as old as `as_of`, if it does.
    pub(crate) fn listed(&self, as_of: Instant, shows: Shows) -> Option<Instance> {
        let knows_its_end = self.ends.is_some_and(|ends| ends + self.lag <= as_of);
        let vitals = match (knows_its_end, shows) {
            (true, Shows::OnlyTheLiving) => return None,
            (true, Shows::TheGoneToo) => Vitals::Gone("terminated".to_owned()),
            (false, _) if as_of < self.running_from => Vitals::Pending,
            (false, _) => Vitals::Running,
        };
        (self.made + self.lag <= as_of).then(|| self.described(vitals))
    }

    /// As the cloud describes it; without an address until it runs.
    pub(crate) fn described(&self, vitals: Vitals) -> Instance {
        let mut instance = Instance { vitals, ..self.instance.clone() };
        if instance.vitals == Vitals::Pending {
            instance.address = None;
            instance.control = None;
        }
        instance
    }
}

//! What the control plane counts: its calls, its probes, and what became of the incidents. It is
//! done a few times a second, by one thread, so that a lock costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fleet::{Finding, Group};
use crate::incidents::{Cause, Milestone, Outcome};
use crate::metrics::Distribution;
use crate::provider::Fault;

/// What the provider is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// To tell what exists.
    List,
    /// To make an instance.
    Launch,
    /// To end one.
    Terminate,
}

/// How a call to the provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Well.
    Ok,
    /// It has no room.
    Capacity,
    /// It was asked too often.
    Throttled,
    /// It refuses.
    Denied,
    /// It did not answer properly.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
}

/// Sums since this `up` began.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Calls to the provider.
    pub calls: BTreeMap<(Verb, Ending), u64>,
    /// How long they took.
    pub call_times: BTreeMap<Verb, Distribution>,
    /// Instances that were asked for.
    pub launches: BTreeMap<Group, u64>,
    /// Probes, by [`probe_name`].
    pub probes: BTreeMap<&'static str, u64>,
    /// How long they took.
    pub probe_times: Distribution,
    /// Incidents that began.
    pub incidents: BTreeMap<Cause, u64>,
    /// Incidents that are over, by [`Outcome::name`].
    pub ended: BTreeMap<&'static str, u64>,
    /// How long the repairs among them took.
    pub repairs: BTreeMap<Group, Distribution>,
}

/// Where it is counted, and read.
#[derive(Clone, Debug, Default)]
pub struct Counting(Arc<Mutex<Counts>>);

impl Verb {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::List, Self::Launch, Self::Terminate];

    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Launch => "launch",
            Self::Terminate => "terminate",
        }
    }
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Capacity,
        Self::Throttled,
        Self::Denied,
        Self::Unavailable,
        Self::TimedOut,
    ];

    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Capacity => "capacity",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
        }
    }
}

impl From<Fault> for Ending {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Capacity => Self::Capacity,
            Fault::Throttled => Self::Throttled,
            Fault::Denied => Self::Denied,
            Fault::Unavailable => Self::Unavailable,
        }
    }
}

/// The names of all that a probe can find.
pub const PROBE_NAMES: [&str; 6] =
    ["well", "leaving", "shedding", "refused", "timed_out", "failed"];

/// What a probe found, in one word.
#[must_use]
pub const fn probe_name(finding: Finding) -> &'static str {
    match finding {
        Finding::Well => "well",
        Finding::Leaving => "leaving",
        Finding::Shedding => "shedding",
        Finding::Refused => "refused",
        Finding::TimedOut => "timed_out",
        Finding::Failed(_) => "failed",
    }
}

impl Counting {
    /// What was counted until now.
    #[must_use]
    pub fn read(&self) -> Counts {
        self.lock().clone()
    }

    pub(super) fn called(&self, verb: Verb, ending: Ending, time: Duration) {
        let mut counts = self.lock();
        *counts.calls.entry((verb, ending)).or_default() += 1;
        counts.call_times.entry(verb).or_default().add(time);
    }

    pub(super) fn launching(&self, group: Group) {
        *self.lock().launches.entry(group).or_default() += 1;
    }

    pub(super) fn probed(&self, finding: Finding, time: Duration) {
        let mut counts = self.lock();
        *counts.probes.entry(probe_name(finding)).or_default() += 1;
        counts.probe_times.add(time);
    }

    pub(super) fn reached(&self, milestone: &Milestone) {
        let mut counts = self.lock();
        match *milestone {
            Milestone::Began(cause) => *counts.incidents.entry(cause).or_default() += 1,
            Milestone::Ended(slot, outcome) => {
                *counts.ended.entry(outcome.name()).or_default() += 1;
                if let Outcome::Repaired(after) = outcome {
                    counts.repairs.entry(slot.group).or_default().add(after);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What is desired: how many of each group, and the limits within which to get there.

use std::fmt;
use std::time::Duration;

use super::Group;

/// The desired fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The machines that traffic is balanced over.
    pub instances: GroupSpec,
    /// The machine behind them; size 0 when the instances need none.
    pub backend: GroupSpec,
    /// Whether the operator lets us act.
    pub operation: Operation,
}

impl Spec {
    /// The part of the specification that is about `group`.
    #[must_use]
    pub const fn group(&self, group: Group) -> &GroupSpec {
        match group {
            Group::Instances => &self.instances,
            Group::Backend => &self.backend,
        }
    }
}

/// Whether the operator lets us act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Launch and end instances as the plan says.
    Active,
    /// Launch nothing, and end nothing that the operator did not name.
    Paused,
    /// End everything: the forwarders first, then what they relay to.
    Stopping,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
        })
    }
}

/// The desired state of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    /// How many instances take traffic.
    pub size: u32,
    /// How many more are ready to step in for them. None where instances share their data.
    pub standby: u32,
    /// Whether we may make and end its machines.
    pub ownership: Ownership,
    /// In which order an instance and its successor live.
    pub handover: Handover,
    /// What it takes to launch a successor.
    pub launch_on: LaunchOn,
    /// How long a newborn has until its first good probe, at the most: once enough have served,
    /// their times say what is long.
    pub launch_timeout: Duration,
    /// How long requests in flight have before their instance is ended all the same.
    pub drain_timeout: Duration,
    /// For how long after a launch or an end a listing may be too old to know of it.
    pub settle: Duration,
    /// How much evidence a verdict takes.
    pub thresholds: Thresholds,
    /// One more replacement is allowed per interval, after `size` at once.
    pub replacement_interval: Duration,
}

impl GroupSpec {
    /// How many places there are: one for each that takes traffic, and one for each spare. Spares
    /// for nobody are none.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        if self.size == 0 { 0 } else { self.size.saturating_add(self.standby) }
    }

    /// How many of its machines may exist at once.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        match self.handover {
            Handover::LaunchFirst { surge } => self.slots().saturating_add(surge),
            Handover::Fenced => self.slots(),
        }
    }
}

/// Whether we may make and end a group's machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// They are ours.
    Owned,
    /// They exist without us (provider `static`): probed and ejected, never launched or ended.
    Foreign,
}

/// In which order an instance and its successor live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// The successor serves before the old one goes; at most `surge` machines beyond the slots.
    LaunchFirst {
        /// How many machines may exist beyond one for each slot.
        surge: u32,
    },
    /// The old one is known to be gone before the successor is launched: they share their data.
    Fenced,
}

/// What it takes to launch a successor, where it may live beside its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchOn {
    /// That an instance failed.
    Verdict,
    /// That it may have: a successor that turns out not to be needed is ended.
    Suspicion,
}

/// How many probes in a row a verdict takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Good ones until a newborn takes traffic.
    pub healthy: u32,
    /// Refused connections until an instance counts as dead.
    pub refused: u32,
    /// Timeouts, or answers that say it is unwell, until it is replaced.
    pub unresponsive: u32,
    /// How long one may be well and unwell by turns until it is replaced.
    pub flapping: Duration,
}

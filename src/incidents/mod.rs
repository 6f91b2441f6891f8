//! What failed, why, and how it was repaired: one timeline per replacement.
//!
//! [`Incidents`] is a fold. The controller tells it what it sees (signs of failure, launches,
//! changes of the fleet), and it keeps one [`Incident`] per slot that does not serve, until it
//! does. It decides nothing, and nothing that heals waits for it. Pure: time is an argument.

mod fold;
mod record;
mod repair;

use std::fmt;
use std::time::Duration;

pub use fold::{Incidents, Milestone, Moment, Snapshot};
pub use record::{BadRecord, Party, Record, StepRecord, StepsRecord};
pub use repair::Repairs;

use crate::fleet::{InstanceId, Reason, Slot};

/// How many incidents are kept: months of a quiet fleet, and the whole story of a day on which
/// every instance of a large one was replaced.
pub const KEPT_MAX: usize = 1000;

/// Names an incident. Counts up, across restarts too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// A slot lost whoever filled it; what was seen, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// Which slot.
    pub slot: Slot,
    /// Why it had to be replaced.
    pub cause: Cause,
    /// What was seen, in the order in which it was.
    pub evidence: Vec<String>,
    /// Who filled the slot.
    pub lost: Who,
    /// Who fills it next, once there is somebody.
    pub successor: Option<Who>,
    /// When the first sign of it was seen, as the time since 1970: the zero of all that follows.
    pub detected: Duration,
    /// What was done when.
    pub steps: Steps,
    /// How many launches it took.
    pub launches: u32,
    /// What became of it.
    pub outcome: Outcome,
}

/// An instance, as people look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The provider's name.
    pub id: InstanceId,
    /// Such as `pid 4242`.
    pub label: String,
}

/// Why an instance was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its process exited, or its machine is not running.
    Gone,
    /// It refused connections.
    Refused,
    /// Its health check did not answer in time.
    Unresponsive,
    /// Its health check answered with an error.
    Unhealthy,
    /// It was well and unwell by turns.
    Flapping,
    /// Its machine was about to be taken from us.
    Reclaimed,
    /// It did not serve in time.
    NeverServed,
    /// Nothing failed: the operator asked for it.
    Ordered,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Gone,
        Self::Refused,
        Self::Unresponsive,
        Self::Unhealthy,
        Self::Flapping,
        Self::Reclaimed,
        Self::NeverServed,
        Self::Ordered,
    ];

    /// What makes a slot lose its instance; `None` for ends that leave nothing to repair.
    #[must_use]
    pub const fn of(reason: &Reason) -> Option<Self> {
        match reason {
            Reason::Gone(_) => Some(Self::Gone),
            Reason::Refused => Some(Self::Refused),
            Reason::Unresponsive => Some(Self::Unresponsive),
            Reason::Unhealthy(_) => Some(Self::Unhealthy),
            Reason::Flapping => Some(Self::Flapping),
            Reason::Reclaimed => Some(Self::Reclaimed),
            Reason::NeverServed => Some(Self::NeverServed),
            Reason::Ordered => Some(Self::Ordered),
            Reason::Surplus | Reason::Duplicate | Reason::Revenant | Reason::Shutdown => None,
        }
    }

    /// The cause in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Unresponsive => "unresponsive",
            Self::Unhealthy => "unhealthy",
            Self::Flapping => "flapping",
            Self::Reclaimed => "reclaimed",
            Self::NeverServed => "never_served",
            Self::Ordered => "ordered",
        }
    }
}

/// The way from the first sign to an instance that serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The instance was taken out of the traffic.
    pub ejected: Step,
    /// The provider was asked for a successor, for the first time.
    pub launch_sent: Step,
    /// The provider says that the successor runs.
    pub running: Step,
    /// A probe of the successor was accepted. The port opened after the probe before that one,
    /// which was refused: probes of a newborn follow one another within milliseconds.
    pub port_open: Step,
    /// The successor answered a probe well.
    pub first_2xx: Step,
    /// The slot is in the traffic again.
    pub serving: Step,
}

/// When a step was taken, as the time after the first sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Not yet.
    #[default]
    Awaited,
    /// Then.
    At(Duration),
    /// It was taken while no `up` was watching, so that nobody knows when.
    Unseen,
    /// It was not needed: the instance recovered, or another one stood ready.
    Skipped,
}

impl Step {
    /// When, if that is known.
    #[must_use]
    pub const fn at(self) -> Option<Duration> {
        match self {
            Self::At(after) => Some(after),
            Self::Awaited | Self::Unseen | Self::Skipped => None,
        }
    }

    /// Takes the step, unless it was taken before.
    fn take(&mut self, after: Duration) {
        if *self == Self::Awaited {
            *self = Self::At(after);
        }
    }

    /// Says why it was not taken, unless it was.
    fn miss(&mut self, why: Self) {
        if *self == Self::Awaited {
            *self = why;
        }
    }
}

/// What became of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The slot does not serve yet.
    Open,
    /// A successor serves, so long after the first sign.
    Repaired(Duration),
    /// A successor serves; nothing had failed, the operator had asked for it.
    Ordered(Duration),
    /// The instance itself is well again, and was not replaced.
    Recovered(Duration),
    /// Nobody tries any more.
    GivenUp(Duration, Surrender),
}

impl Outcome {
    /// The names of all but the first: how an incident can end.
    pub const ENDS: [&str; 5] = ["repaired", "ordered", "recovered", "unwanted", "stopped"];

    /// The outcome in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Repaired(_) => "repaired",
            Self::Ordered(_) => "ordered",
            Self::Recovered(_) => "recovered",
            Self::GivenUp(_, Surrender::Unwanted) => "unwanted",
            Self::GivenUp(_, Surrender::Stopped) => "stopped",
        }
    }

    /// When it was over, as the time after the first sign.
    #[must_use]
    pub const fn over(self) -> Option<Duration> {
        match self {
            Self::Open => None,
            Self::Repaired(after)
            | Self::Ordered(after)
            | Self::Recovered(after)
            | Self::GivenUp(after, _) => Some(after),
        }
    }
}

/// Why a slot was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surrender {
    /// The fleet was scaled down below it.
    Unwanted,
    /// Everything was stopped.
    Stopped,
}

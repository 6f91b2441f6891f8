//! An instance's life, and the only ways through it.

use std::fmt;

use crate::clock::Instant;

/// Where an instance is in its life.
///
/// ```text
///            first good probe        replaced by order
/// Starting ───────────────► Serving ───────────────► Outgoing
///    │                         │ ▲                       │ successor serves
///    │ never served            │ │ well again,           ▼
///    │            failed probes│ │ not yet replaced   Draining
///    │                         ▼ │                       │ quiet, or deadline passed
///    └──────────────────► Condemned ────────────────► Terminating ──► forgotten
///                                  dead, or fenced
/// ```
///
/// In a group with spares, who passes its probes is `Standby` first. From there it is promoted to
/// `Serving` when one is missing, and it comes back when there is one too many. It fails and it is
/// drained like one that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Exists, and has not answered a probe yet.
    Starting,
    /// Passed its probes, and takes no traffic until one that serves is missing.
    Standby,
    /// Takes traffic.
    Serving,
    /// Takes traffic until its successor does.
    Outgoing(Reason),
    /// Takes no traffic: it failed. Ended at once, or as soon as its successor serves.
    Condemned(Reason),
    /// Takes no new requests; those in flight may end.
    Draining(Reason, Flow),
    /// Being ended.
    Terminating(Reason, Ending),
}

/// Whether requests are still in flight on a draining instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Some may be.
    InFlight,
    /// None is.
    Quiet,
}

/// How far a termination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The provider was asked.
    Asked,
    /// The provider failed; ask again from this instant.
    AskAgain(Instant),
}

/// Why an instance has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The process exited or the machine is not running; the text says how.
    Gone(String),
    /// It refuses connections.
    Refused,
    /// Its own health check does not answer in time.
    Unresponsive,
    /// Its own health check answers with an error of its own.
    Unhealthy(u16),
    /// It is well and unwell by turns.
    Flapping,
    /// Its machine is about to be taken from us.
    Reclaimed,
    /// It did not pass a probe in time: see `launch_timeout`.
    NeverServed,
    /// It is beyond the desired size.
    Surplus,
    /// Its slot is filled by another.
    Duplicate,
    /// It was ended before, and is back.
    Revenant,
    /// The operator asked for it.
    Ordered,
    /// Everything is being stopped.
    Shutdown,
}

impl Reason {
    /// The reason in one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Gone(_) => "gone",
            Self::Refused => "refused",
            Self::Unresponsive => "unresponsive",
            Self::Unhealthy(_) => "unhealthy",
            Self::Flapping => "flapping",
            Self::Reclaimed => "reclaimed",
            Self::NeverServed => "never_served",
            Self::Surplus => "surplus",
            Self::Duplicate => "duplicate",
            Self::Revenant => "revenant",
            Self::Ordered => "ordered",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether nothing can be left of the service: no request can be in flight, no drain is due.
    #[must_use]
    pub const fn is_death(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::Refused | Self::NeverServed | Self::Revenant)
    }

    /// Whether it might answer a request that nobody else can: only its probes failed.
    #[must_use]
    pub const fn may_still_answer(&self) -> bool {
        matches!(self, Self::Unresponsive | Self::Unhealthy(_) | Self::Flapping)
    }

    /// Whether requests that it has begun can be expected to end well.
    #[must_use]
    pub const fn may_still_finish(&self) -> bool {
        matches!(
            self,
            Self::Flapping
                | Self::Reclaimed
                | Self::Surplus
                | Self::Duplicate
                | Self::Ordered
                | Self::Shutdown
        )
    }

    /// Whether the machine itself no longer exists.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(how) => write!(formatter, "gone: {how}"),
            Self::Refused => formatter.write_str("refuses connections"),
            Self::Unresponsive => formatter.write_str("does not answer its health check"),
            Self::Unhealthy(status) => write!(formatter, "its health check answers {status}"),
            Self::Flapping => formatter.write_str("is well and unwell by turns"),
            Self::Reclaimed => formatter.write_str("its machine is about to be taken from us"),
            Self::NeverServed => formatter.write_str("did not serve in time"),
            Self::Surplus => formatter.write_str("beyond the desired size"),
            Self::Duplicate => formatter.write_str("its slot is filled by another"),
            Self::Revenant => formatter.write_str("was replaced, and came back"),
            Self::Ordered => formatter.write_str("ordered by the operator"),
            Self::Shutdown => formatter.write_str("everything is being stopped"),
        }
    }
}

/// What happens to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It passed its probes, where there are no spares.
    Passed,
    /// It passed its probes, and whether it is needed is the plan's to say.
    Readied,
    /// It is needed.
    Promote,
    /// It is no longer needed.
    Demote,
    /// A successor is to be launched while it serves on.
    Supersede(Reason),
    /// It failed.
    Fail(Reason),
    /// Its traffic is to end.
    Drain(Reason),
    /// Its last request ended.
    Quiet,
    /// The provider is asked to end it.
    Terminate(Reason),
    /// The provider could not end it.
    EndingFailed { again: Instant },
    /// The operator wants it back.
    Readmit,
}

impl Phase {
    /// The phase after `step`. A step that no longer applies (a probe's answer that arrives
    /// after the verdict) leaves the phase as it is.
    ///
    /// # Panics
    /// On a step that the plan must not make, such as draining what is being ended.
    #[must_use]
    pub(super) fn after(self, step: Step) -> Self {
        match (self, step) {
            (Self::Starting | Self::Serving | Self::Condemned(_), Step::Passed)
            | (Self::Standby, Step::Promote) => Self::Serving,
            (Self::Starting | Self::Condemned(_), Step::Readied)
            | (Self::Serving, Step::Demote) => Self::Standby,
            (Self::Serving, Step::Supersede(reason)) => Self::Outgoing(reason),
            // It takes no traffic that it could go on taking.
            (Self::Standby, Step::Supersede(reason))
            | (
                Self::Starting | Self::Standby | Self::Serving | Self::Outgoing(_),
                Step::Fail(reason),
            ) => Self::Condemned(reason),
            // A machine that is gone cannot be drained: no deadline needs to be awaited.
            (Self::Condemned(_) | Self::Draining(..), Step::Fail(reason)) if reason.is_gone() => {
                Self::Condemned(reason)
            }
            (
                Self::Standby | Self::Serving | Self::Outgoing(_) | Self::Condemned(_),
                Step::Drain(reason),
            ) => Self::Draining(reason, Flow::InFlight),
            (Self::Draining(reason, _), Step::Quiet) => Self::Draining(reason, Flow::Quiet),
            (_, Step::Terminate(reason)) => Self::Terminating(reason, Ending::Asked),
            (Self::Terminating(reason, _), Step::EndingFailed { again }) => {
                Self::Terminating(reason, Ending::AskAgain(again))
            }
            (phase @ (Self::Starting | Self::Terminating(..)), Step::Drain(reason)) => {
                panic!("planned to drain ({reason}) an instance that is {phase}")
            }
            (_, Step::Readmit) => Self::Starting,
            (
                phase,
                Step::Passed
                | Step::Readied
                | Step::Promote
                | Step::Demote
                | Step::Supersede(_)
                | Step::Drain(_)
                | Step::Fail(_)
                | Step::Quiet
                | Step::EndingFailed { .. },
            ) => phase,
        }
    }

    /// The names of all of them.
    pub const NAMES: [&str; 7] =
        ["starting", "standby", "serving", "outgoing", "condemned", "draining", "terminating"];

    /// Why it has to go, if it has to.
    #[must_use]
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Starting | Self::Standby | Self::Serving => None,
            Self::Outgoing(reason)
            | Self::Condemned(reason)
            | Self::Draining(reason, _)
            | Self::Terminating(reason, _) => Some(reason),
        }
    }

    /// The phase in one word, one of [`Phase::NAMES`].
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Serving => "serving",
            Self::Outgoing(_) => "outgoing",
            Self::Condemned(_) => "condemned",
            Self::Draining(..) => "draining",
            Self::Terminating(..) => "terminating",
        }
    }

    /// Whether the instance fills its slot, now or soon.
    #[must_use]
    pub const fn fills_slot(&self) -> bool {
        matches!(self, Self::Starting) || self.is_ready()
    }

    /// Whether it passed its probes and nothing is decided against it: it takes traffic, or could.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Standby | Self::Serving)
    }

    /// Whether its machine may still exist, and so counts against the limits.
    #[must_use]
    pub fn occupies(&self) -> bool {
        !self.reason().is_some_and(Reason::is_gone)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

//! How a plan reads.

use std::fmt;

use super::{Action, Hold};

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch(launch) => write!(formatter, "launch {}", launch.slot),
            Self::Drain(id, reason) => write!(formatter, "drain {id}: {reason}"),
            Self::Terminate(id, reason) => write!(formatter, "terminate {id}: {reason}"),
            Self::Supersede(id, reason) => write!(formatter, "supersede {id}: {reason}"),
            Self::Promote(id) => write!(formatter, "promote {id}"),
            Self::Demote(id) => write!(formatter, "demote {id}"),
            Self::Repoint { id, to, .. } => write!(formatter, "repoint {id} to {to}"),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted => formatter.write_str("waits for the provider's first list"),
            Self::Paused(slot) => write!(formatter, "{slot}: paused by the operator"),
            Self::Frozen { group, cause, until } => {
                write!(formatter, "{} launches are frozen until {until}: {cause}", group.name())
            }
            Self::OnTrial(slot) => write!(formatter, "{slot}: waits for the newborn on trial"),
            Self::Budget { slot, until } => {
                write!(formatter, "{slot}: too many replacements, the next at {until}")
            }
            Self::Limit(slot) => write!(formatter, "{slot}: as many machines exist as may"),
            Self::Fenced { slot, by } => write!(formatter, "{slot}: {by} is not known to be gone"),
            Self::Shaken(group) => {
                let group = group.name();
                write!(formatter, "{group}: most are well and unwell by turns, so none is to blame")
            }
            Self::Shedding(group) => {
                let group = group.name();
                write!(formatter, "{group}: all answer 503 when asked, as a successor would")
            }
            Self::AwaitsSuccessor(id) => {
                write!(formatter, "{id}: waits until its successor serves")
            }
        }
    }
}

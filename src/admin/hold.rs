//! What the controller waits for, as the admin API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::row::seconds;
use crate::clock::Instant;
use crate::controller::Status;
use crate::fleet;

/// Something that the controller waits for, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// In one word: `unlisted`, `paused`, `frozen`, `on_trial`, `budget`, `limit`, `fenced`,
    /// `shaken`, `shedding`, `awaits_successor` or `slow_probes`.
    pub kind: String,
    /// The slot that waits, if it is one: `instance-0`.
    pub slot: Option<String>,
    /// All slots of this group wait: `instance` or `backend`.
    pub group: Option<String>,
    /// The instance that waits or that is waited for.
    pub instance: Option<String>,
    /// What brought it about, in the words of who saw it.
    pub cause: Option<String>,
    /// In so many seconds it ends by itself, if that is known.
    pub ends_in_seconds: Option<f64>,
    /// All of it, in words for people.
    pub text: String,
}

impl Hold {
    /// What all of a status waits for.
    pub(super) fn all(status: &Status, now: Instant) -> Vec<Self> {
        let holds = status.holds.iter().map(|hold| Self::new(hold, now));
        let slow = status.slow_probes.iter().map(|text| Self::of("slow_probes", text.clone()));
        holds.chain(slow).collect()
    }

    fn of(kind: &str, text: String) -> Self {
        Self {
            kind: kind.to_owned(),
            slot: None,
            group: None,
            instance: None,
            cause: None,
            ends_in_seconds: None,
            text,
        }
    }

    fn new(hold: &fleet::Hold, now: Instant) -> Self {
        use fleet::Hold as Of;
        let plain = |kind| Self::of(kind, hold.to_string());
        let in_slot =
            |kind, slot: &fleet::Slot| Self { slot: Some(slot.to_string()), ..plain(kind) };
        let in_group = |kind, group: fleet::Group| Self {
            group: Some(group.name().to_owned()),
            ..plain(kind)
        };
        let until = |until: Instant| Some(seconds(until.since(now)));
        match hold {
            Of::Unlisted => plain("unlisted"),
            Of::Paused(slot) => in_slot("paused", slot),
            Of::Frozen { group, cause, until: end } => Self {
                cause: Some(cause.clone()),
                ends_in_seconds: until(*end),
                ..in_group("frozen", *group)
            },
            Of::OnTrial(slot) => in_slot("on_trial", slot),
            Of::Budget { slot, until: end } => {
                Self { ends_in_seconds: until(*end), ..in_slot("budget", slot) }
            }
            Of::Limit(slot) => in_slot("limit", slot),
            Of::Fenced { slot, by } => {
                Self { instance: Some(by.to_string()), ..in_slot("fenced", slot) }
            }
            Of::Shaken(group) => in_group("shaken", *group),
            Of::Shedding(group) => in_group("shedding", *group),
            Of::AwaitsSuccessor(id) => {
                Self { instance: Some(id.to_string()), ..plain("awaits_successor") }
            }
        }
    }
}

//! What failed and how it was repaired, as the admin API tells it. Fields are added, never renamed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::incidents::{Incident, Record, Repairs};

/// The answer to `GET /v1/incidents`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The newest ones, oldest first.
    pub incidents: Vec<Record>,
    /// How long the repairs among them took; `null` if there is none. What the operator ordered
    /// is no repair.
    pub repairs: Option<RepairTimes>,
}

/// How long repairs took, from the first sign of a failure until the slot served again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepairTimes {
    /// How many there were.
    pub count: usize,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer, in milliseconds.
    pub p99_ms: f64,
}

impl Timeline {
    /// The last so many.
    pub(super) fn new(incidents: &[Arc<Incident>], last: usize) -> Self {
        let shown = &incidents[incidents.len().saturating_sub(last)..];
        Self {
            incidents: shown.iter().map(|incident| Record::from(&**incident)).collect(),
            repairs: Repairs::of(shown.iter().map(|incident| &**incident)).map(RepairTimes::from),
        }
    }
}

impl From<Repairs> for RepairTimes {
    fn from(repairs: Repairs) -> Self {
        let millis = |time: std::time::Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Self { count: repairs.count, p50_ms: millis(repairs.p50), p99_ms: millis(repairs.p99) }
    }
}

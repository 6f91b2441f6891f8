//! One line of the fleet's table, as the admin API shows it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::address::Address;
use crate::clock::Instant;
use crate::controller::{self, Beat, probe_name};
use crate::fleet::{Finding, Reason};

/// What takes traffic, in the words of [`Row::state`].
pub(super) const SERVING: &str = "serving";
/// The state of a slot with nobody in it.
const EMPTY: &str = "empty";

/// One line of the fleet's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Row {
    /// The place, such as `instance-0`.
    pub slot: String,
    /// `starting`, `standby`, `serving`, `outgoing`, `condemned`, `draining`, `terminating`; or
    /// `empty`.
    pub state: String,
    /// Who is in it; nobody if it is `empty`.
    pub occupant: Option<Occupant>,
}

/// Who is in a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Occupant {
    /// The provider's name; never used twice.
    pub id: String,
    /// What a person would look for, such as `pid 4242`.
    pub label: String,
    /// The number of its process, if it is a process on this machine.
    pub pid: Option<u32>,
    /// Where it serves.
    #[schema(value_type = Option<String>)]
    pub address: Option<Address>,
    /// Where it relays to, if it is a forwarder; the first of `backends`.
    #[schema(value_type = Option<String>)]
    pub backend: Option<SocketAddr>,
    /// Everywhere that it relays to.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub backends: BTreeSet<SocketAddr>,
    /// Why it has to go, if it has to, in words for people.
    pub reason: Option<String>,
    /// The same in one word: `gone`, `refused`, `unresponsive`, `unhealthy`, `flapping`,
    /// `reclaimed`, `never_served`, `surplus`, `duplicate`, `revenant`, `ordered` or `shutdown`.
    #[serde(default)]
    pub cause: Option<String>,
    /// For how long it has been in its state.
    pub since_seconds: f64,
    /// When it was launched: RFC 3339, in UTC.
    pub launched_at: String,
    /// The how-manyeth it is in its slot since this `cloudaps up` began.
    #[serde(default)]
    pub generation: u32,
    /// What its last probe found; nothing if it was not probed yet.
    #[serde(default)]
    pub last_probe: Option<LastProbe>,
    /// Its requests in flight now; none if it takes no traffic from the balancer.
    pub in_flight: Option<u32>,
}

/// What the last probe of an instance found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastProbe {
    /// `well`, `shedding` (it asked for less), `refused`, `timed_out` or `failed`.
    pub finding: String,
    /// With which status, if it `failed`; none, if the answer was not understood.
    pub status: Option<u16>,
    /// How long the answer took, in milliseconds.
    pub took_ms: f64,
    /// How many seconds ago that was.
    pub ago_seconds: f64,
}

impl Row {
    pub(super) fn new(row: &controller::Row, now: Instant) -> Self {
        let occupant = row.occupant.as_ref();
        Self {
            slot: row.slot.to_string(),
            state: occupant.map_or(EMPTY, |occupant| occupant.phase).to_owned(),
            occupant: occupant.map(|occupant| Occupant::new(occupant, now)),
        }
    }
}

impl Occupant {
    fn new(occupant: &controller::Occupant, now: Instant) -> Self {
        let launched = humantime::format_rfc3339_millis(UNIX_EPOCH + occupant.launched);
        let beat = occupant.pulse.as_ref().and_then(|pulse| pulse.last());
        Self {
            id: occupant.id.clone(),
            label: occupant.label.clone(),
            pid: occupant.label.strip_prefix("pid ").and_then(|number| number.parse().ok()),
            address: occupant.address.clone(),
            backend: occupant.backends.first().copied(),
            backends: occupant.backends.clone(),
            reason: occupant.reason.as_ref().map(Reason::to_string),
            cause: occupant.reason.as_ref().map(|reason| reason.name().to_owned()),
            since_seconds: seconds(now.since(occupant.since)),
            launched_at: launched.to_string(),
            generation: occupant.generation,
            last_probe: beat.map(|beat| LastProbe::new(beat, now)),
            in_flight: occupant.in_flight(),
        }
    }
}

impl LastProbe {
    fn new(beat: Beat, now: Instant) -> Self {
        let status = match beat.finding {
            // 0 stands for an answer that was not understood.
            Finding::Failed(status) if status != 0 => Some(status),
            Finding::Failed(_)
            | Finding::Well
            | Finding::Leaving
            | Finding::Shedding
            | Finding::Refused
            | Finding::TimedOut => None,
        };
        Self {
            finding: probe_name(beat.finding).to_owned(),
            status,
            took_ms: seconds(beat.took * 1000),
            ago_seconds: seconds(now.since(beat.at)),
        }
    }
}

/// With three digits: more of them say nothing.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

//! The fleet as the admin API shows it: the documented, serialisable twin of the controller's
//! [`Status`]. Fields are added, never renamed; readers ignore those that they do not know.

use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::clock::Instant;
use crate::controller::{self, Status};
use crate::fleet::{Group, Ownership};

/// What takes traffic, in the words of [`Row::state`].
const SERVING: &str = "serving";
/// The state of a slot with nobody in it.
const EMPTY: &str = "empty";

/// The fleet at one moment: the answer to `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Names this state of the fleet. Another number means that something changed; requests in
    /// flight and the passing of time alone do not change it.
    pub revision: u64,
    /// The version of the running `cloudaps up`.
    pub version: String,
    /// `active`, `paused` or `stopping`.
    pub operation: String,
    /// `owned`, or `foreign` (provider `static`): whether instances can be launched and ended.
    pub ownership: String,
    /// Where the balancer takes traffic.
    pub balancer: SocketAddr,
    /// Where this API is.
    pub admin: SocketAddr,
    /// The instances behind the balancer.
    pub instances: Tally,
    /// Those that stand by for them.
    #[serde(default)]
    pub standby: Spares,
    /// The backend behind the instances.
    pub backend: Tally,
    /// One row per instance, and one per slot that is empty, in the order of the slots.
    pub slots: Vec<Row>,
    /// What the controller waits for, and why.
    pub holds: Vec<String>,
}

/// How many of a group are wanted and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many should serve.
    pub desired: u32,
    /// How many do.
    pub serving: u32,
    /// How many may exist at once, those on their way and those that are to go included.
    #[serde(default)]
    pub limit: u32,
}

/// How many spares are wanted and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spares {
    /// How many should be ready.
    pub desired: u32,
    /// How many are.
    pub ready: u32,
}

/// One line of the fleet's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occupant {
    /// The provider's name; never used twice.
    pub id: String,
    /// What a person would look for, such as `pid 4242`.
    pub label: String,
    /// The number of its process, if it is a process on this machine.
    pub pid: Option<u32>,
    /// Where it serves.
    pub address: Option<Address>,
    /// Where it relays to, if it is a forwarder.
    pub backend: Option<SocketAddr>,
    /// Why it has to go, if it has to.
    pub reason: Option<String>,
    /// For how long it has been in its state.
    pub since_seconds: f64,
    /// When it was launched: RFC 3339, in UTC.
    pub launched_at: String,
    /// Its requests in flight now; none if it takes no traffic from the balancer.
    pub in_flight: Option<u32>,
}

/// What the controller's status does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) balancer: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Overview {
    pub(super) fn new(revision: u64, status: &Status, facts: Facts, now: Instant) -> Self {
        Self {
            revision,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            operation: status.operation.to_string(),
            ownership: match status.ownership {
                Ownership::Owned => "owned",
                Ownership::Foreign => "foreign",
            }
            .to_owned(),
            balancer: facts.balancer,
            admin: facts.admin,
            instances: Tally::new(status.instances, status.serving(), status.limits.instances),
            standby: Spares { desired: status.standby, ready: saturated(status.standing_by()) },
            backend: Tally::new(status.backends, serving_backends(status), status.limits.backends),
            slots: status.rows.iter().map(|row| Row::new(row, now)).collect(),
            holds: status.holds.clone(),
        }
    }
}

impl Tally {
    fn new(desired: u32, serving: usize, limit: u32) -> Self {
        Self { desired, serving: saturated(serving), limit }
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Row {
    fn new(row: &controller::Row, now: Instant) -> Self {
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
        Self {
            id: occupant.id.clone(),
            label: occupant.label.clone(),
            pid: occupant.label.strip_prefix("pid ").and_then(|number| number.parse().ok()),
            address: occupant.address.clone(),
            backend: occupant.backend,
            reason: occupant.reason.clone(),
            since_seconds: rounded(now.since(occupant.since).as_secs_f64()),
            launched_at: launched.to_string(),
            in_flight: occupant.traffic.as_ref().map(|traffic| traffic.total()),
        }
    }
}

fn serving_backends(status: &Status) -> usize {
    let backends = status.rows.iter().filter(|row| row.slot.group == Group::Backend);
    let occupants = backends.filter_map(|row| row.occupant.as_ref());
    occupants.filter(|occupant| occupant.phase == SERVING).count()
}

/// To milliseconds: more digits say nothing.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

//! The fleet as the admin API shows it: the documented, serialisable twin of the controller's
//! [`Status`]. Fields are added, never renamed; readers ignore those that they do not know.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hold::Hold;
use super::row::{Row, SERVING};
use crate::clock::Instant;
use crate::controller::Status;
use crate::fleet::{Group, Ownership};

/// The fleet at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// Names this state of the fleet. Another number means that something changed; requests in
    /// flight, probes and the passing of time alone do not change it.
    pub revision: u64,
    /// The version of the running `cloudaps up`.
    pub version: String,
    /// `active`, `paused` or `stopping`.
    pub operation: String,
    /// `owned`, or `foreign` (provider `static`): whether instances can be launched and ended.
    pub ownership: String,
    /// Where the balancer takes traffic.
    #[schema(value_type = String)]
    pub balancer: SocketAddr,
    /// Where this API is.
    #[schema(value_type = String)]
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
    pub holds: Vec<Hold>,
}

/// How many of a group are wanted and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    /// How many should serve.
    pub desired: u32,
    /// How many do.
    pub serving: u32,
    /// How many may exist at once, those on their way and those that are to go included.
    #[serde(default)]
    pub limit: u32,
    /// The fewest that `/v1/scale` takes; what is desired, where the group cannot be scaled.
    #[serde(default)]
    pub smallest: u32,
    /// The most that it takes.
    #[serde(default)]
    pub largest: u32,
}

/// How many spares are wanted and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spares {
    /// How many should be ready.
    pub desired: u32,
    /// How many are.
    pub ready: u32,
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
            instances: Tally::new(
                (status.instances, status.serving()),
                status.limits.instances,
                &status.sizes.instances,
            ),
            standby: Spares { desired: status.standby, ready: saturated(status.standing_by()) },
            backend: Tally::new(
                (status.backends, serving_backends(status)),
                status.limits.backends,
                &status.sizes.backends,
            ),
            slots: status.rows.iter().map(|row| Row::new(row, now)).collect(),
            holds: Hold::all(status, now),
        }
    }
}

impl Tally {
    fn new((desired, serving): (u32, usize), limit: u32, sizes: &RangeInclusive<u32>) -> Self {
        let (smallest, largest) = (*sizes.start(), *sizes.end());
        Self { desired, serving: saturated(serving), limit, smallest, largest }
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn serving_backends(status: &Status) -> usize {
    let backends = status.rows.iter().filter(|row| row.slot.group == Group::Backend);
    let occupants = backends.filter_map(|row| row.occupant.as_ref());
    occupants.filter(|occupant| occupant.phase == SERVING).count()
}

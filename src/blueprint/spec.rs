//! What is desired, with everything decided: a spec that exists can be made.

use super::name::{FleetName, Names};
use super::rule::Rules;

/// What one fleet needs on AWS before its balancer can make the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The fleet.
    pub fleet: FleetName,
    /// The region.
    pub region: String,
    /// The network.
    pub vpc: String,
    /// The names of what has no identifier of AWS's own.
    pub names: Names,
    /// The program for the machines; none if they fetch it from somewhere else.
    pub artifact: Option<Artifact>,
    /// How the balancer's machine is allowed to make others.
    pub permission: Permission,
    /// The key pair, if SSH is wanted.
    pub key: Option<KeySpec>,
    /// The security groups.
    pub rules: Rules,
    /// The backend's data, if it is on a volume.
    pub volume: Option<VolumeSpec>,
    /// The balancer's machine.
    pub balancer: Balancer,
}

/// The program for the machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The object's name, which contains its digest.
    pub key: String,
    /// Its size.
    pub bytes: u64,
}

/// How the balancer's machine is allowed to make others.
#[derive(Clone, Debug, PartialEq)]
pub enum Permission {
    /// By a role of ours with this policy.
    Role(serde_json::Value),
    /// By an instance profile that exists.
    Profile(String),
}

/// A key pair from somebody's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The digest of the public key.
    pub digest: String,
}

/// The volume with the backend's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its size.
    pub gib: u32,
    /// Its zone.
    pub zone: String,
}

/// The balancer's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// The digest of all that it is made from: another one means another machine.
    pub digest: String,
    /// Its type.
    pub instance_type: String,
    /// Where it takes the clients' requests.
    pub port: u16,
}

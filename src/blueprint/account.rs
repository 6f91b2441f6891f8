//! What is there: everything in the account that carries the fleet's tag.

use std::collections::{BTreeMap, BTreeSet};

use super::name::Part;
use super::rule::Rule;

/// What was observed. Lists may hold more than one of what there should be one of: whoever was
/// killed before they heard the answer may have made it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The bucket.
    pub artifacts: Artifacts,
    /// The balancer's role.
    pub role: Option<Role>,
    /// The instance profile around it.
    pub profile: Option<Profile>,
    /// Key pairs.
    pub keys: Vec<Key>,
    /// Security groups.
    pub groups: Vec<Group>,
    /// Volumes with data, and disks of machines.
    pub volumes: Vec<Volume>,
    /// Elastic IPs.
    pub addresses: Vec<Address>,
    /// Machines that are not gone.
    pub machines: Vec<Machine>,
    /// Whether requests are answered at the balancer's address.
    pub answer: Answer,
}

/// The bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Artifacts {
    /// There is none.
    #[default]
    Absent,
    /// There is one of our name, which is empty and not tagged yet.
    Untagged,
    /// There is ours, with objects of these sizes.
    Ours(BTreeMap<String, u64>),
    /// There is one of our name which is not ours.
    Foreign,
}

/// Whose something is that is found by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It carries the fleet's tag.
    Ours,
    /// It does not.
    Foreign,
}

/// The balancer's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Whose it is.
    pub owner: Owner,
    /// What it may do.
    pub policy: Option<serde_json::Value>,
}

/// The instance profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whose it is.
    pub owner: Owner,
    /// The roles in it: one at most.
    pub roles: Vec<String>,
}

/// A key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The digest of the public key that it was made from.
    pub digest: String,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// AWS's identifier.
    pub id: String,
    /// Whose machines are in it.
    pub part: Option<Part>,
    /// Its network.
    pub vpc: String,
    /// What it lets in.
    pub rules: BTreeSet<Rule>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// AWS's identifier.
    pub id: String,
    /// Whether it is the backend's data; else it is some machine's disk.
    pub holds: Contents,
    /// Its size.
    pub gib: u32,
    /// Its zone.
    pub zone: String,
    /// Which machine it is attached to.
    pub attached_to: Option<String>,
}

/// What is on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The backend's data.
    Tasks,
    /// Some machine's system.
    System,
}

/// An Elastic IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// AWS's identifier.
    pub id: String,
    /// The address.
    pub ip: String,
    /// Which machine has it.
    pub machine: Option<String>,
}

/// A machine that is not gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// AWS's identifier.
    pub id: String,
    /// Which part it belongs to, if its tags say so.
    pub part: Option<Part>,
    /// The slot it fills, or the part's name.
    pub label: String,
    /// How it is.
    pub state: State,
    /// The digest of what the balancer was made from.
    pub digest: Option<String>,
    /// Its address inside the network.
    pub private_ip: Option<String>,
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It starts.
    Pending,
    /// It runs.
    Running,
    /// It is being stopped, or is.
    Stopped,
    /// It is on its way out, and counts for nothing but what still hangs on it.
    Ending,
}

/// Whether requests are answered at the balancer's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nobody was asked.
    #[default]
    Unasked,
    /// A request was answered with success.
    Answered,
    /// None was.
    Silent,
}

impl Account {
    /// The security group of a part; of several, the first by identifier.
    #[must_use]
    pub fn group(&self, part: Part) -> Option<&Group> {
        let ours = self.groups.iter().filter(|group| group.part == Some(part));
        ours.min_by_key(|group| &group.id)
    }

    /// The volume with the backend's data: of several, one that is in use, then the first.
    #[must_use]
    pub fn data(&self) -> Option<&Volume> {
        let data = self.volumes.iter().filter(|volume| volume.holds == Contents::Tasks);
        data.min_by_key(|volume| (volume.attached_to.is_none(), &volume.id))
    }

    /// The balancer's address: of several, one that is in use, then the first.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.addresses.iter().min_by_key(|address| (address.machine.is_none(), &address.id))
    }

    /// The machines of a part that are not on their way out.
    pub fn living(&self, part: Part) -> impl Iterator<Item = &Machine> {
        self.machines
            .iter()
            .filter(move |machine| machine.part == Some(part) && machine.state != State::Ending)
    }

    /// Whether nothing of the fleet is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let ours = |owner: Option<Owner>| owner == Some(Owner::Ours);
        matches!(self.artifacts, Artifacts::Absent | Artifacts::Foreign)
            && !ours(self.role.as_ref().map(|role| role.owner))
            && !ours(self.profile.as_ref().map(|profile| profile.owner))
            && self.keys.is_empty()
            && self.groups.is_empty()
            && self.volumes.is_empty()
            && self.addresses.is_empty()
            && self.machines.is_empty()
    }
}

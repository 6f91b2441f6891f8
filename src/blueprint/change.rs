//! What is to be done: changes, each with the next call that it takes.

use std::collections::BTreeSet;
use std::fmt;

use super::name::Part;
use super::rule::Rule;

/// Everything that is to be done, in the order in which people read it.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
    /// What only a person can clear away; nothing can be done before.
    pub obstacles: Vec<String>,
    /// What differs and is left as it is.
    pub notes: Vec<String>,
    /// What the changes mean for the traffic.
    pub traffic: String,
}

/// One resource that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happens to it.
    pub sign: Sign,
    /// Which one.
    pub resource: Resource,
    /// What is to be known about it, or how it differs.
    pub details: Vec<String>,
    /// What comes next.
    pub next: Next,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It is made.
    Add,
    /// It is changed where it is.
    Change,
    /// It is removed.
    Destroy,
    /// It is removed, and made anew.
    Replace,
}

/// A resource and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The bucket.
    Bucket(String),
    /// An object in it.
    Object(String),
    /// The balancer's role.
    Role(String),
    /// The instance profile.
    Profile(String),
    /// A key pair.
    Key(String),
    /// A security group.
    Group(String),
    /// A volume.
    Volume(String),
    /// An Elastic IP.
    Address(String),
    /// A machine.
    Machine(String),
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A call that can be made now.
    Do(Step),
    /// Something else has to happen first.
    Await(&'static str),
}

/// One call that changes something (two for the balancer). All of them can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the bucket.
    CreateBucket,
    /// Tag the bucket.
    TagBucket,
    /// Upload the program.
    Upload,
    /// Draw the fleet's secret.
    DrawSecret,
    /// Remove an object.
    DeleteObject(String),
    /// Remove the bucket.
    DeleteBucket,
    /// Make the role.
    CreateRole,
    /// Write the role's policy.
    WritePolicy,
    /// Remove the role's policy.
    DeletePolicy,
    /// Remove the role.
    DeleteRole,
    /// Make the instance profile.
    CreateProfile,
    /// Put the role into the instance profile.
    AddRole,
    /// Take a role out of the instance profile.
    TakeRole(String),
    /// Remove the instance profile.
    DeleteProfile,
    /// Import the public key.
    ImportKey,
    /// Remove a key pair.
    DeleteKey(String),
    /// Make a security group.
    CreateGroup(Part),
    /// Let something in.
    Authorize {
        /// The group.
        group: String,
        /// What is let in.
        rules: BTreeSet<Rule>,
    },
    /// Let something in no more.
    Revoke {
        /// The group.
        group: String,
        /// What was let in.
        rules: BTreeSet<Rule>,
    },
    /// Remove a security group.
    DeleteGroup(String),
    /// Make the data volume.
    CreateVolume,
    /// Remove a volume.
    DeleteVolume(String),
    /// Get an Elastic IP.
    AllocateAddress,
    /// Give an Elastic IP to a machine.
    Associate {
        /// The address.
        address: String,
        /// The machine.
        machine: String,
    },
    /// Give an Elastic IP back.
    ReleaseAddress(String),
    /// Put the configuration into the bucket, and launch the balancer.
    Launch,
    /// End machines.
    Terminate(Vec<String>),
}

impl Plan {
    /// The calls that can be made now.
    #[must_use]
    pub fn ready(&self) -> Vec<&Step> {
        let steps = self.changes.iter().filter_map(|change| match &change.next {
            Next::Do(step) => Some(step),
            Next::Await(_) => None,
        });
        steps.collect()
    }

    /// What is waited for, each once.
    #[must_use]
    pub fn awaited(&self) -> BTreeSet<&'static str> {
        let waits = self.changes.iter().filter_map(|change| match &change.next {
            Next::Do(_) => None,
            Next::Await(what) => Some(*what),
        });
        waits.collect()
    }

    /// How many resources are made, changed and removed. One that is replaced is both made and
    /// removed, as Terraform counts.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |signs: &[Sign]| {
            self.changes.iter().filter(|change| signs.contains(&change.sign)).count()
        };
        (
            count(&[Sign::Add, Sign::Replace]),
            count(&[Sign::Change]),
            count(&[Sign::Destroy, Sign::Replace]),
        )
    }
}

impl Sign {
    /// As Terraform writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Destroy => "-",
            Self::Replace => "-/+",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            Self::Bucket(name) => ("bucket", name),
            Self::Object(name) => ("object", name),
            Self::Role(name) => ("role", name),
            Self::Profile(name) => ("instance profile", name),
            Self::Key(name) => ("key pair", name),
            Self::Group(name) => ("security group", name),
            Self::Volume(name) => ("volume", name),
            Self::Address(name) => ("address", name),
            Self::Machine(name) => ("machine", name),
        };
        write!(formatter, "{what} {name}")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, name) = match self {
            Self::CreateBucket => ("make the bucket", ""),
            Self::TagBucket => ("tag the bucket", ""),
            Self::Upload => ("upload the program", ""),
            Self::DrawSecret => ("draw the fleet's secret", ""),
            Self::DeleteObject(key) => ("remove the object", key.as_str()),
            Self::DeleteBucket => ("remove the bucket", ""),
            Self::CreateRole => ("make the role", ""),
            Self::WritePolicy => ("write the role's policy", ""),
            Self::DeletePolicy => ("remove the role's policy", ""),
            Self::DeleteRole => ("remove the role", ""),
            Self::CreateProfile => ("make the instance profile", ""),
            Self::AddRole => ("put the role into the instance profile", ""),
            Self::TakeRole(role) => ("take out of the instance profile", role.as_str()),
            Self::DeleteProfile => ("remove the instance profile", ""),
            Self::ImportKey => ("import the public key", ""),
            Self::DeleteKey(name) => ("remove the key pair", name.as_str()),
            Self::CreateGroup(part) => ("make the security group of the", part.as_str()),
            Self::Authorize { group, .. } => ("let in what is missing in", group.as_str()),
            Self::Revoke { group, .. } => ("let in no more what is strange in", group.as_str()),
            Self::DeleteGroup(id) => ("remove the security group", id.as_str()),
            Self::CreateVolume => ("make the data volume", ""),
            Self::DeleteVolume(id) => ("remove the volume", id.as_str()),
            Self::AllocateAddress => ("get an address", ""),
            Self::Associate { address, .. } => ("give to the balancer", address.as_str()),
            Self::ReleaseAddress(id) => ("give back the address", id.as_str()),
            Self::Launch => ("launch the balancer", ""),
            Self::Terminate(ids) => return write!(formatter, "end {}", ids.join(", ")),
        };
        let space = if name.is_empty() { "" } else { " " };
        write!(formatter, "{verb}{space}{name}")
    }
}

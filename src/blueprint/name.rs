//! What a fleet's resources are called, and the tags that make them the fleet's.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::hexadecimal::hexadecimal;

/// The longest name. S3 allows 63 characters for a bucket, and IAM 64 for a role; what we write
/// around the name takes less than 32 of them.
const FLEET_CHARS_MAX: usize = 32;

/// The hexadecimal digits that tell the buckets of different accounts and regions apart: a bucket's
/// name is unique in the whole world, and 40 bits meet by chance once in a million accounts' names.
const BUCKET_DIGITS: usize = 10;

/// The name of a fleet: whatever carries it in its tag belongs to the fleet, and nothing else does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetName(String);

/// A text that names no fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of a fleet: allowed are 1 to {FLEET_CHARS_MAX} lower-case letters, digits \
     and inner hyphens, such as \"shop\""
)]
pub struct ParseFleetNameError(String);

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// It takes the clients' requests, and makes the others.
    Balancer,
    /// The forwarders.
    Instances,
    /// The task service and its data.
    Backend,
}

/// The names of what has no identifier of AWS's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The bucket with the program and, for a while, the configuration.
    pub bucket: String,
    /// The role of the balancer's machine, and the instance profile around it.
    pub role: String,
    /// The role's only policy.
    pub policy: String,
    /// The key pair.
    pub key: String,
    /// The object that holds the configuration until the balancer has read it.
    pub configuration: String,
    /// The object that holds the fleet's secret: what the balancer shows its machines, and the one
    /// after it has to show them, too.
    pub secret: String,
}

impl FleetName {
    /// The name, as it stands in tags.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FleetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl FromStr for FleetName {
    type Err = ParseFleetNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=FLEET_CHARS_MAX).contains(&text.len())
            && text.bytes().all(is_allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        fits.then(|| Self(text.to_owned())).ok_or_else(|| ParseFleetNameError(text.to_owned()))
    }
}

impl Part {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::Balancer, Self::Instances, Self::Backend];

    /// The part as it stands in tags and in the names of security groups.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Instances => "instances",
            Self::Backend => "backend",
        }
    }

    /// The part that a tag names.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == text)
    }

    /// The name of this part's security group.
    #[must_use]
    pub fn group_name(self, fleet: &FleetName) -> String {
        format!("cloudaps-{fleet}-{}", self.as_str())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Names {
    /// The names of a fleet's resources, which are the same whenever they are asked for.
    #[must_use]
    pub fn new(fleet: &FleetName, account: &str, region: &str) -> Self {
        let place = Sha256::digest(format!("{account}/{region}/{fleet}"));
        let place = hexadecimal(&place);
        Self {
            bucket: format!("cloudaps-{fleet}-{}", &place[..BUCKET_DIGITS]),
            // Roles belong to the whole account, fleets to a region.
            role: format!("cloudaps-{fleet}-{region}"),
            policy: "cloudaps-balancer".to_owned(),
            key: format!("cloudaps-{fleet}"),
            configuration: "cloudaps.toml".to_owned(),
            secret: "control.token".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_aws_would_refuse_somewhere_is_refused_at_once() {
        for good in ["a", "shop", "shop-2", &"a".repeat(32)] {
            assert_eq!(good.parse::<FleetName>().unwrap().as_str(), good);
        }
        for bad in ["", "Shop", "-a", "a-", "a.b", "a_b", "ção", &"a".repeat(33)] {
            let refusal = bad.parse::<FleetName>().unwrap_err().to_string();
            assert!(refusal.contains("lower-case letters"), "{refusal}");
        }
    }

    #[test]
    fn the_longest_names_are_within_what_aws_allows() {
        let fleet: FleetName = "a".repeat(32).parse().unwrap();
        let names = Names::new(&fleet, "123456789012", "ap-southeast-2");
        assert!(names.bucket.len() <= 63 && names.role.len() <= 64, "{names:?}");
    }

    #[test]
    fn two_accounts_and_two_regions_have_two_buckets() {
        let fleet: FleetName = "shop".parse().unwrap();
        let bucket = |account, region| Names::new(&fleet, account, region).bucket;
        let one = bucket("1", "eu-west-1");
        assert_eq!(one, bucket("1", "eu-west-1"));
        assert_ne!(one, bucket("2", "eu-west-1"));
        assert_ne!(one, bucket("1", "eu-west-2"));
    }
}

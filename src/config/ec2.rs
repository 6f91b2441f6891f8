//! `[ec2]`: where machines are launched on Amazon EC2, and what they are made of.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::install::{Install, Prices};
use super::value::Count;

/// The hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// The longest name of a fleet: it becomes part of the names of what is made for it.
const FLEET_CHARS_MAX: usize = 32;

/// `[ec2]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ec2 {
    /// The fleet's name: what carries it as a tag is ours.
    pub fleet: FleetName,
    /// The region; the environment's or the profile's if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Word>,
    /// The image; the newest Amazon Linux 2023 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Word>,
    /// The instance types, the preferred one first.
    pub instance_types: Types,
    /// The subnets; those of the default network if left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<Word>,
    /// The security groups of the machines.
    #[serde(skip_serializing_if = "SecurityGroups::is_empty")]
    pub security_groups: SecurityGroups,
    /// The key pair for SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The instance profile of the machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Word>,
    /// Whether instances are bought on the spot market, and at the list price where it has none.
    pub spot: bool,
    /// The size of the backend's volume in GiB, when it is made.
    pub volume: Count<1, 16_384>,
    /// The program that machines fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// What `install` needs to know besides.
    #[serde(skip_serializing_if = "Install::is_empty")]
    pub install: Install,
    /// What things cost.
    #[serde(skip_serializing_if = "Prices::is_empty")]
    pub prices: Prices,
}

/// The security groups of the machines; none is the network's default group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityGroups {
    /// Of the instances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Word>,
    /// Of the backends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backend: Vec<Word>,
}

/// The program that machines fetch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Where it is.
    pub url: Location,
    /// The SHA-256 of what is there.
    pub sha256: Sha256,
}

/// The name of a fleet: lower-case letters, digits and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetName(String);

/// A name of AWS's: visible characters and nothing that a shell or a list would take apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

/// At least one instance type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Types(Vec<Word>);

/// Where a program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Behind a link that anybody can use.
    Url(String),
    /// In a bucket that we may read: `s3://BUCKET/KEY`.
    Object {
        /// The bucket.
        bucket: String,
        /// The object's key in it.
        key: String,
    },
}

/// A SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256(String);

impl Default for Ec2 {
    fn default() -> Self {
        Self {
            fleet: FleetName("cloudaps".to_owned()),
            region: None,
            image: None,
            // Both processors of it carry thousands of requests a second, and it is the cheapest
            // one that every region has.
            instance_types: Types(vec![Word("t3.micro".to_owned())]),
            subnets: Vec::new(),
            security_groups: SecurityGroups::default(),
            key: None,
            profile: None,
            // Who saves that money should know that machines go with two minutes' notice.
            spot: false,
            // Millions of tasks, for less than a dollar a month.
            volume: Count::new(8),
            artifact: None,
            install: Install::default(),
            prices: Prices::default(),
        }
    }
}

impl SecurityGroups {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Types {
    /// The types, the preferred one first.
    #[must_use]
    pub fn as_slice(&self) -> &[Word] {
        &self.0
    }
}

impl FleetName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Word {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Sha256 {
    /// The digits, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FleetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.chars().all(is_name) && text.len() <= FLEET_CHARS_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` names no fleet: allowed are 1 to {FLEET_CHARS_MAX} lower-case letters, \
             digits and `-`, beginning with a letter"
        ))
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._/+=@".contains(c);
        if !text.is_empty() && text.chars().all(is_name) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("`{text}` is no name of AWS's: allowed are letters, digits and `-._/+=@`"))
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal = || {
            format!(
                "`{text}` is no place for a program: allowed are `https://HOST/PATH` and \
                 `s3://BUCKET/KEY`"
            )
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refusal());
        }
        if let Some((bucket, key)) = text.strip_prefix("s3://").and_then(|at| at.split_once('/'))
            && !bucket.is_empty()
            && !key.is_empty()
        {
            return Ok(Self::Object { bucket: bucket.to_owned(), key: key.to_owned() });
        }
        // What comes without encryption is checked by its SHA-256 all the same.
        let is_link = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
        if is_link { Ok(Self::Url(text.to_owned())) } else { Err(refusal()) }
    }
}

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = text.len() == SHA256_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        let refusal = || format!("`{text}` is no SHA-256: `sha256sum FILE` prints its 64 digits");
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(refusal()) }
    }
}

impl fmt::Display for FleetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => formatter.write_str(url),
            Self::Object { bucket, key } => write!(formatter, "s3://{bucket}/{key}"),
        }
    }
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let types = Vec::<Word>::deserialize(deserializer)?;
        if types.is_empty() {
            return Err(D::Error::custom("there is no type: at least one, such as \"t3.micro\""));
        }
        Ok(Self(types))
    }
}

/// Texts of the file that are checked where they stand.
macro_rules! written_as_text {
    ($($name:ty),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

written_as_text!(FleetName, Word, Location, Sha256);

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        toml::from_str::<Ec2>(text).unwrap_err().to_string()
    }

    #[test]
    fn every_refusal_names_the_line_the_value_and_what_is_allowed() {
        let sha = format!("sha256 = \"{}\"", "0".repeat(64));
        for (text, words) in [
            ("fleet = \"My fleet\"", ["line 1", "`My fleet`", "lower-case"]),
            ("image = \"\"", ["line 1", "``", "letters"]),
            ("subnets = [\"a\", \"b c\"]", ["line 1", "`b c`", "letters"]),
            ("instance_types = []", ["line 1", "at least one", "t3.micro"]),
            ("security_groups = { balancer = [] }", ["line 1", "`balancer`", "`backend`"]),
            ("volume = 0", ["line 1", "0 is out of range", "1 to 16384"]),
            ("spot = 1", ["line 1", "integer `1`", "boolean"]),
            (
                &format!("[artifact]\nurl = \"s3://b\"\n{sha}"),
                ["line 2", "`s3://b`", "s3://BUCKET"],
            ),
            ("[artifact]\nurl = \"s3://b/k\"\nsha256 = \"12\"", ["line 3", "`12`", "sha256sum"]),
            ("[artifact]\nurl = \"s3://b/k\"", ["line 1", "missing field", "sha256"]),
            ("zone = \"a\"", ["line 1", "`zone`", "`subnets`"]),
        ] {
            let refusal = refusal(text);
            for word in words {
                assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
            }
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = format!(
            "fleet = \"shop\"\nregion = \"sa-east-1\"\nsubnets = [\"subnet-1\"]\nspot = true\n\
             security_groups = {{ instances = [\"sg-1\"], backend = [\"sg-2\"] }}\n\
             artifact = {{ url = \"s3://bucket/a/key\", sha256 = \"{}\" }}\n",
            "AB".repeat(32)
        );
        let ec2: Ec2 = toml::from_str(&text).unwrap();
        assert_eq!(ec2.security_groups.backend[0].as_str(), "sg-2");
        let artifact = ec2.artifact.as_ref().unwrap();
        let place = Location::Object { bucket: "bucket".to_owned(), key: "a/key".to_owned() };
        assert_eq!((&artifact.url, artifact.sha256.as_str()), (&place, &*"ab".repeat(32)));
        let again: Ec2 = toml::from_str(&toml::to_string(&ec2).unwrap()).unwrap();
        assert_eq!(again, ec2);
    }
}

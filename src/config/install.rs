//! `[ec2.install]` and `[ec2.prices]`: what `cloudaps install` needs to know besides.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::ec2::Word;
use super::file::{File, ProviderName};
use super::networks::Networks;

/// `[ec2.install]`: the balancer's machine, and who may look into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Install {
    /// The balancer's instance type; the instances' if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<Word>,
    /// The balancer's instance profile; one is made if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Word>,
    /// The public key for SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<PathBuf>,
    /// From where SSH is let in; from nowhere if left out.
    #[serde(skip_serializing_if = "Networks::is_empty")]
    pub ssh_from: Networks,
    /// The program for the machines; this one if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary: Option<PathBuf>,
}

/// `[ec2.prices]`: what things cost, for `cloudaps plan`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// In what.
    pub currency: String,
    /// A machine of each type, by the hour.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, Price>,
    /// A GiB of disk, by the month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gib_month: Option<Price>,
    /// A public address, by the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Price>,
}

/// What something costs: not less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Price(pub f64);

impl File {
    /// The file of a balancer whose instances are machines on EC2, whoever makes them here.
    pub fn run_on_ec2(&mut self) {
        self.provider = ProviderName::Ec2;
    }
}

impl Install {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            // What AWS's price lists are in.
            currency: "USD".to_owned(),
            machines: BTreeMap::new(),
            gib_month: None,
            address: None,
        }
    }
}

impl Prices {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let price = f64::deserialize(deserializer)?;
        if price.is_finite() && price >= 0.0 {
            return Ok(Self(price));
        }
        Err(D::Error::custom(format!(
            "{price} is no price: allowed are 0 and more, such as 0.0104"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Sample {
        install: Install,
        prices: Prices,
    }

    #[test]
    fn what_is_written_reads_back_and_a_refusal_says_what_is_allowed() {
        let text = "[install]\ninstance_type = \"t3.small\"\nssh_from = [\"192.0.2.0/24\"]\n\n\
                    [prices]\ncurrency = \"EUR\"\naddress = 0.005\n\n\
                    [prices.machines]\n\"t3.small\" = 0.0208\n";
        let sample: Sample = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&sample).unwrap(), text);
        for (text, words) in [
            ("[install]\nport = 1\n[prices]\n", ["`port`", "ssh_from"]),
            ("[install]\n[prices]\naddress = -0.5\n", ["-0.5", "0 and more"]),
            ("[install]\nssh_from = [\"10.0.0.1/8\"]\n[prices]\n", ["10.0.0.1/8", "10.0.0.0/8"]),
        ] {
            let refusal = toml::from_str::<Sample>(text).unwrap_err().to_string();
            for word in words {
                assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
            }
        }
    }
}

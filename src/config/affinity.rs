//! What ties requests to endpoints, as it is written in the file: `"header:NAME"`,
//! `"cookie:NAME"` or `"address"`.

use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::http1::CookieName;
use crate::proxy::HashOn;

/// What consistent hashing goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashOnText(pub HashOn);

/// The cookie that sticks a client to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StickyText(pub CookieName);

impl FromStr for HashOnText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let on = match text.split_once(':') {
            Some(("header", name)) => name.parse().map(HashOn::Header),
            Some(("cookie", name)) => name.parse().map(HashOn::Cookie),
            None if text == "address" => Ok(HashOn::Address),
            _ => {
                let allowed = "allowed are \"header:NAME\", \"cookie:NAME\" and \"address\"";
                return Err(format!("`{text}` is nothing to hash on: {allowed}"));
            }
        };
        on.map(Self).map_err(|error| error.to_string())
    }
}

impl FromStr for StickyText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix("cookie:") else {
            return Err(format!("`{text}` is nothing to stick by: allowed is \"cookie:NAME\""));
        };
        name.parse().map(Self).map_err(|error| format!("{error}"))
    }
}

impl Serialize for HashOnText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            HashOn::Header(name) => {
                serializer.collect_str(&format_args!("header:{}", name.as_str()))
            }
            HashOn::Cookie(name) => {
                serializer.collect_str(&format_args!("cookie:{}", name.as_str()))
            }
            HashOn::Address => serializer.serialize_str("address"),
        }
    }
}

impl Serialize for StickyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("cookie:{}", self.0.as_str()))
    }
}

impl<'de> Deserialize<'de> for HashOnText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for StickyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

//! The name of a host, as it stands in a URL.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// The longest name of a host (RFC 1035 §2.3.4).
const LENGTH_MAX: usize = 253;

/// The longest part of one between two dots.
const LABEL_MAX: usize = 63;

/// Labels of letters, digits and hyphens with dots between them, without a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostName(pub String);

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if is_host_name(&name) {
            return Ok(Self(name));
        }
        let wanted = "allowed is a name without a scheme or a port, such as \"fleet.example.org\"";
        Err(D::Error::custom(format!("`{name}` is no name of a host: {wanted}")))
    }
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= LENGTH_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_a_host_is_one() {
        for name in ["fleet", "fleet.example.org", "Fleet-1.example.org", "10.0.0.1"] {
            assert!(is_host_name(name), "{name}");
        }
        let long = "a.".repeat(130);
        for name in
            ["", ".", "a..b", "-a", "a-", "a:80", "http://a", "*.a", "a b", "é", "a_b", &long]
        {
            assert!(!is_host_name(name), "{name}");
        }
    }
}

//! How the balancer takes over a machine that it launched.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::hexadecimal::hexadecimal;

/// Sets these tokens apart from whatever else is made with the same secret.
const PURPOSE: &[u8] = b"cloudaps boot token:";

/// What a machine that was just made wants to see once. Its `Debug` hides it.
///
/// It is made from a secret that never leaves the balancer and from the launch, so that nobody has
/// to keep it: a balancer that was restarted makes the same.
#[derive(Clone, PartialEq, Eq)]
pub struct BootToken(String);

/// What the balancer tells a machine that has shown nothing but that it waits.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who it is: the provider's name, which it repeats in its answers to probes.
    pub instance: String,
    /// What its control channel asks for from then on.
    pub control_token: String,
    /// Where a task service keeps its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// What a forwarder says to its collector of traces besides, as [`TRACE_HEADERS_VARIABLE`] has
    /// it.
    ///
    /// [`TRACE_HEADERS_VARIABLE`]: super::TRACE_HEADERS_VARIABLE
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_headers: Option<String>,
}

impl BootToken {
    /// The token of one launch.
    ///
    /// # Panics
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn of(secret: &str, launch: &str) -> Self {
        let key = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        let mut hmac = key.expect("HMAC takes keys of every length (RFC 2104)");
        hmac.update(PURPOSE);
        hmac.update(launch.as_bytes());
        Self(hexadecimal(&hmac.finalize().into_bytes()))
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BootToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BootToken(…)")
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("instance", &self.instance).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_one_launch_and_one_secret() {
        let token = BootToken::of("secret", "instance-0-1-1");
        // Computed apart from this: an HMAC-SHA-256 of the purpose and the launch.
        let wanted = "f0046b51c94e793664f13518344a6cbdf19607633e1b2b4c5acc0e343f2b0ae8";
        assert_eq!(token.as_str(), wanted);
        assert_ne!(token, BootToken::of("secret", "instance-0-1-2"));
        assert_ne!(token, BootToken::of("other", "instance-0-1-1"));
    }

    #[test]
    fn neither_a_token_nor_a_claim_can_end_up_in_a_log() {
        let token = BootToken::of("secret", "launch");
        assert!(!format!("{token:?}").contains(token.as_str()));
        let store = Some("postgres://me:pass@db/x".to_owned());
        let (instance, control_token) = ("i-1".to_owned(), "c0ntrol".to_owned());
        let trace_headers = Some("key=k3y".to_owned());
        let shown = format!("{:?}", Claim { instance, control_token, store, trace_headers });
        assert!(shown.contains("i-1"), "{shown}");
        assert!(!["c0ntrol", "pass", "k3y"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }
}

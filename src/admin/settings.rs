//! The configuration as the admin API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config;

/// One setting, as it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its key in the configuration file, with its section: `probe.interval`.
    pub key: String,
    /// Its value, as it would be written there. Secrets are hidden.
    pub value: String,
    /// Whether it is what it is if nobody says otherwise.
    pub is_default: bool,
}

impl From<&config::Shown> for Setting {
    fn from(shown: &config::Shown) -> Self {
        let config::Shown { key, value, origin } = shown.clone();
        Self { key, value, is_default: origin == config::Origin::Default }
    }
}

//! `proxy.access_log` and its format, as they are written in the file.

use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::proxy::{AccessLog, LogFormat};

/// The file that requests are logged to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogPath(PathBuf);

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormatName {
    /// A JSON object.
    #[default]
    Json,
    /// As Apache and nginx.
    Combined,
}

impl LogPath {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LogPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        AccessLog::check_path(&path).map_err(D::Error::custom)?;
        Ok(Self(path))
    }
}

impl LogFormatName {
    pub(super) const fn to_proxy(self) -> LogFormat {
        match self {
            Self::Json => LogFormat::Json,
            Self::Combined => LogFormat::Combined,
        }
    }
}

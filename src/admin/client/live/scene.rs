//! What is on the screen, as plain data.

use std::time::Duration;

use super::super::call::Client;
use super::super::failure::Failure;
use crate::admin::overview::Overview;
use crate::admin::timeline::Timeline;
use crate::clock::Instant;
use crate::metrics::HistoryView;
use crate::recorder::Glance;

/// Incidents that are asked for: a tall screen has no room for more.
const INCIDENTS: usize = 10;

/// What the API says at one moment.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) overview: Overview,
    pub(super) glance: Glance,
    pub(super) history: HistoryView,
    pub(super) timeline: Timeline,
}

/// What is shown.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) heard: Heard,
    /// When that was heard.
    at: Instant,
    /// Why nothing was heard since.
    pub(super) failure: Option<String>,
}

impl Heard {
    pub(super) fn ask(client: &Client) -> Result<Self, Failure> {
        Ok(Self {
            overview: client.status()?.meant,
            glance: client.pace()?,
            history: client.history()?,
            timeline: client.incidents(INCIDENTS)?.meant,
        })
    }
}

impl Scene {
    pub(super) fn new(heard: Heard, at: Instant) -> Self {
        Self { heard, at, failure: None }
    }

    /// Takes in what was heard now; after a failure the last answer stays.
    pub(super) fn take(&mut self, news: Result<Heard, Failure>, now: Instant) {
        match news {
            Ok(heard) => *self = Self::new(heard, now),
            Err(failure) => self.failure = Some(format!("{:#}", anyhow::Error::from(failure))),
        }
    }

    /// How old what is shown is.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.since(self.at)
    }
}

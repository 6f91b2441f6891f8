//! What the last probe of an instance found. Those who show the fleet read it when they like: a
//! probe that finds what the one before found is no reason for a new status.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::fleet::Finding;

/// The last probe of one instance, shared by who asks and who shows.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Option<Beat>>);

/// One probe that was answered, or was not answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When that was known.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// What it found.
    pub finding: Finding,
}

impl Beat {
    /// What is known now of a probe that began then.
    pub(super) fn new(finding: Finding, began: Instant) -> Self {
        let at = clock::now();
        Self { at, took: at.since(began), finding }
    }
}

impl Pulse {
    pub(super) fn beat(&self, beat: Beat) {
        // A beat is copied whole: no panic can leave half of one.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(beat);
    }

    /// The last one; none if it was not probed yet.
    #[must_use]
    pub fn last(&self) -> Option<Beat> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

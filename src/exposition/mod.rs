//! What is counted, in the text that Prometheus reads: `GET /metrics`.
//!
//! Everything is read when it is asked for; between two requests nothing here costs anything. How
//! many lines there are does not depend on what clients send or on how often instances are
//! replaced: labels are roles, classes, slots (256 and `others`) and words from our own lists.

pub mod families;
mod fleet;
mod proxy;
mod text;
mod vitals;

use std::sync::Arc;

use tokio::sync::watch;

use crate::controller::{Accounts, Counting, Status};
use crate::proxy::Meter;

pub use text::Format;
use text::Text;

/// What the balancer's numbers are read from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What the data plane counts.
    pub meter: Meter,
    /// What it counts for each slot.
    pub accounts: watch::Receiver<Arc<Accounts>>,
    /// What the control plane counts.
    pub counting: Counting,
    /// The fleet.
    pub status: watch::Receiver<Arc<Status>>,
}

impl Sources {
    /// All that is counted in an `up`.
    #[must_use]
    pub fn expose(&self, format: Format) -> String {
        let mut text = Text::new(format);
        let status = Arc::clone(&self.status.borrow());
        proxy::expose(&mut text, "balancer", &self.meter);
        fleet::expose_slots(&mut text, &Arc::clone(&self.accounts.borrow()), &status);
        fleet::expose_status(&mut text, &status);
        fleet::expose_counts(&mut text, &self.counting.read());
        vitals::expose(&mut text);
        text.finish()
    }
}

/// All that is counted in a `forward`.
#[must_use]
pub fn of_forwarder(format: Format, meter: &Meter) -> String {
    let mut text = Text::new(format);
    proxy::expose(&mut text, "forwarder", meter);
    vitals::expose(&mut text);
    text.finish()
}

#[cfg(test)]
mod tests;

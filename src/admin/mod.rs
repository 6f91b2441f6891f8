//! The admin API, and the operator's verbs that speak to it.
//!
//! The server shows the controller's status and passes commands on; it decides nothing. The verbs
//! know only the API and the state directory. What both sides speak is [`Overview`], so that the
//! controller's own types can change without breaking a script.

mod client;
mod overview;
mod requests;
mod server;
mod timeline;

pub(crate) use client::{Client, Failure, Place};
pub use client::{down, drain, incidents, pause, replace, resume, scale, status};
pub use overview::{Occupant, Overview, Row, Spares, Tally};
pub use requests::Requests;
pub use server::{Access, Service, serve};
pub use timeline::{RepairTimes, Timeline};

//! The admin API, and the operator's verbs that speak to it.
//!
//! The server shows the controller's status and passes commands on; it decides nothing. The verbs
//! know only the API and the state directory. What both sides speak is [`Overview`], so that the
//! controller's own types can change without breaking a script.

mod client;
mod hold;
mod overview;
mod requests;
mod row;
mod server;
mod settings;
mod timeline;

pub(crate) use client::{Client, Failure, Place};
pub use client::{down, drain, incidents, pause, replace, resume, scale, status};
pub use hold::Hold;
pub use overview::{Overview, Spares, Tally};
pub use requests::Requests;
pub use row::{LastProbe, Occupant, Row};
pub use server::{Access, Service, serve};
pub use settings::Setting;
pub use timeline::{RepairTimes, Timeline};

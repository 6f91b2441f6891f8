//! What one fleet needs on AWS, and what has to be done about it: [`plan`] compares the desired
//! [`Spec`] with the observed [`Account`], [`removal`] takes everything away again.
//!
//! A plan is never stored. Whoever carries it out does what can be done now, looks again, and
//! plans again; so it does not matter where the one before stopped.

mod account;
mod change;
mod name;
mod plan;
mod policy;
mod price;
mod removal;
mod rule;
mod spec;
#[cfg(test)]
mod tests;
mod text;

pub use account::{
    Account, Address, Answer, Artifacts, Contents, Group, Key, Machine, Owner, Profile, Role,
    State, Volume,
};
pub use change::{Change, Next, Plan, Resource, Sign, Step};
pub use name::{FleetName, Names, ParseFleetNameError, Part};
pub use plan::plan;
pub use policy::{balancer_policy, installer_policy};
pub use price::{Bill, Item, Prices};
pub use removal::{Data, removal};
pub use rule::{Ports, Rule, Rules, Source, rules};
pub use spec::{Artifact, Balancer, KeySpec, Permission, Spec, VolumeSpec};
pub use text::{Heading, outcome, text};

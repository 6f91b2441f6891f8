//! What should run: the control plane's decisions. Pure: no clock, IO, async, log or randomness.

mod instance;

pub use instance::{
    Group, Instance, InstanceId, Launch, LaunchToken, ParseSlotError, Slot, Vitals,
};

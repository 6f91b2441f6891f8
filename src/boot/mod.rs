//! What a machine is told when it is made, and what it is told once it runs: the script of its
//! first start, the service that the script starts, and the claim by which the balancer takes it
//! over.
//!
//! The script is anybody's to read who may describe the machine, so its only secret is a boot token
//! that is worth something once: whoever shows it first says who the machine is and what it needs
//! to know. Pure.

mod balancer;
mod claim;
mod script;
mod unit;

pub use balancer::BalancerScript;
pub use claim::{BootToken, Claim};
pub use script::{Program, Script, TooLong, USER_DATA_MAX};
pub use unit::{Duty, Notices, Unit};

/// The environment variable that tells an instance its own name.
pub const INSTANCE_VARIABLE: &str = "CLOUDAPS_INSTANCE";
/// The header in which a server tells who it is when it is asked how it is.
pub const INSTANCE_HEADER: &str = "cloudaps-instance";
/// The environment variable that carries the secret of a forwarder's control channel.
pub const CONTROL_TOKEN_VARIABLE: &str = "CLOUDAPS_CONTROL_TOKEN";
/// The environment variable that tells a task service its database.
pub const STORE_VARIABLE: &str = "CLOUDAPS_STORE";
/// The environment variable that tells a forwarder what to say to its collector of traces besides,
/// as OpenTelemetry has it.
pub const TRACE_HEADERS_VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The environment variable with the token of a machine that has not been claimed yet.
pub const BOOT_TOKEN_VARIABLE: &str = "CLOUDAPS_BOOT_TOKEN";

/// Where an instance on a machine of its own takes traffic.
pub const TRAFFIC_PORT: u16 = 5000;
/// Where it waits to be claimed, and where a forwarder then has its control listener. Only the
/// balancer has business there.
pub const CONTROL_PORT: u16 = 5001;

/// Where the backend's volume is mounted.
pub const DATA_DIR: &str = "/var/lib/cloudaps-data";
/// The database of a task service that keeps its data on the volume.
pub const DATA_STORE: &str = "sqlite:///var/lib/cloudaps-data/tasks.db";

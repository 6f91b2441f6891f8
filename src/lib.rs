//! CloudAPS keeps an HTTP service up: it launches the machines, balances the traffic over them,
//! and replaces any that fails before a client notices. `ARCHITECTURE.md` is the map.

pub mod address;
pub mod admin;
#[cfg(feature = "ec2")]
pub mod aws;
#[cfg(feature = "ec2")]
pub mod blueprint;
pub mod boot;
pub mod chaos;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
mod descriptor;
mod exchange;
pub mod exposition;
pub mod fleet;
pub mod forwarder;
mod hexadecimal;
pub mod http1;
pub mod incidents;
#[cfg(feature = "ec2")]
pub mod install;
pub mod join;
pub mod manual;
pub mod metrics;
pub mod pool;
pub mod probe;
pub mod provider;
pub mod proxy;
pub mod proxy_protocol;
pub mod recorder;
pub mod state_dir;
pub mod task_client;
pub mod tasks;
pub mod up;

//! The task service and its client, as processes that speak over real sockets.

#![expect(clippy::unwrap_used, reason = "here a panic is the report")]

#[path = "../support/certificates.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod certificates;
mod client;
mod client_faults;
mod client_terminal;
mod contract;
mod database;
mod durability;
mod faults;
mod original;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod postgres;
mod routes;
#[path = "../support/schemathesis.rs"]
mod schemathesis;
mod store;
mod support;
#[path = "../support/tools.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod tools;
mod transfer;

//! End to end: the real binary, real processes, real `kill -9`, and every request counted.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::disallowed_methods, reason = "a deadline of a test is real time")]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/collector.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod collector;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod database;
mod system;
mod traffic;

mod access_log;
mod affinity;
mod backend;
mod chaos;
mod faults;
mod history;
mod inbound;
mod incidents;
mod join;
mod json;
mod kept;
mod many;
mod metrics;
mod operator;
mod own_server;
mod postgres;
mod replicas;
mod restart;
mod standby;
mod start;
mod terminal;
mod traces;

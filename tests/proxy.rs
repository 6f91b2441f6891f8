//! The engine, between real clients and endpoints that do exactly what a test says.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "support/collector.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod collector;

mod proxy {
    mod access_log;
    mod affinity;
    mod answers;
    mod drain;
    mod hold;
    mod inbound;
    mod limits;
    mod listen;
    mod pace;
    mod parking;
    mod parting;
    mod relay;
    mod retry;
    mod streams;
    mod traces;
    mod unix;
    mod upgrade;
    mod world;
}

//! The admin API and the dashboard from outside: over the wire, and in a real browser.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::disallowed_methods, reason = "a deadline of a test is real time")]

#[path = "../up/system.rs"]
#[allow(dead_code, reason = "another test uses the rest of it")]
mod system;
#[path = "../up/traffic.rs"]
#[allow(dead_code, reason = "another test uses the rest of it")]
mod traffic;

mod accessibility;
mod api;
mod browser;
mod contract;
mod dashboard;
mod events;
#[path = "../support/schemathesis.rs"]
mod schemathesis;
#[path = "../support/tools.rs"]
mod tools;

//! Provider `ec2` on a test cloud: the real binary on machines of their own, and every request and
//! every call of the API counted.
#![cfg(feature = "ec2")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::disallowed_methods, reason = "a deadline of a test is real time")]

#[path = "../cloud/mod.rs"]
mod cloud;
#[path = "../support/collector.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod collector;
#[path = "../support/contract.rs"]
mod contract;
#[path = "../up/system.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod system;
#[path = "../up/traffic.rs"]
#[allow(dead_code, reason = "each binary of tests uses a part of it")]
mod traffic;

mod account;
mod adoption;
mod data;
mod fleet;
mod healing;
mod late;
mod shortage;
mod spot;
mod traces;

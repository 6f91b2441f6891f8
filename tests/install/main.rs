//! `plan`, `install` and `destroy` on a cloud to test on, from a laptop outside of its network.

#![cfg(feature = "ec2")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../cloud/mod.rs"]
mod cloud;

mod drift;
mod encrypted;
mod interrupted;
mod laptop;
mod own;
mod plan;
mod refusals;
mod trouble;
mod whole;

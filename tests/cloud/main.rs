//! The cloud that the other tests run on does what it says. One test per claim of `mod.rs`.

#![cfg(feature = "ec2")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "mod.rs"]
mod cloud;
mod customer;

mod addresses;
mod calls;
mod end;
mod machines;
mod roles;
mod scarcity;
mod volumes;

//! What is desired, and what it is made from.

use std::cell::Cell;

use crate::blueprint::{Artifact, Spec};
use crate::config::{Config, File};

/// Everything that it takes to make a fleet's balancer.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) spec: Spec,
    pub(super) program: ProgramFile,
    pub(super) public_key: Option<PublicKey>,
    pub(super) machine: MachineOrder,
    /// What the balancer is told, but for what is known only when it is launched.
    pub(super) told: File,
    /// What that means.
    pub(super) config: Config,
    /// Which client token of the launch has not been used up.
    pub(super) attempt: Cell<u32>,
}

/// The program that the machines run.
#[derive(Debug)]
pub(super) struct ProgramFile {
    /// The program itself; nothing, if it is fetched from a link.
    pub(super) bytes: Vec<u8>,
    /// The link, if the machines fetch it from somewhere else than from our bucket.
    pub(super) url: Option<String>,
    /// Its SHA-256, in hexadecimal.
    pub(super) sha256: String,
}

/// Somebody's public key.
#[derive(Debug)]
pub(super) struct PublicKey {
    pub(super) text: String,
    pub(super) digest: String,
}

/// What the balancer's machine may be.
#[derive(Debug)]
pub(super) struct MachineOrder {
    pub(super) image: String,
    pub(super) instance_types: Vec<String>,
    pub(super) subnets: Vec<String>,
}

impl ProgramFile {
    /// The program as an object of our bucket, if it is to be one.
    pub(super) fn artifact(&self) -> Option<Artifact> {
        let key = format!("cloudaps-{}", self.sha256);
        self.url.is_none().then_some(Artifact { key, bytes: self.bytes.len() as u64 })
    }
}

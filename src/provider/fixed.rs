//! Provider `static`: servers that already exist and that we do not own.
//!
//! They are probed, ejected and picked like any other; none is ever launched or terminated.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::{Error, Fault};
use crate::address::Address;
use crate::clock;
use crate::fleet::{Capacity, Group, Instance, InstanceId, Launch, Slot, Vitals};

/// A server that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// How much it can take.
    pub capacity: Capacity,
}

/// The servers, as they were given.
#[derive(Clone, Debug)]
pub struct Provider {
    instances: Vec<Instance>,
}

/// The same server twice would get twice its share of the traffic by accident.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {0} is given twice: allowed is each address once")]
pub struct Duplicate(pub Address);

impl Provider {
    /// Takes the servers; each fills a slot, in the order given.
    ///
    /// # Errors
    /// An address is given twice.
    pub fn new(servers: &[Server]) -> Result<Self, Duplicate> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = servers.iter().find(|server| !seen.insert(&server.address)) {
            return Err(Duplicate(twice.address.clone()));
        }
        let instances = (0..).zip(servers).map(|(index, server)| instance(index, server)).collect();
        Ok(Self { instances })
    }
}

impl super::Provider for Provider {
    async fn list(&self) -> Result<Vec<Instance>, Error> {
        Ok(self.instances.clone())
    }

    async fn launch(&self, launch: &Launch) -> Result<Instance, Error> {
        Err(not_ours(&format!("it cannot launch {}", launch.slot)))
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), Error> {
        Err(not_ours(&format!("it cannot end {id}")))
    }
}

fn instance(index: u32, server: &Server) -> Instance {
    let Server { address, capacity } = server;
    Instance {
        id: InstanceId::new(address.to_string()),
        slot: Slot { group: Group::Instances, index },
        token: None,
        address: Some(address.clone()),
        control: None,
        capacity: *capacity,
        vitals: Vitals::Running,
        label: address.to_string(),
        launched: clock::wall(),
    }
}

fn not_ours(consequence: &str) -> Error {
    Error::new(Fault::Denied, anyhow!("provider static owns no machine: {consequence}"))
}

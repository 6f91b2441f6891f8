//! What is there: one look at everything that is the fleet's, all calls at once.

mod network;
mod permission;

use std::future::Future;

use aws_sdk_ec2::types::{Instance, InstanceStateName};

pub(super) use network::permission_of;

use super::site::{Site, part_of};
use crate::aws::{Error, tags};
use crate::blueprint::{
    Account, Address, Answer, Artifacts, Contents, Key, Machine, State, Volume,
};

/// States of a machine that still is something: one that is terminated is listed for an hour.
const STATES: [InstanceStateName; 5] = [
    InstanceStateName::Pending,
    InstanceStateName::Running,
    InstanceStateName::ShuttingDown,
    InstanceStateName::Stopping,
    InstanceStateName::Stopped,
];

impl Site {
    /// Looks at everything. Whether the balancer answers is another question.
    pub(super) async fn observe(&self) -> Result<Account, Error> {
        let (artifacts, role, profile, keys) =
            tokio::join!(self.artifacts(), self.role(), self.profile(), self.keys());
        let (groups, volumes, addresses, machines) =
            tokio::join!(self.groups(), self.volumes(), self.addresses(), self.machines());
        Ok(Account {
            artifacts: artifacts?,
            role: role?,
            profile: profile?,
            keys: keys?,
            groups: groups?,
            volumes: volumes?,
            addresses: addresses?,
            machines: machines?,
            answer: Answer::Unasked,
        })
    }

    async fn artifacts(&self) -> Result<Artifacts, Error> {
        let found = self.store.find().await?;
        let untagged = match &found {
            crate::aws::Found::Nothing => return Ok(Artifacts::Absent),
            crate::aws::Found::Tagged(all) => all.is_empty(),
        };
        let is_ours = found.belongs_to(self.fleet.as_str());
        if !is_ours && !untagged {
            return Ok(Artifacts::Foreign);
        }
        let objects = self.store.objects().await?;
        Ok(match (is_ours, objects.is_empty()) {
            (true, _) => Artifacts::Ours(objects),
            (false, true) => Artifacts::Untagged,
            (false, false) => Artifacts::Foreign,
        })
    }

    async fn keys(&self) -> Result<Vec<Key>, Error> {
        let call = self.ec2.describe_key_pairs().filters(self.ours());
        let found = answer("DescribeKeyPairs", call.send()).await?;
        let keys = found.key_pairs().iter().filter_map(|key| {
            let digest = tags::value(key.tags(), tags::DIGEST).unwrap_or_default().to_owned();
            Some(Key { name: key.key_name()?.to_owned(), digest })
        });
        Ok(keys.collect())
    }

    async fn volumes(&self) -> Result<Vec<Volume>, Error> {
        let call = self.ec2.describe_volumes().filters(self.ours());
        let found = answer("DescribeVolumes", call.send()).await?;
        Ok(found.volumes().iter().filter_map(volume).collect())
    }

    async fn addresses(&self) -> Result<Vec<Address>, Error> {
        let call = self.ec2.describe_addresses().filters(self.ours());
        let found = answer("DescribeAddresses", call.send()).await?;
        let addresses = found.addresses().iter().filter_map(|address| {
            // Some implementations say that it belongs to nobody with an empty name.
            let machine = address.instance_id().filter(|id| !id.is_empty()).map(str::to_owned);
            let (id, ip) = (address.allocation_id()?.to_owned(), address.public_ip()?.to_owned());
            Some(Address { id, ip, machine })
        });
        Ok(addresses.collect())
    }

    async fn machines(&self) -> Result<Vec<Machine>, Error> {
        let states = STATES.iter().map(|state| state.as_str().to_owned()).collect();
        let states = aws_sdk_ec2::types::Filter::builder()
            .name("instance-state-name")
            .set_values(Some(states))
            .build();
        let call = self.ec2.describe_instances().filters(self.ours()).filters(states);
        let mut pages = call.into_paginator().items().send();
        let mut machines = Vec::new();
        while let Some(reservation) = pages.next().await {
            let reservation =
                reservation.map_err(|error| Error::of("DescribeInstances", &error))?;
            machines.extend(reservation.instances().iter().filter_map(machine));
        }
        Ok(machines)
    }
}

/// Waits for a call, and says what its failure means.
pub(super) async fn answer<T, E>(
    operation: &'static str,
    call: impl Future<Output = Result<T, aws_sdk_ec2::error::SdkError<E>>>,
) -> Result<T, Error>
where
    E: aws_sdk_ec2::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    call.await.map_err(|error| Error::of(operation, &error))
}

fn volume(volume: &aws_sdk_ec2::types::Volume) -> Option<Volume> {
    let holds = match tags::value(volume.tags(), tags::DATA) {
        Some(_) => Contents::Tasks,
        None => Contents::System,
    };
    let attached = volume.attachments().first().and_then(|one| one.instance_id());
    Some(Volume {
        id: volume.volume_id()?.to_owned(),
        holds,
        gib: volume.size().and_then(|gib| u32::try_from(gib).ok()).unwrap_or(0),
        zone: volume.availability_zone().unwrap_or_default().to_owned(),
        attached_to: attached.map(str::to_owned),
    })
}

fn machine(instance: &Instance) -> Option<Machine> {
    let all = instance.tags();
    let state = match instance.state()?.name()? {
        InstanceStateName::Pending => State::Pending,
        InstanceStateName::Running => State::Running,
        InstanceStateName::Stopping | InstanceStateName::Stopped => State::Stopped,
        InstanceStateName::ShuttingDown => State::Ending,
        _ => return None,
    };
    let label = tags::value(all, tags::SLOT).or_else(|| tags::value(all, tags::PART));
    Some(Machine {
        id: instance.instance_id()?.to_owned(),
        part: part_of(all),
        label: label.unwrap_or("machine").to_owned(),
        state,
        digest: tags::value(all, tags::DIGEST).map(str::to_owned),
        private_ip: instance.private_ip_address().map(str::to_owned),
    })
}

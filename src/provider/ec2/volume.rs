//! The volume that holds what the backend keeps. It outlives its machine, and one machine at a time
//! can hold it: that is what fences an old backend from the new one.

use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_ec2::types::{self, Filter, ResourceType, VolumeState, VolumeType};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::census::State;
use super::{Data, Error, Fault, Shared, failed};
use crate::aws::{self, Kind, tags};
use crate::fleet::{InstanceId, Launch};
use crate::hexadecimal::hexadecimal;

/// The name under which a volume is attached. Machines with NVMe name the disk after the volume.
const DEVICE: &str = "/dev/sdf";

/// Between two tries to attach it: its predecessor's disks are freed within seconds.
const ATTACH_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for a listing that says that the machine runs before one looks again.
const LISTING_WAIT: Duration = Duration::from_secs(2);

/// Where a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) zone: String,
}

impl Shared {
    /// The fleet's volume; a new one if there is none.
    pub(super) async fn volume(&self, launch: &Launch) -> Result<Volume, Error> {
        let found = self.volumes().await.map_err(failed)?;
        match found.as_slice() {
            [] => self.make_volume(launch).await.map_err(failed),
            [volume] => Ok(volume.clone()),
            several => {
                let ids: Vec<&str> = several.iter().map(|volume| volume.id.as_str()).collect();
                let text = anyhow!(
                    "several volumes carry the tag {}={} of this fleet: {}; take it off those that \
                     the backend is not to use",
                    tags::DATA,
                    tags::DATA_OF_BACKEND,
                    ids.join(", ")
                );
                Err(Error::new(Fault::Denied, text))
            }
        }
    }

    async fn volumes(&self) -> Result<Vec<Volume>, aws::Error> {
        let filters = vec![
            tags::with(tags::FLEET, &self.config.fleet),
            tags::with(tags::DATA, tags::DATA_OF_BACKEND),
            Filter::builder()
                .name("status")
                .values(VolumeState::Creating.as_str())
                .values(VolumeState::Available.as_str())
                .values(VolumeState::InUse.as_str())
                .build(),
        ];
        let answer = self.ec2.describe_volumes().set_filters(Some(filters)).send().await;
        let answer = answer.map_err(|error| aws::Error::of("DescribeVolumes", &error))?;
        let volumes = answer.volumes().iter().filter_map(|volume| {
            let zone = volume.availability_zone()?.to_owned();
            Some(Volume { id: volume.volume_id()?.to_owned(), zone })
        });
        Ok(volumes.collect())
    }

    /// In the zone whose turn it is, where the first backend then stands.
    async fn make_volume(&self, launch: &Launch) -> Result<Volume, aws::Error> {
        let turn = launch.slot.index as usize % self.subnets.len();
        let zone = self.subnets[turn].zone.clone();
        let tags = vec![
            tags::tag(tags::FLEET, &self.config.fleet),
            tags::tag(tags::DATA, tags::DATA_OF_BACKEND),
            tags::tag("Name", &format!("{} data", self.config.fleet)),
        ];
        let call = self.ec2.create_volume().availability_zone(&zone).size(self.gibibytes());
        let call = call.volume_type(VolumeType::Gp3).encrypted(true);
        let call = call.client_token(volume_token(&self.config.fleet, launch));
        let call = call.tag_specifications(tags::on(ResourceType::Volume, tags));
        let answer = call.send().await.map_err(|error| aws::Error::of("CreateVolume", &error))?;
        let id = answer.volume_id().unwrap_or_default().to_owned();
        tracing::info!(volume = id, zone, "made the volume for the backend's data");
        Ok(Volume { id, zone })
    }

    fn gibibytes(&self) -> i32 {
        let data = self.config.backend.as_ref().map(|backend| &backend.data);
        let size = match data {
            Some(Data::Volume { gibibytes }) => *gibibytes,
            Some(Data::Elsewhere(_)) | None => 0,
        };
        i32::try_from(size).unwrap_or(i32::MAX)
    }

    /// Attaches the volume to a machine as soon as it runs and nobody else holds it. Tells whether
    /// the machine is still there to have it.
    pub(super) async fn attach(&self, id: &InstanceId) -> Attached {
        let mut told = None;
        loop {
            match self.census.state(id) {
                Some(State::Running) => {}
                Some(State::Pending) => {
                    // Whether it came or not, the state is looked at again.
                    let _ = timeout(LISTING_WAIT, self.census.watch().changed()).await;
                    continue;
                }
                Some(State::ShuttingDown | State::Stopped | State::Terminated) | None => {
                    return Attached::Gone;
                }
            }
            match self.try_attach(id).await {
                Ok(()) => return Attached::Done,
                Err(error) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        tracing::info!(instance = %id, "the volume cannot be attached yet: {text}");
                        told = Some(text);
                    }
                }
            }
            sleep(ATTACH_PAUSE).await;
        }
    }

    async fn try_attach(&self, id: &InstanceId) -> Result<(), aws::Error> {
        let volumes = self.volumes().await?;
        let Some(volume) = volumes.first() else {
            return Err(aws::Error::invalid("AttachVolume", "the fleet has no volume"));
        };
        let call = self.ec2.attach_volume().volume_id(&volume.id).instance_id(id.as_str());
        let answer = call.device(DEVICE).send().await;
        let Err(error) = answer.map_err(|error| aws::Error::of("AttachVolume", &error)) else {
            tracing::info!(instance = %id, volume = volume.id, "the volume is attached");
            return Ok(());
        };
        if error.kind != Kind::Busy {
            return Err(error);
        }
        match self.holder(&volume.id).await? {
            Some(holder) if holder == *id => Ok(()),
            Some(holder) => {
                self.free(&volume.id, &holder).await?;
                Err(error)
            }
            None => Err(error),
        }
    }

    /// The machine that a volume is attached to.
    async fn holder(&self, volume: &str) -> Result<Option<InstanceId>, aws::Error> {
        let answer = self.ec2.describe_volumes().volume_ids(volume).send().await;
        let answer = answer.map_err(|error| aws::Error::of("DescribeVolumes", &error))?;
        let attachments = answer.volumes().iter().flat_map(types::Volume::attachments);
        let mut holders = attachments.filter_map(types::VolumeAttachment::instance_id);
        Ok(holders.next().map(InstanceId::new))
    }

    /// Takes the volume from a machine of ours that is terminated. From one that lives nothing is
    /// taken: what it has open would be torn; and what is not ours is a person's to detach.
    async fn free(&self, volume: &str, holder: &InstanceId) -> Result<(), aws::Error> {
        if !self.census.is_over(holder) {
            return Ok(());
        }
        let call = self.ec2.detach_volume().volume_id(volume).instance_id(holder.as_str());
        match call.force(true).send().await {
            Ok(_) => {
                tracing::info!(volume, from = %holder, "the volume is taken from a dead machine");
                Ok(())
            }
            Err(error) => {
                let error = aws::Error::of("DetachVolume", &error);
                // It came off by itself meanwhile.
                let is_off = matches!(error.kind, Kind::Busy | Kind::NotFound);
                if is_off { Ok(()) } else { Err(error) }
            }
        }
    }
}

/// What came of attaching a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// The machine has it.
    Done,
    /// There is no machine any more that could have it.
    Gone,
}

fn volume_token(fleet: &str, launch: &Launch) -> String {
    let text = format!("{fleet} volume {}", launch.token);
    hexadecimal(&Sha256::digest(text))
}

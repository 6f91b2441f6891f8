//! The calls of a plan's steps, each made so that it can be repeated.

mod launch;
mod network;
mod permission;

use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{DomainType, ResourceType, VolumeType};
use sha2::{Digest, Sha256};

use super::observe::answer;
use super::order::Order;
use super::site::Site;
use crate::aws::{Error, Kind, tags};
use crate::blueprint::{Account, Step};
use crate::hexadecimal::hexadecimal;

/// Whoever makes the calls, and what they make things from; who only removes needs nothing.
pub(super) struct Crew<'a> {
    pub(super) site: &'a Site,
    pub(super) order: Option<&'a Order>,
}

impl Crew<'_> {
    /// Looks at the account.
    pub(super) async fn observe(&self) -> Result<Account, Error> {
        self.site.observe().await
    }

    /// Makes a step's calls.
    pub(super) async fn perform(&self, step: &Step, account: &Account) -> Result<(), Error> {
        let Some(removed) = self.site.remove(step).await else {
            return self.make(step, account).await;
        };
        match removed {
            // Somebody was faster.
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn make(&self, step: &Step, account: &Account) -> Result<(), Error> {
        let order = self.order.expect("whoever only removes plans only removals");
        let (site, store) = (self.site, &self.site.store);
        match step {
            Step::CreateBucket => store.create().await,
            Step::TagBucket => store.tag(&[(tags::FLEET, site.fleet.as_str())]).await,
            Step::Upload => site.upload(order).await,
            Step::DrawSecret => site.draw_secret().await,
            Step::ImportKey => site.import_key(order).await,
            Step::CreateVolume => site.create_volume(order, account).await,
            Step::AllocateAddress => site.allocate_address().await,
            Step::Launch => site.launch(order, account).await,
            Step::CreateGroup(part) => site.create_group(*part, &order.spec.vpc).await,
            Step::Authorize { group, rules } => site.authorize(group, rules, account).await,
            Step::Associate { address, machine } => site.associate(address, machine).await,
            _ => site.make_permission(step, order).await,
        }
    }
}

impl Site {
    /// The call of a step that takes something away; none for any other.
    async fn remove(&self, step: &Step) -> Option<Result<(), Error>> {
        let dry_run = self.dry_run();
        Some(match step {
            Step::DeleteObject(key) => self.store.remove(key).await,
            Step::DeleteBucket => self.store.delete().await,
            Step::DeleteKey(name) => {
                let call = self.ec2.delete_key_pair().key_name(name).set_dry_run(dry_run).send();
                answer("DeleteKeyPair", call).await.map(drop)
            }
            Step::DeleteVolume(id) => {
                let call = self.ec2.delete_volume().volume_id(id).set_dry_run(dry_run).send();
                answer("DeleteVolume", call).await.map(drop)
            }
            Step::ReleaseAddress(id) => {
                let call = self.ec2.release_address().allocation_id(id).set_dry_run(dry_run).send();
                answer("ReleaseAddress", call).await.map(drop)
            }
            Step::Terminate(ids) => {
                let call = self.ec2.terminate_instances().set_instance_ids(Some(ids.clone()));
                let call = call.set_dry_run(dry_run).send();
                answer("TerminateInstances", call).await.map(drop)
            }
            Step::DeleteGroup(id) => {
                let call =
                    self.ec2.delete_security_group().group_id(id).set_dry_run(dry_run).send();
                answer("DeleteSecurityGroup", call).await.map(drop)
            }
            Step::Revoke { group, rules } => self.revoke(group, rules).await,
            _ => return self.remove_permission(step).await,
        })
    }

    async fn upload(&self, order: &Order) -> Result<(), Error> {
        let Some(artifact) = &order.spec.artifact else { return Ok(()) };
        self.store.put(&artifact.key, order.program.bytes.clone()).await
    }

    /// 256 bits, which nobody can guess.
    async fn draw_secret(&self) -> Result<(), Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::invalid("PutObject", error))?;
        let text = hexadecimal(&bytes) + "\n";
        self.store.put(&self.names.secret, text.into_bytes()).await
    }

    async fn import_key(&self, order: &Order) -> Result<(), Error> {
        let Some(key) = &order.public_key else { return Ok(()) };
        let tags = self.tags(ResourceType::KeyPair, "key", &[(tags::DIGEST, &key.digest)]);
        let call = self
            .ec2
            .import_key_pair()
            .key_name(&self.names.key)
            .public_key_material(Blob::new(key.text.as_bytes()))
            .tag_specifications(tags)
            .set_dry_run(self.dry_run());
        answer("ImportKeyPair", call.send()).await.map(drop)
    }

    /// The token makes sure that two who do not see each other's volume make one. The address is in
    /// it, so that it is another one after everything was removed.
    async fn create_volume(&self, order: &Order, account: &Account) -> Result<(), Error> {
        let Some(volume) = &order.spec.volume else { return Ok(()) };
        let address = account.address().map_or("", |address| &address.id);
        let token = hexadecimal(&Sha256::digest(format!("{} tasks {address}", self.fleet)));
        let tags = self.tags(ResourceType::Volume, "tasks", &[(tags::DATA, tags::DATA_OF_BACKEND)]);
        let call = self
            .ec2
            .create_volume()
            .availability_zone(&volume.zone)
            .size(i32::try_from(volume.gib).unwrap_or(i32::MAX))
            .volume_type(VolumeType::Gp3)
            .encrypted(true)
            .client_token(token)
            .tag_specifications(tags)
            .set_dry_run(self.dry_run());
        answer("CreateVolume", call.send()).await.map(drop)
    }

    async fn allocate_address(&self) -> Result<(), Error> {
        let tags = self.tags(ResourceType::ElasticIp, "balancer", &[]);
        let call = self.ec2.allocate_address().domain(DomainType::Vpc).tag_specifications(tags);
        let call = call.set_dry_run(self.dry_run()).send();
        answer("AllocateAddress", call).await.map(drop)
    }

    async fn associate(&self, address: &str, machine: &str) -> Result<(), Error> {
        let call = self.ec2.associate_address().allocation_id(address).instance_id(machine);
        let call = call.allow_reassociation(true).set_dry_run(self.dry_run()).send();
        answer("AssociateAddress", call).await.map(drop)
    }
}

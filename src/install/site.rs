//! Where a fleet is set up: the account, the region, and the names of what is there.

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

use crate::aws::{Access, Error, Store, tags};
use crate::blueprint::{FleetName, Names, Part};

/// An account, seen through one fleet's eyes.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) access: Access,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) store: Store,
    pub(super) fleet: FleetName,
    pub(super) names: Names,
    /// Whether calls that change something only ask whether they would be allowed.
    pub(super) is_rehearsal: bool,
}

impl Site {
    /// Finds out which account it is, which is also the proof that the credentials are good.
    pub(super) async fn open(region: Option<&str>, fleet: FleetName) -> Result<Self, Error> {
        let access = Access::open(region).await?;
        let account = access.account().await?;
        let names = Names::new(&fleet, &account, access.region());
        let store = Store::new(&access, &names.bucket, &account)?;
        let (ec2, iam) = (access.ec2(), access.iam());
        Ok(Self { access, ec2, iam, store, fleet, names, is_rehearsal: false })
    }

    /// What calls of EC2 that change something say about it.
    pub(super) fn dry_run(&self) -> Option<bool> {
        self.is_rehearsal.then_some(true)
    }

    /// Only what is the fleet's.
    pub(super) fn ours(&self) -> Filter {
        tags::with(tags::FLEET, self.fleet.as_str())
    }

    /// The tags of something that is about to be made: whose it is, what it is, and what else.
    pub(super) fn tags(
        &self,
        kind: ResourceType,
        name: &str,
        more: &[(&str, &str)],
    ) -> TagSpecification {
        let name = format!("cloudaps {} {name}", self.fleet);
        let all = [(tags::FLEET, self.fleet.as_str()), ("Name", &name)];
        let all = all.into_iter().chain(more.iter().copied());
        tags::on(kind, all.map(|(key, value)| tags::tag(key, value)).collect())
    }

    /// The same for IAM.
    pub(super) fn iam_tag(&self) -> Result<aws_sdk_iam::types::Tag, Error> {
        let tag = aws_sdk_iam::types::Tag::builder().key(tags::FLEET).value(self.fleet.as_str());
        tag.build().map_err(|error| Error::unanswered("CreateRole", error))
    }

    /// Whether something of IAM's carries the fleet's tag.
    pub(super) fn owns(&self, all: &[aws_sdk_iam::types::Tag]) -> bool {
        all.iter().any(|tag| tag.key() == tags::FLEET && tag.value() == self.fleet.as_str())
    }
}

/// Which part a thing belongs to: the slots of machines say it, and all else has a tag of its own.
pub(super) fn part_of(all: &[Tag]) -> Option<Part> {
    if let Some(part) = tags::value(all, tags::PART) {
        return Part::of(part);
    }
    let slot = tags::value(all, tags::SLOT)?;
    if slot.starts_with("backend-") { Some(Part::Backend) } else { Some(Part::Instances) }
}

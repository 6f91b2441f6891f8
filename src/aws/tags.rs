//! The tags by which a resource is known as ours. They are written in the call that makes it, so
//! that nothing of ours is ever without them.

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

/// Which fleet a resource belongs to: its owner. Whatever lacks it is never touched.
pub const FLEET: &str = "cloudaps:fleet";
/// The slot that a machine was launched for. Machines without it, such as the balancer's own, are
/// nobody's to replace.
pub const SLOT: &str = "cloudaps:slot";
/// The launch that made a machine.
pub const LAUNCH: &str = "cloudaps:launch";
/// Which part of a fleet something belongs to that fills no slot: the balancer's machine, a
/// security group.
pub const PART: &str = "cloudaps:part";
/// The digest of what something was made from, to see whether that has changed.
pub const DIGEST: &str = "cloudaps:digest";
/// What a volume holds.
pub const DATA: &str = "cloudaps:data";
/// Of [`DATA`]: what the backend keeps.
pub const DATA_OF_BACKEND: &str = "backend";

/// One tag.
#[must_use]
pub fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The tags of what is about to be made.
#[must_use]
pub fn on(resource: ResourceType, tags: Vec<Tag>) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(tags)).build()
}

/// Only what carries the tag.
#[must_use]
pub fn with(key: &str, value: &str) -> Filter {
    Filter::builder().name(format!("tag:{key}")).values(value).build()
}

/// Only what carries a tag with that key.
#[must_use]
pub fn with_any(key: &str) -> Filter {
    Filter::builder().name("tag-key").values(key).build()
}

/// The value of a tag among these.
#[must_use]
pub fn value<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value)
}

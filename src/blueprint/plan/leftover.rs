//! What carries the fleet's tag and is of no use any more.

use super::super::account::{Account, Artifacts, Owner};
use super::super::change::{Change, Next, Resource, Sign, Step};
use super::super::removal;
use super::super::spec::{Permission, Spec};
use super::{NEW_BALANCER, change, is_settled};

/// What can go: at once what nobody used, and the rest when the new balancer answers.
pub(super) fn changes(spec: &Spec, account: &Account) -> Vec<Change> {
    let unused = unused_addresses(account).chain(unused_groups(account));
    let unused = unused.chain(unused_keys(spec, account));
    unused.chain(objects(spec, account)).chain(permission(spec, account)).collect()
}

/// An address whose answer was lost, and that was asked for again.
fn unused_addresses(account: &Account) -> impl Iterator<Item = Change> {
    let used = account.address().map(|address| &address.id);
    let unused = account.addresses.iter().filter(move |address| Some(&address.id) != used);
    unused.map(|address| {
        let next = Next::Do(Step::ReleaseAddress(address.id.clone()));
        change(Sign::Destroy, Resource::Address(address.ip.clone()), next)
    })
}

fn unused_groups(account: &Account) -> impl Iterator<Item = Change> {
    let is_used = |id: &String| {
        let of_part = account.groups.iter().filter_map(|group| group.part);
        of_part.filter_map(|part| account.group(part)).any(|group| group.id == *id)
    };
    let unused = account.groups.iter().filter(move |group| !is_used(&group.id));
    unused.map(|group| {
        let next = Next::Do(Step::DeleteGroup(group.id.clone()));
        change(Sign::Destroy, Resource::Group(group.id.clone()), next)
    })
}

fn unused_keys(spec: &Spec, account: &Account) -> impl Iterator<Item = Change> {
    let keys = if spec.key.is_none() { account.keys.as_slice() } else { &[] };
    keys.iter().map(|key| {
        let next = Next::Do(Step::DeleteKey(key.name.clone()));
        change(Sign::Destroy, Resource::Key(key.name.clone()), next)
    })
}

/// The configuration, which the balancer has read, and programs that no machine fetches any more.
fn objects(spec: &Spec, account: &Account) -> Vec<Change> {
    let Artifacts::Ours(objects) = &account.artifacts else { return Vec::new() };
    if !is_settled(spec, account) {
        return Vec::new();
    }
    let used = spec.artifact.as_ref().map(|artifact| &artifact.key);
    let is_used = |key: &String| Some(key) == used || *key == spec.names.secret;
    let unused = objects.keys().filter(|key| !is_used(key));
    unused
        .map(|key| {
            let next = Next::Do(Step::DeleteObject(key.clone()));
            change(Sign::Destroy, Resource::Object(key.clone()), next)
        })
        .collect()
}

/// Our role, where another instance profile is used.
fn permission(spec: &Spec, account: &Account) -> Vec<Change> {
    let is_given = matches!(spec.permission, Permission::Profile(_));
    let is_ours = |owner: Option<Owner>| owner == Some(Owner::Ours);
    let is_there = is_ours(account.role.as_ref().map(|role| role.owner))
        || is_ours(account.profile.as_ref().map(|profile| profile.owner));
    if !is_given || !is_there {
        return Vec::new();
    }
    let changes = removal::permission(&spec.names, account);
    if is_settled(spec, account) {
        return changes;
    }
    let wait = |change| Change { next: Next::Await(NEW_BALANCER), ..change };
    changes.into_iter().map(wait).collect()
}

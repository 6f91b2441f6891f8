//! What the balancer needs before it can be launched.

use std::collections::{BTreeMap, BTreeSet};

use super::super::account::{Account, Artifacts, Group, Owner, Profile, Role};
use super::super::change::{Change, Next, Resource, Sign, Step};
use super::super::name::Part;
use super::super::rule::{Rule, Source};
use super::super::spec::{Permission, Spec};
use super::change;

/// The objects of a bucket and their sizes.
type Objects = BTreeMap<String, u64>;

/// What of it is missing or differs.
pub(super) fn changes(spec: &Spec, account: &Account) -> Vec<Change> {
    let single = [
        bucket(spec, account),
        artifact(spec, account),
        secret(spec, account),
        role(spec, account),
        profile(spec, account),
        key(spec, account),
        address(account),
    ];
    let groups = Part::ALL.into_iter().filter_map(|part| group(spec, account, part));
    single.into_iter().flatten().chain(groups).chain(volume(spec, account)).collect()
}

/// What has our names and is not ours.
pub(super) fn obstacles(spec: &Spec, account: &Account) -> Vec<String> {
    let fleet = &spec.fleet;
    let mut obstacles = Vec::new();
    let mut taken = |resource: Resource| {
        obstacles.push(format!(
            "{resource} exists and does not belong to fleet `{fleet}`: remove it, or name the \
             fleet otherwise"
        ));
    };
    let is_foreign = |owner: Option<Owner>| owner == Some(Owner::Foreign);
    if account.artifacts == Artifacts::Foreign {
        taken(Resource::Bucket(spec.names.bucket.clone()));
    }
    if matches!(spec.permission, Permission::Role(_)) {
        if is_foreign(account.role.as_ref().map(|role| role.owner)) {
            taken(Resource::Role(spec.names.role.clone()));
        }
        if is_foreign(account.profile.as_ref().map(|profile| profile.owner)) {
            taken(Resource::Profile(spec.names.role.clone()));
        }
    }
    let strays = account.groups.iter().filter(|group| group.vpc != spec.vpc);
    obstacles.extend(strays.map(|group| {
        format!(
            "security group {} is in {}, the subnets are in {}: `cloudaps destroy` first",
            group.id, group.vpc, spec.vpc
        )
    }));
    obstacles
}

fn bucket(spec: &Spec, account: &Account) -> Option<Change> {
    let (sign, step) = match account.artifacts {
        Artifacts::Absent => (Sign::Add, Step::CreateBucket),
        Artifacts::Untagged => (Sign::Change, Step::TagBucket),
        Artifacts::Ours(_) | Artifacts::Foreign => return None,
    };
    Some(change(sign, Resource::Bucket(spec.names.bucket.clone()), Next::Do(step)))
}

fn artifact(spec: &Spec, account: &Account) -> Option<Change> {
    let artifact = spec.artifact.as_ref()?;
    let is_there = |objects: &Objects| objects.get(&artifact.key) == Some(&artifact.bytes);
    let change = object(account, &artifact.key, Step::Upload, is_there)?;
    let details = vec![format!("the program, {} KiB", artifact.bytes.div_ceil(1024))];
    Some(Change { details, ..change })
}

/// It is drawn once: the machines that a balancer made obey only who has it.
fn secret(spec: &Spec, account: &Account) -> Option<Change> {
    let key = &spec.names.secret;
    let change = object(account, key, Step::DrawSecret, |objects| objects.contains_key(key))?;
    let details = vec!["what the balancer shows the machines that it makes".to_owned()];
    Some(Change { details, ..change })
}

fn object(
    account: &Account,
    key: &str,
    step: Step,
    is_there: impl Fn(&Objects) -> bool,
) -> Option<Change> {
    let next = match &account.artifacts {
        Artifacts::Ours(objects) if is_there(objects) => return None,
        Artifacts::Ours(_) => Next::Do(step),
        Artifacts::Absent | Artifacts::Untagged | Artifacts::Foreign => Next::Await("the bucket"),
    };
    Some(change(Sign::Add, Resource::Object(key.to_owned()), next))
}

fn role(spec: &Spec, account: &Account) -> Option<Change> {
    let Permission::Role(policy) = &spec.permission else { return None };
    let (sign, step) = match &account.role {
        None => (Sign::Add, Step::CreateRole),
        Some(Role { owner: Owner::Foreign, .. }) => return None,
        Some(role) if role.policy.as_ref() == Some(policy) => return None,
        Some(_) => (Sign::Change, Step::WritePolicy),
    };
    let details = vec!["makes and ends this fleet's machines, and nothing else".to_owned()];
    let resource = Resource::Role(spec.names.role.clone());
    Some(Change { details, ..change(sign, resource, Next::Do(step)) })
}

fn profile(spec: &Spec, account: &Account) -> Option<Change> {
    let Permission::Role(_) = &spec.permission else { return None };
    let wanted = &spec.names.role;
    let has_role = account.role.as_ref().is_some_and(|role| role.owner == Owner::Ours);
    let (sign, next) = match &account.profile {
        None => (Sign::Add, Next::Do(Step::CreateProfile)),
        Some(Profile { owner: Owner::Foreign, .. }) => return None,
        Some(Profile { roles, .. }) => match roles.iter().find(|role| *role != wanted) {
            Some(stranger) => (Sign::Change, Next::Do(Step::TakeRole(stranger.clone()))),
            None if !roles.is_empty() => return None,
            None if has_role => (Sign::Change, Next::Do(Step::AddRole)),
            None => (Sign::Change, Next::Await("the role")),
        },
    };
    Some(change(sign, Resource::Profile(wanted.clone()), next))
}

fn key(spec: &Spec, account: &Account) -> Option<Change> {
    let wanted = spec.key.as_ref()?;
    let resource = Resource::Key(spec.names.key.clone());
    // Its name can be given only once, so that another key has to make room.
    if let Some(stale) = account.keys.iter().find(|key| key.digest != wanted.digest) {
        return Some(change(
            Sign::Replace,
            resource,
            Next::Do(Step::DeleteKey(stale.name.clone())),
        ));
    }
    let is_missing = account.keys.is_empty();
    is_missing.then(|| change(Sign::Add, resource, Next::Do(Step::ImportKey)))
}

fn group(spec: &Spec, account: &Account, part: Part) -> Option<Change> {
    let wanted = spec.rules.get(&part)?;
    let resource = Resource::Group(part.group_name(&spec.fleet));
    let Some(group) = account.group(part) else {
        let details = wanted.iter().map(Rule::to_string).collect();
        let next = Next::Do(Step::CreateGroup(part));
        return Some(Change { details, ..change(Sign::Add, resource, next) });
    };
    let missing: BTreeSet<&Rule> = wanted.difference(&group.rules).collect();
    let strange: BTreeSet<Rule> = group.rules.difference(wanted).cloned().collect();
    if missing.is_empty() && strange.is_empty() {
        return None;
    }
    let details = missing.iter().map(|rule| format!("+ {rule}"));
    let details = details.chain(strange.iter().map(|rule| format!("- {rule}"))).collect();
    let next = next_of_rules(account, group, &missing, strange);
    Some(Change { details, ..change(Sign::Change, resource, next) })
}

/// What is missing comes first, so that nobody is shut out in between.
fn next_of_rules(
    account: &Account,
    group: &Group,
    missing: &BTreeSet<&Rule>,
    strange: BTreeSet<Rule>,
) -> Next {
    let can_be_named = |rule: &&&Rule| match rule.source {
        Source::Part(part) => account.group(part).is_some(),
        Source::Network(_) | Source::Other(_) => true,
    };
    let rules: BTreeSet<Rule> =
        missing.iter().filter(can_be_named).map(|rule| (*rule).clone()).collect();
    let group = group.id.clone();
    match (rules.is_empty(), strange.is_empty()) {
        (false, _) => Next::Do(Step::Authorize { group, rules }),
        (true, false) => Next::Do(Step::Revoke { group, rules: strange }),
        (true, true) => Next::Await("the other security groups"),
    }
}

fn volume(spec: &Spec, account: &Account) -> Option<Change> {
    let wanted = spec.volume.as_ref()?;
    if account.data().is_some() {
        return None;
    }
    let details = vec![format!("{} GiB in {}, for the tasks", wanted.gib, wanted.zone)];
    let resource = Resource::Volume("tasks".to_owned());
    // The token of this call is made from the address, so that nobody makes a second volume.
    let next = match account.address() {
        Some(_) => Next::Do(Step::CreateVolume),
        None => Next::Await("the address"),
    };
    Some(Change { details, ..change(Sign::Add, resource, next) })
}

fn address(account: &Account) -> Option<Change> {
    let resource = Resource::Address("balancer".to_owned());
    let is_missing = account.addresses.is_empty();
    is_missing.then(|| change(Sign::Add, resource, Next::Do(Step::AllocateAddress)))
}

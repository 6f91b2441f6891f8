//! How everything is taken away again: the balancer first, because it would replace what is ended.

use super::account::{Account, Artifacts, Contents, Machine, Owner, State};
use super::change::{Change, Next, Plan, Resource, Sign, Step};
use super::name::{Names, Part};

/// What becomes of the backend's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// It is removed with all else.
    Removed,
    /// Its volume stays, and with its tag: the next `install` finds it.
    Kept,
}

/// What removes all that carries the fleet's tag, and nothing else.
pub fn removal(names: &Names, account: &Account, data: Data) -> Plan {
    let changes = [
        machines(account),
        addresses(account),
        volumes(account, data),
        groups(account),
        keys(account),
        permission(names, account),
        bucket(names, account),
    ];
    let notes = match (data, account.data()) {
        (Data::Kept, Some(volume)) => vec![format!("volume {} with the tasks stays", volume.id)],
        (Data::Kept | Data::Removed, _) => Vec::new(),
    };
    let traffic = match account.machines.is_empty() {
        true => "there is none".to_owned(),
        false => "ends with the balancer".to_owned(),
    };
    Plan { changes: changes.concat(), obstacles: Vec::new(), notes, traffic }
}

fn destroy(resource: Resource, next: Next) -> Change {
    Change { sign: Sign::Destroy, resource, details: Vec::new(), next }
}

fn machines(account: &Account) -> Vec<Change> {
    let is_balancer = |machine: &&Machine| machine.part == Some(Part::Balancer);
    let heals = account.machines.iter().any(|machine| is_balancer(&machine));
    let next = |machine: &Machine| match machine.state {
        State::Ending => Next::Await("the end of the machines"),
        State::Pending | State::Running | State::Stopped if heals && !is_balancer(&machine) => {
            Next::Await("the end of the balancer")
        }
        State::Pending | State::Running | State::Stopped => {
            Next::Do(Step::Terminate(vec![machine.id.clone()]))
        }
    };
    let of = |machine: &Machine| {
        let resource = Resource::Machine(format!("{} {}", machine.label, machine.id));
        destroy(resource, next(machine))
    };
    account.machines.iter().map(of).collect()
}

fn addresses(account: &Account) -> Vec<Change> {
    let next = |id: &str, is_held: bool| match is_held {
        true => Next::Await("the end of the machines"),
        false => Next::Do(Step::ReleaseAddress(id.to_owned())),
    };
    let of = |address: &super::account::Address| {
        let resource = Resource::Address(address.ip.clone());
        destroy(resource, next(&address.id, address.machine.is_some()))
    };
    account.addresses.iter().map(of).collect()
}

fn volumes(account: &Account, data: Data) -> Vec<Change> {
    let goes = account
        .volumes
        .iter()
        .filter(|volume| data == Data::Removed || volume.holds == Contents::System);
    let of = |volume: &super::account::Volume| {
        let next = match &volume.attached_to {
            Some(_) => Next::Await("the end of the machines"),
            None => Next::Do(Step::DeleteVolume(volume.id.clone())),
        };
        let details = match volume.holds {
            Contents::Tasks => vec!["with all tasks, for ever".to_owned()],
            Contents::System => Vec::new(),
        };
        Change { details, ..destroy(Resource::Volume(volume.id.clone()), next) }
    };
    goes.map(of).collect()
}

/// A group that another one names cannot be removed, so those that name come first.
fn groups(account: &Account) -> Vec<Change> {
    let mut groups: Vec<_> = account.groups.iter().collect();
    groups.sort_by_key(|group| (group.part.is_some(), std::cmp::Reverse(group.part)));
    let is_free = account.machines.is_empty();
    let of = |(index, group): (usize, &&super::account::Group)| {
        let next = match (is_free, index) {
            (false, _) => Next::Await("the end of the machines"),
            (true, 0) => Next::Do(Step::DeleteGroup(group.id.clone())),
            (true, _) => Next::Await("the end of the groups that name it"),
        };
        destroy(Resource::Group(group.id.clone()), next)
    };
    groups.iter().enumerate().map(of).collect()
}

fn keys(account: &Account) -> Vec<Change> {
    let of = |key: &super::account::Key| {
        destroy(Resource::Key(key.name.clone()), Next::Do(Step::DeleteKey(key.name.clone())))
    };
    account.keys.iter().map(of).collect()
}

/// The instance profile and the role. A profile has to be empty before it goes, and so has a role;
/// and the role goes last, because some implementations stumble over a profile without its role.
pub(super) fn permission(names: &Names, account: &Account) -> Vec<Change> {
    let profile = account.profile.as_ref().filter(|profile| profile.owner == Owner::Ours);
    let role = account.role.as_ref().filter(|role| role.owner == Owner::Ours);
    let is_used = account.machines.iter().any(|machine| machine.part == Some(Part::Balancer));
    let of_profile = profile.map(|profile| match (is_used, profile.roles.first()) {
        (true, _) => Next::Await("the end of the balancer"),
        (false, Some(role)) => Next::Do(Step::TakeRole(role.clone())),
        (false, None) => Next::Do(Step::DeleteProfile),
    });
    let of_role = role.map(|role| match (profile, &role.policy) {
        (Some(_), _) => Next::Await("the end of the instance profile"),
        (None, Some(_)) => Next::Do(Step::DeletePolicy),
        (None, None) => Next::Do(Step::DeleteRole),
    });
    let name = || names.role.clone();
    let of_profile = of_profile.map(|next| destroy(Resource::Profile(name()), next));
    of_profile
        .into_iter()
        .chain(of_role.map(|next| destroy(Resource::Role(name()), next)))
        .collect()
}

fn bucket(names: &Names, account: &Account) -> Vec<Change> {
    let resource = Resource::Bucket(names.bucket.clone());
    let objects = match &account.artifacts {
        Artifacts::Absent | Artifacts::Foreign => return Vec::new(),
        Artifacts::Untagged => return vec![destroy(resource, Next::Do(Step::DeleteBucket))],
        Artifacts::Ours(objects) => objects,
    };
    let of = |key: &String| {
        let next = Next::Do(Step::DeleteObject(key.clone()));
        destroy(Resource::Object(key.clone()), next)
    };
    let next = match objects.is_empty() {
        true => Next::Do(Step::DeleteBucket),
        false => Next::Await("the end of its objects"),
    };
    objects.keys().map(of).chain([destroy(resource, next)]).collect()
}

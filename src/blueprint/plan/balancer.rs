//! The balancer's machine, and who has its address.

use super::super::account::{Account, Machine, State};
use super::super::change::{Change, Next, Resource, Sign, Step};
use super::super::name::Part;
use super::super::spec::Spec;
use super::{NEW_BALANCER, OLD_BALANCER, WHAT_IT_NEEDS, change, current};

/// What of them is missing or differs. `foundation` is what has to be done before.
pub(super) fn changes(spec: &Spec, account: &Account, foundation: &[Change]) -> Vec<Change> {
    let can_launch = foundation.is_empty();
    let machine = match current(spec, account) {
        Some(current) => superfluous(account, current),
        None => missing(spec, account, can_launch),
    };
    machine.into_iter().chain(address(spec, account)).collect()
}

/// Machines that were launched twice.
fn superfluous(account: &Account, current: &Machine) -> Option<Change> {
    let others = account.living(Part::Balancer).filter(|machine| machine.id != current.id);
    let others: Vec<String> = others.map(|machine| machine.id.clone()).collect();
    let resource = Resource::Machine(format!("balancer {}", others.join(", ")));
    let next = Next::Do(Step::Terminate(others.clone()));
    (!others.is_empty()).then(|| change(Sign::Destroy, resource, next))
}

fn missing(spec: &Spec, account: &Account, can_launch: bool) -> Option<Change> {
    let resource = Resource::Machine("balancer".to_owned());
    let old: Vec<&Machine> = account.living(Part::Balancer).collect();
    let is_ending = account
        .machines
        .iter()
        .any(|machine| machine.part == Some(Part::Balancer) && machine.state == State::Ending);
    let sign = if old.is_empty() { Sign::Add } else { Sign::Replace };
    let next = match (can_launch, old.is_empty(), is_ending) {
        (false, _, _) => Next::Await(WHAT_IT_NEEDS),
        (true, false, _) => {
            Next::Do(Step::Terminate(old.iter().map(|machine| machine.id.clone()).collect()))
        }
        (true, true, true) => Next::Await(OLD_BALANCER),
        (true, true, false) => Next::Do(Step::Launch),
    };
    let mut details = vec![spec.balancer.instance_type.clone()];
    details.extend(old.iter().map(|machine| why(spec, machine)));
    Some(Change { details, ..change(sign, resource, next) })
}

/// Why a balancer that is there is not good enough.
fn why(spec: &Spec, machine: &Machine) -> String {
    let id = &machine.id;
    match (&machine.digest, machine.state) {
        (Some(digest), State::Stopped) if *digest == spec.balancer.digest => {
            format!("{id} was stopped")
        }
        _ => format!("{id} was made from another program or configuration"),
    }
}

/// The address that is there goes to the balancer as soon as that runs.
fn address(spec: &Spec, account: &Account) -> Option<Change> {
    let address = account.address()?;
    let balancer = current(spec, account);
    let next = match balancer {
        Some(machine) if address.machine.as_ref() == Some(&machine.id) => return None,
        Some(machine) if machine.state == State::Running => {
            Next::Do(Step::Associate { address: address.id.clone(), machine: machine.id.clone() })
        }
        Some(_) | None => Next::Await(NEW_BALANCER),
    };
    let to = balancer.map_or("the balancer", |machine| &machine.id);
    let details = vec![format!("goes to {to}")];
    Some(Change { details, ..change(Sign::Change, Resource::Address(address.ip.clone()), next) })
}

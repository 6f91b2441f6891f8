//! From what is desired and what is there to what is to be done.

mod balancer;
mod foundation;
mod leftover;

use super::account::{Account, Answer, Machine, State};
use super::change::{Change, Next, Plan, Resource, Sign};
use super::name::Part;
use super::spec::Spec;

/// What has to be there before the balancer can be launched.
const WHAT_IT_NEEDS: &str = "what it needs";

/// What has to be over before the new balancer can be launched: two would work against each other.
const OLD_BALANCER: &str = "the end of the old balancer";

/// What has to be there before what the old one used is removed, or the address is given.
const NEW_BALANCER: &str = "the balancer";

/// Compares what is desired with what is there.
pub fn plan(spec: &Spec, account: &Account) -> Plan {
    let foundation = foundation::changes(spec, account);
    let balancer = balancer::changes(spec, account, &foundation);
    let leftovers = leftover::changes(spec, account);
    let traffic = traffic(spec, account, &balancer);
    let changes = [foundation, balancer, leftovers].concat();
    Plan {
        changes,
        obstacles: foundation::obstacles(spec, account),
        notes: notes(spec, account),
        traffic,
    }
}

/// The balancer as it should be, if it is there.
fn current<'a>(spec: &Spec, account: &'a Account) -> Option<&'a Machine> {
    let holder = account.address().and_then(|address| address.machine.as_ref());
    let wanted = account.living(Part::Balancer).filter(|machine| {
        let is_up = matches!(machine.state, State::Pending | State::Running);
        is_up && machine.digest.as_ref() == Some(&spec.balancer.digest)
    });
    wanted.min_by_key(|machine| (holder != Some(&machine.id), machine.id.clone()))
}

/// Whether nobody needs any more what the balancer before this one, or its start, needed.
fn is_settled(spec: &Spec, account: &Account) -> bool {
    account.answer == Answer::Answered && current(spec, account).is_some()
}

fn notes(spec: &Spec, account: &Account) -> Vec<String> {
    let mut notes = volume_notes(spec, account);
    if account.answer == Answer::Silent
        && let (Some(machine), Some(address)) = (current(spec, account), account.address())
        && address.machine.as_ref() == Some(&machine.id)
    {
        notes.push(format!(
            "nobody answers at http://{}:{} yet: see `aws ec2 get-console-output --latest \
             --instance-id {}`",
            address.ip, spec.balancer.port, machine.id
        ));
    }
    notes
}

fn volume_notes(spec: &Spec, account: &Account) -> Vec<String> {
    let Some(volume) = account.data() else { return Vec::new() };
    let Some(wanted) = &spec.volume else {
        return vec![format!("volume {} holds tasks, is not used, and is left", volume.id)];
    };
    let mut notes = Vec::new();
    if volume.gib != wanted.gib {
        notes.push(format!(
            "volume {} has {} GiB, not {}: it is left as it is",
            volume.id, volume.gib, wanted.gib
        ));
    }
    if volume.zone != wanted.zone {
        notes.push(format!(
            "volume {} is in {}, not {}: the backend runs where its data is",
            volume.id, volume.zone, wanted.zone
        ));
    }
    notes
}

fn traffic(spec: &Spec, account: &Account, balancer: &[Change]) -> String {
    let port = spec.balancer.port;
    let of_machine = |change: &&Change| matches!(change.resource, Resource::Machine(_));
    match balancer.iter().find(of_machine).map(|change| change.sign) {
        Some(Sign::Add) => format!("nobody is served until the balancer answers at port {port}"),
        Some(Sign::Replace) => format!(
            "from the end of the old balancer to the first answer of the new one, about a minute, \
             nobody answers at port {port}; instances, backend and data stay"
        ),
        Some(Sign::Change | Sign::Destroy) | None if account.address().is_none() => {
            "the balancer has no address until it is given one".to_owned()
        }
        Some(Sign::Change | Sign::Destroy) | None => "goes on".to_owned(),
    }
}

fn change(sign: Sign, resource: Resource, next: Next) -> Change {
    Change { sign, resource, details: Vec::new(), next }
}

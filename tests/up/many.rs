//! Many instances, of which a quarter is killed at once.

use std::collections::BTreeSet;

use rustix::process::Signal;

use super::system::{Place, System, pids, signal};
use super::traffic::Load;

const CONNECTIONS: usize = 4;

/// Some answers before and after.
const ANSWERS: u64 = 500;

/// With rare probes the test is about the repair, not about two hundred probes a second.
const CONFIG: &str = "instances = 200\n[probe]\ninterval = \"5s\"\n";

#[test]
fn of_two_hundred_instances_fifty_that_are_killed_at_once_are_replaced_and_no_other() {
    let place = Place::new();
    let config = place.write("many.toml", CONFIG);
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/", CONNECTIONS);
    load.await_answers(ANSWERS);

    let instances = before.slots.iter().filter(|row| row.slot.starts_with("instance-"));
    let pid_of = instances.map(|row| row.occupant.as_ref().unwrap().pid.unwrap());
    let killed: BTreeSet<u32> = pid_of.step_by(4).collect();
    assert_eq!(killed.len(), 50);
    killed.iter().for_each(|pid| signal(*pid, Signal::KILL));
    system.await_status("replaced", |status| !pids(status).iter().any(|pid| killed.contains(pid)));
    let after = system.await_complete();
    load.await_answers(ANSWERS);
    load.stop().assert_nothing_lost();

    let [before, after] = [before, after].map(|of| pids(&of).into_iter().collect::<BTreeSet<_>>());
    assert_eq!(before.difference(&after).copied().collect::<BTreeSet<_>>(), killed);
    assert_eq!(after.len(), 201);
    assert!(!system.said().contains("frozen"), "{}", system.said());
    assert!(system.stop().success());
}

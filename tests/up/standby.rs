//! Spares: ready, without traffic, and promoted before a newborn could have started.

use rustix::process::Signal;

use cloudaps::admin::{Overview, Row};

use super::system::{Place, System, pid_in, pids, signal};
use super::traffic::Load;

const CONNECTIONS: usize = 16;

/// Enough answers between two faults that every connection meets each instance.
const BETWEEN: u64 = 2000;

#[test]
fn a_spare_steps_in_for_a_killed_instance_and_another_is_made() {
    let place = Place::new();
    let system = System::up_with(&place, &["--standby", "1"]);
    let before = system.await_complete();
    let spare = first(&before, "standby");
    let occupant = spare.occupant.as_ref().unwrap();
    assert_eq!(occupant.in_flight, None, "a spare is not in the pool: {spare:?}");
    let load = Load::start(system.balancer, "/", CONNECTIONS);
    load.await_answers(BETWEEN);

    let killed_slot = first(&before, "serving").slot;
    let killed = pid_in(&before, &killed_slot);
    signal(killed, Signal::KILL);
    system.await_status("replaced", |status| !pids(status).contains(&killed));
    let after = system.await_complete();
    load.await_answers(BETWEEN);
    load.stop().assert_nothing_lost();

    assert_eq!(Some(pid_in(&after, &spare.slot)), occupant.pid, "the spare serves");
    let next = first(&after, "standby");
    assert_eq!(next.slot, killed_slot, "its successor is the next spare");
    let next = next.occupant.unwrap().label;
    assert_in_order(
        &system.said(),
        &[
            &format!("{killed_slot}: pid {killed} is out of the traffic"),
            &format!("{}: {} serves", spare.slot, occupant.label),
            &format!("{killed_slot}: {next} starts"),
            &format!("{killed_slot}: {next} stands by"),
        ],
    );
    assert!(system.stop().success());
}

#[test]
fn a_killed_spare_is_made_anew_and_the_operator_is_told_of_both() {
    let place = Place::new();
    let system = System::up_with(&place, &["--instances", "1", "--standby", "2"]);
    let before = system.await_complete();
    assert_eq!((before.standby.desired, before.standby.ready), (2, 2));
    let serving = first(&before, "serving").slot;
    let killed = first(&before, "standby").occupant.unwrap().pid.unwrap();
    signal(killed, Signal::KILL);
    system.await_status("replaced", |status| !pids(status).contains(&killed));
    let after = system.await_complete();
    assert_eq!(pid_in(&before, &serving), pid_in(&after, &serving));
    let shown = place.operate(&["status"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("1 of 1 instance serves, 2 of 2 standing by"), "{shown}");
    assert!(system.stop().success());
}

/// The first instance in that state, in the order of the slots.
fn first(status: &Overview, state: &str) -> Row {
    let row = status.slots.iter().find(|row| row.state == state);
    row.unwrap_or_else(|| panic!("nobody is {state}: {status:#?}")).clone()
}

fn assert_in_order(said: &str, texts: &[&str]) {
    let mut rest = said;
    for text in texts {
        let at = rest.find(text);
        rest = &rest[at.unwrap_or_else(|| panic!("`{text}` is not said, or too early:\n{said}"))..];
    }
}

//! The operator's verbs, against the running system.

use super::system::{Place, System, is_alive, pid_in, pids};
use super::traffic::{Client, Load};

#[test]
fn scaling_up_and_down_under_load_loses_no_request() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/", 8);
    for size in ["5", "2"] {
        load.await_answers(500);
        assert!(place.operate(&["scale", size]).status.success());
        let wanted: u32 = size.parse().unwrap();
        system.await_status("scaled", |status| {
            let slots = status.slots.iter().filter(|row| row.slot.starts_with("instance"));
            status.instances.serving == wanted && slots.count() == wanted as usize
        });
    }
    load.await_answers(500);
    load.stop().assert_nothing_lost();
    let after = system.await_complete();
    assert_eq!(pid_in(&before, "instance-1"), pid_in(&after, "instance-1"));
    assert!(!is_alive(pid_in(&before, "instance-2")));
}

#[test]
fn draining_and_replacing_under_load_loses_no_request() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/", 8);
    for (verb, slot) in
        [("drain", "instance-0"), ("replace", "instance-1"), ("replace", "backend-0")]
    {
        load.await_answers(500);
        let old = pid_in(&before, slot);
        let done = place.operate(&[verb, slot]);
        assert!(done.status.success(), "{done:?}");
        system.await_status("succeeded", |status| !pids(status).contains(&old));
        system.await_complete();
        assert!(!is_alive(old));
    }
    load.await_answers(500);
    load.stop().assert_nothing_lost();
}

#[test]
fn nothing_is_launched_while_paused_and_everything_after_resume() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    assert!(place.operate(&["pause"]).status.success());
    let killed = pid_in(&before, "instance-0");
    super::system::signal(killed, rustix::process::Signal::KILL);
    let paused = system.await_status("held", |status| {
        status.instances.serving == 2 && status.holds.iter().any(|hold| hold.kind == "paused")
    });
    assert_eq!(paused.operation, "paused");
    assert!(place.operate(&["resume"]).status.success());
    system.await_complete();
}

#[test]
fn status_shows_every_slot_for_people_and_for_programs() {
    let place = Place::new();
    let system = System::up(&place);
    let status = system.await_complete();
    let table = String::from_utf8(place.operate(&["status"]).stdout).unwrap();
    let json = String::from_utf8(place.operate(&["status", "--json"]).stdout).unwrap();
    for row in &status.slots {
        let pid = row.occupant.as_ref().unwrap().pid.unwrap().to_string();
        for text in [&table, &json] {
            assert!(text.contains(&row.slot) && text.contains(&pid), "{text}");
        }
    }
}

#[test]
fn a_slot_that_is_not_there_is_refused_with_those_that_are() {
    let place = Place::new();
    let _system = System::up(&place);
    let refused = place.operate(&["replace", "instance-7"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("instance-7") && said.contains("instance-0"), "{said}");
    let nonsense = place.operate(&["replace", "everything"]);
    assert_eq!(nonsense.status.code(), Some(64), "{nonsense:?}");
}

#[test]
fn a_change_without_the_token_is_refused_and_nothing_changes() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    let system = System::up(&place);
    let refused = Client::new(system.admin).send("POST", "/v1/pause", "{}").unwrap();
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(system.status().operation, "active");
    let token = place.state().join("admin.token").metadata().unwrap();
    assert_eq!(token.permissions().mode() & 0o777, 0o600);
}

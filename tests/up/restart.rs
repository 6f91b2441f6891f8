//! The controller itself is killed, and its successor goes on where it was.

use rustix::process::Signal;

use super::system::{Place, System, is_alive, pid_in, pids, signal};
use super::traffic::Client;

#[test]
fn a_killed_controller_is_succeeded_by_one_that_adopts_the_same_processes() {
    let place = Place::new();
    let first = System::up(&place);
    let before = first.await_complete();
    let added = Client::new(first.balancer).send("POST", "/Tarefa/", r#"{"value":"kept"}"#);
    assert_eq!(added.unwrap().status, 201);
    first.kill();
    assert!(pids(&before).into_iter().all(is_alive));

    let second = System::up(&place);
    let after = second.await_complete();
    assert_eq!(pids(&before), pids(&after));
    let listed = Client::new(second.balancer).send("GET", "/Tarefa/", "").unwrap();
    assert!(listed.body.contains("kept"), "{listed:?}");

    // What it adopted, it heals and ends like its own.
    let killed = pid_in(&after, "instance-0");
    signal(killed, Signal::KILL);
    let healed = second.await_status("healed", |status| {
        status.instances.serving == 3 && !pids(status).contains(&killed)
    });
    assert!(second.stop().success());
    assert!(!pids(&healed).into_iter().any(is_alive));
}

#[test]
fn what_died_while_nobody_watched_is_replaced_by_the_next_controller() {
    let place = Place::new();
    let first = System::up(&place);
    let before = first.await_complete();
    first.kill();
    let killed = pid_in(&before, "instance-1");
    signal(killed, Signal::KILL);

    let second = System::up(&place);
    let after = second.await_complete();
    assert_eq!(pid_in(&before, "instance-0"), pid_in(&after, "instance-0"));
    assert_eq!(pid_in(&before, "backend-0"), pid_in(&after, "backend-0"));
    assert_ne!(pid_in(&after, "instance-1"), killed);
    assert!(second.stop().success());
}

#[test]
fn down_ends_what_a_killed_controller_left_behind() {
    let place = Place::new();
    let system = System::up(&place);
    let left = pids(&system.await_complete());
    system.kill();
    assert!(left.iter().all(|pid| is_alive(*pid)));
    let down = place.operate(&["down"]);
    assert!(down.status.success(), "{down:?}");
    assert!(!left.into_iter().any(is_alive));
}

#[test]
fn data_is_there_after_down_and_up() {
    let place = Place::new();
    let first = System::up(&place);
    let mut client = Client::new(first.balancer);
    for value in ["um", "dois", "três"] {
        let body = format!(r#"{{"value":"{value}"}}"#);
        assert_eq!(client.send("POST", "/Tarefa/", &body).unwrap().status, 201);
    }
    let down = place.operate(&["down"]);
    assert!(down.status.success(), "{down:?}");
    assert!(first.wait().success());

    let second = System::up(&place);
    let listed = Client::new(second.balancer).send("GET", "/Tarefa/", "").unwrap();
    for value in ["um", "dois", "três"] {
        assert!(listed.body.contains(value), "{listed:?}");
    }
    assert!(second.stop().success());
}

//! Instances are killed and hung under load; every request is answered all the same.

use std::net::Shutdown;

use cloudaps::address::Address;
use cloudaps::admin::Overview;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};
use socket2::Socket;

use super::system::{Place, System, is_alive, pid_in, pids, signal};
use super::traffic::Load;

const CONNECTIONS: usize = 16;

/// Enough answers between two faults that every connection meets each instance.
const BETWEEN: u64 = 2000;

#[test]
fn killing_each_instance_in_turn_under_load_loses_no_request() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/", CONNECTIONS);
    for slot in ["instance-0", "instance-1", "instance-2"] {
        load.await_answers(BETWEEN);
        let killed = pid_in(&system.status(), slot);
        signal(killed, Signal::KILL);
        system.await_status("replaced", |status| {
            let row = status.slots.iter().find(|row| row.slot == slot && row.state == "serving");
            let occupant = row.and_then(|row| row.occupant.as_ref());
            occupant.is_some_and(|of| of.pid != Some(killed))
        });
    }
    load.await_answers(BETWEEN);
    load.stop().assert_nothing_lost();
    let after = system.await_complete();
    for slot in ["instance-0", "instance-1", "instance-2"] {
        assert_ne!(pid_in(&before, slot), pid_in(&after, slot));
    }
    assert_eq!(pid_in(&before, "backend-0"), pid_in(&after, "backend-0"));
    assert!(system.stop().success());
}

#[test]
fn killing_all_instances_at_once_under_load_loses_no_request() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/", CONNECTIONS);
    load.await_answers(BETWEEN);
    let killed = ["instance-0", "instance-1", "instance-2"].map(|slot| pid_in(&before, slot));
    for pid in killed {
        signal(pid, Signal::KILL);
    }
    system.await_status("replaced", |status| {
        let occupants = status.slots.iter().filter_map(|row| row.occupant.as_ref());
        let old = occupants.filter_map(|of| of.pid).any(|pid| killed.contains(&pid));
        !old && status.instances.serving == 3
    });
    load.await_answers(BETWEEN);
    load.stop().assert_nothing_lost();
}

#[test]
fn an_instance_whose_listening_socket_breaks_ends_and_is_replaced() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/", CONNECTIONS);
    load.await_answers(BETWEEN);
    let broken = pid_in(&before, "instance-0");
    shut_listener(broken, traffic_port(&before, broken));
    system.await_status("replaced", |status| {
        !pids(status).contains(&broken) && status.instances.serving == 3
    });
    load.await_answers(BETWEEN);
    load.stop().assert_nothing_lost();
}

#[test]
fn a_hung_instance_is_replaced_and_what_comes_back_is_ended() {
    let place = Place::new();
    let config = place.write("fast.toml", "[probe]\ninterval = \"50ms\"\ntimeout = \"200ms\"\n");
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let hung = pid_in(&system.await_complete(), "instance-1");
    let load = Load::start(system.balancer, "/", CONNECTIONS);
    load.await_answers(BETWEEN);

    signal(hung, Signal::STOP);
    system.await_status("replaced", |status| {
        let row =
            status.slots.iter().find(|row| row.slot == "instance-1" && row.state == "serving");
        row.and_then(|row| row.occupant.as_ref()).is_some_and(|of| of.pid != Some(hung))
    });
    assert!(system.said().contains("does not answer its health check"), "{}", system.said());
    // It may be gone already; whether it is or comes back, it never serves again.
    if is_alive(hung) {
        signal(hung, Signal::CONT);
    }
    let after = system.await_complete();
    load.await_answers(BETWEEN);
    load.stop().assert_nothing_lost();
    assert_ne!(pid_in(&after, "instance-1"), hung);
    assert!(!is_alive(hung));
}

#[test]
fn a_successor_that_is_launched_on_suspicion_starts_before_the_verdict() {
    let place = Place::new();
    let text = "[fleet]\nlaunch_on = \"suspicion\"\n\
        [probe]\ninterval = \"50ms\"\ntimeout = \"200ms\"\nunresponsive = 10\n";
    let config = place.write("wary.toml", text);
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let hung = pid_in(&system.await_complete(), "instance-1");
    signal(hung, Signal::STOP);
    system.await_text(&format!("instance-1: pid {hung} is out of the traffic"));
    let said = system.said();
    let starts = said.lines().filter(|line| line.contains("instance-1: pid"));
    let starts = starts.filter(|line| line.ends_with(" starts")).count();
    assert!(starts >= 2, "its successor has not started: {said}");
    assert!(!pids(&system.await_complete()).contains(&hung));
    assert!(system.stop().success());
}

#[test]
fn an_instance_that_cannot_start_freezes_launches_and_says_why() {
    let place = Place::new();
    let text = "[instance]\ncommand = [\"sh\", \"-c\", \"exit 3\", \"{port}\"]\n";
    let config = place.write("broken.toml", text);
    let system = System::spawn(&place, &["-c", config.to_str().unwrap()]);
    let line = system.await_text("frozen");
    assert!(line.contains("exit status: 3"), "{line}");
    assert!(system.stop().success());
}

/// Where a process of the fleet takes traffic.
fn traffic_port(status: &Overview, pid: u32) -> u16 {
    let mut occupants = status.slots.iter().filter_map(|row| row.occupant.as_ref());
    let occupant = occupants.find(|of| of.pid == Some(pid)).unwrap();
    match occupant.address.as_ref().unwrap() {
        Address::Ip(address) => address.port(),
        Address::Unix(name) => panic!("an instance of ours listens on {name:?}"),
    }
}

/// Makes the sockets with which a process listens on `port` listen no more.
fn shut_listener(pid: u32, port: u16) {
    let pidfd = pidfd_open(Pid::from_raw(pid.cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let numbers = numbers.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse());
    let files = numbers.map(|number| {
        pidfd_getfd(&pidfd, number.unwrap(), PidfdGetfdFlags::empty()).map(Socket::from)
    });
    let is_it = |socket: &Socket| {
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        socket.is_listener().unwrap_or(false) && address.is_some_and(|at| at.port() == port)
    };
    let shut = files.flatten().filter(is_it).map(|socket| socket.shutdown(Shutdown::Both));
    assert!(shut.map(Result::unwrap).count() > 0);
}

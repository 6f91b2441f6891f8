//! Real processes, whose records the tests write.

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::getpid;
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::fleet::LaunchToken;
use crate::provider::process::record::Identity;

/// A state directory with a record of some process.
struct Place {
    _dir: TempDir,
    state: StateDir,
}

impl Place {
    fn with_record(pid: Pid, change: impl FnOnce(&mut Identity)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let started = procfs::stat(pid).unwrap().unwrap().started;
        let boot = procfs::boot().unwrap();
        let mut identity = Identity { pid: pid.as_raw_pid(), started, boot };
        change(&mut identity);
        let record = Record {
            token: LaunchToken::recorded("instance-1-2-3"),
            slot: "instance-1".parse().unwrap(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            control: None,
            command: Vec::new(),
            launched: Duration::ZERO,
            process: Some(identity),
        };
        Ledger::new(state.records()).write(&record).unwrap();
        Self { _dir: dir, state }
    }

    fn alive(&self) -> Vec<Victim> {
        Victims::of(&self.state).unwrap().alive().unwrap()
    }
}

/// A child that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> (Self, Pid) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        (Self(child), pid)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A signal is sent at once and taken a moment later.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = clock::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(clock::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_recorded_process_is_stopped_resumed_and_killed() {
    let (mut sleeper, pid) = Sleeper::start();
    let place = Place::with_record(pid, |_| {});
    let victims = place.alive();
    let [victim] = &victims[..] else { panic!("{victims:?}") };
    assert_eq!((victim.pid(), victim.slot().to_string()), (pid.as_raw_pid(), "instance-1".into()));
    victim.suspend().unwrap();
    until("it is stopped", || victim.is_suspended().unwrap());
    victim.resume().unwrap();
    until("it goes on", || !victim.is_suspended().unwrap());
    victim.kill().unwrap();
    sleeper.0.wait().unwrap();
    assert!(!victim.is_alive().unwrap());
    assert!(place.alive().is_empty());
    // Nobody has the number now, and whoever gets it is not touched.
    victim.kill().unwrap();
}

#[test]
fn who_only_has_the_number_of_a_recorded_process_is_nobody() {
    let (_sleeper, pid) = Sleeper::start();
    let changes: [fn(&mut Identity); 2] =
        [|identity| identity.started += 1, |identity| identity.boot.push('x')];
    for change in changes {
        let victims = Place::with_record(pid, change).alive();
        assert!(victims.is_empty(), "{victims:?}");
    }
}

#[test]
fn records_that_are_being_written_or_cannot_be_read_are_left_as_they_are() {
    let place = Place::with_record(getpid(), |_| {});
    for name in ["half.json.tmp", "torn.json"] {
        fs::write(place.state.records().join(name), "{").unwrap();
    }
    assert_eq!(place.alive().len(), 1);
    let mut names: Vec<_> = fs::read_dir(place.state.records())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["half.json.tmp", "instance-1-2-3.json", "torn.json"]);
}

#[test]
fn one_that_ends_while_its_sockets_are_looked_at_has_no_more_of_them() {
    let (mut sleeper, pid) = Sleeper::start();
    let place = Place::with_record(pid, |_| {});
    let [victim] = <[Victim; 1]>::try_from(place.alive()).unwrap();
    sleeper.0.kill().unwrap();
    until("it has ended", || !victim.is_alive().unwrap());
    victim.refuse().unwrap();
    // Nor when nothing of it is left.
    sleeper.0.wait().unwrap();
    victim.refuse().unwrap();
}

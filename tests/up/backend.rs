//! The backend is killed: requests wait for its successor, and nothing that was acknowledged is
//! missing afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;

use super::system::{Place, System, cloudaps, pid_in, signal};
use super::traffic::{Client, Load};

#[test]
fn requests_wait_for_the_successor_of_a_killed_backend() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let load = Load::start(system.balancer, "/Tarefa/", 8);
    load.await_answers(500);
    let killed = pid_in(&before, "backend-0");
    signal(killed, Signal::KILL);
    let after = system.await_status("healed", |status| {
        status.backend.serving == 1 && pid_in(status, "backend-0") != killed
    });
    load.await_answers(500);
    load.stop().assert_nothing_lost();
    for slot in ["instance-0", "instance-1", "instance-2"] {
        assert_eq!(pid_in(&before, slot), pid_in(&after, slot), "a forwarder was replaced for it");
    }
}

#[test]
fn posts_during_kills_are_stored_once_if_answered_and_never_twice() {
    const WRITERS: usize = 4;
    const WRITES: usize = 250;
    let place = Place::new();
    let system = System::up(&place);
    system.await_complete();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| write(system.balancer, writer, WRITES)).collect();
    let watched = Arc::clone(&done);
    let joined = thread::spawn(move || {
        let stored: Vec<String> = writers.into_iter().flat_map(|it| it.join().unwrap()).collect();
        watched.store(true, SeqCst);
        stored
    });
    let slots = ["instance-0", "instance-1", "backend-0", "instance-2"];
    for slot in slots.iter().cycle() {
        let status = system.await_complete();
        if done.load(SeqCst) {
            break;
        }
        signal(pid_in(&status, slot), Signal::KILL);
        system.await_status("noticed", |status| {
            status.slots.iter().any(|row| row.state != "serving")
        });
    }
    let acknowledged = joined.join().unwrap();
    system.await_complete();
    let found = tasks(system.balancer);
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    let found: BTreeSet<&String> = found.keys().collect();
    let missing: Vec<_> = acknowledged.iter().filter(|value| !found.contains(value)).collect();
    assert!(missing.is_empty(), "answered and not stored: {missing:?}");
    assert!(acknowledged.len() > WRITERS * WRITES / 2, "{} were answered", acknowledged.len());
}

/// Posts unique values; says which were answered as stored.
fn write(to: SocketAddr, writer: usize, writes: usize) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut client = Client::new(to);
        let values = (0..writes).map(|number| format!("w{writer}-{number}"));
        let stored = |value: &String| {
            let body = format!(r#"{{"value":"{value}"}}"#);
            client.send("POST", "/Tarefa/", &body).is_ok_and(|answer| answer.status == 201)
        };
        values.filter(stored).collect()
    })
}

/// Every value that is stored, with how often.
pub(crate) fn tasks(at: SocketAddr) -> BTreeMap<String, u32> {
    let server = format!("http://{at}");
    let list = cloudaps().args(["task", "list", "--json", "--server", &server]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let mut found = BTreeMap::new();
    for task in list.as_array().unwrap() {
        *found.entry(task["text"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    found
}

#[test]
fn the_client_adds_lists_shows_changes_and_removes_through_the_balancer() {
    let place = Place::new();
    let system = System::up(&place);
    let server = format!("http://{}", system.balancer);
    let tarefa = |words: &[&str]| {
        let output = cloudaps().arg("tarefa").args(words).args(["--server", &server]).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(tarefa(&["adicionar", "a", "b", "c"]).0, Some(0));
    let (_, listed) = tarefa(&["listar"]);
    assert!(["a", "b", "c"].iter().all(|value| listed.contains(value)), "{listed}");
    assert!(tarefa(&["buscar", "2"]).1.contains('b'));
    assert_eq!(tarefa(&["atualizar", "2", "beta"]).0, Some(0));
    assert!(tarefa(&["buscar", "2"]).1.contains("beta"));
    assert_eq!(tarefa(&["apagar", "1", "3"]).0, Some(0));
    assert_eq!(tarefa(&["buscar", "1"]).0, Some(1));
}

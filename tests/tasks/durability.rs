//! What was answered is on the disk, and nothing is there twice.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{JSON, Service, connect, read, request, until};

/// Clients that write at the same time.
const WRITERS: usize = 8;

/// Times that the service is killed.
const KILLS: usize = 5;

/// Answers to wait for before each kill.
const ANSWERED: usize = 60;

/// What became of a text that one writer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored(i64),
    Unknown,
}

/// Adds `text` with itself as the key. `None`: nobody said what became of it.
fn add(address: SocketAddr, text: &str) -> Option<i64> {
    let headers = format!("{JSON}Idempotency-Key: {text}\r\n");
    let body = json!({ "value": text }).to_string();
    let mut stream = connect(address).ok()?;
    stream.write_all(request("POST", "/Tarefa/", &headers, &body).as_bytes()).ok()?;
    let answer = read(&mut BufReader::new(stream), false)?;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_i64()
}

/// Writes until the service is gone.
fn write(address: SocketAddr, name: &str, answered: &AtomicUsize) -> Vec<(String, Fate)> {
    let mut sent = Vec::new();
    loop {
        let text = format!("{name}-{}", sent.len());
        let id = add(address, &text);
        sent.push((text, id.map_or(Fate::Unknown, Fate::Stored)));
        if id.is_none() {
            return sent;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Many write; the service is killed in the middle of it.
fn write_and_kill(service: Service, round: usize) -> BTreeMap<String, Fate> {
    let address = service.address;
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let answered = &answered;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || write(address, &format!("{round}-{writer}"), answered))
            })
            .collect();
        until("writes are answered", || {
            (answered.load(Ordering::Relaxed) >= ANSWERED).then_some(())
        });
        service.kill();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

#[test]
fn after_kill_9_every_answered_write_is_there_and_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut fates = BTreeMap::new();
    for round in 0..KILLS {
        fates.extend(write_and_kill(Service::start(folder.path()), round));

        let service = Service::start(folder.path());
        let mut stored = service.values();
        stored.sort_unstable();
        let count = stored.len();
        stored.dedup();
        assert_eq!(stored.len(), count, "a text is there twice");
        for (text, fate) in &mut fates {
            let is_there = stored.binary_search(text).is_ok();
            assert!(is_there || *fate == Fate::Unknown, "{text} was answered and is lost");
            // The same key again: finds what is there, adds what is not.
            let id = add(service.address, text).unwrap();
            assert!(*fate == Fate::Unknown || *fate == Fate::Stored(id), "{text} is now {id}");
            *fate = Fate::Stored(id);
        }
        assert_eq!(service.values().len(), fates.len(), "every text once");
        service.kill();
    }
    assert!(fates.len() >= KILLS * ANSWERED);
}

#[test]
fn a_change_and_a_removal_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    for text in ["a", "b", "c"] {
        service.add(text);
    }
    assert_eq!(service.ask("PUT", "/Tarefa/1", JSON, r#"{"value":"A"}"#).status, 200);
    assert_eq!(service.ask("DELETE", "/Tarefa/2", "", "").status, 204);
    service.kill();
    assert_eq!(Service::start(folder.path()).values(), ["A", "c"]);
}

#[test]
fn sigterm_lets_requests_end_and_leaves_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    service.add("before");
    let address = service.address;
    let body = r#"{"value":"in flight"}"#;
    let whole = request("POST", "/", JSON, body);
    let (first, second) = whole.split_at(whole.len() - 5);
    let mut stream = connect(address).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    // An answer on a connection that came later: the first one has been accepted.
    assert_eq!(service.get("/").status, 200);

    service.signal(Signal::TERM);
    until("the service accepts no more", || connect(address).is_err().then_some(()));
    stream.write_all(second.as_bytes()).unwrap();
    let answer = read(&mut BufReader::new(stream), false).unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(service.ended().code(), Some(0));

    assert!(!folder.path().join("tasks.db-wal").exists(), "the log was moved into the file");
    assert_eq!(Service::start(folder.path()).values(), ["before", "in flight"]);
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let address = service.address;
    service.add("kept");
    let mut stalled = connect(address).unwrap();
    stalled.write_all(b"POST / HTTP/1.1\r\nHost: tasks\r\nContent-Length: 10\r\n\r\n").unwrap();
    assert_eq!(service.get("/").status, 200);
    service.signal(Signal::TERM);
    until("the service accepts no more", || connect(address).is_err().then_some(()));
    service.signal(Signal::TERM);
    assert_eq!(service.ended().code(), Some(1));
    assert_eq!(Service::start(folder.path()).values(), ["kept"]);
}

//! `cloudaps tasks backup`, `restore` and `copy`: everything arrives, or nothing.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::postgres::Postgres;
use crate::support::{JSON, Service, cloudaps, run, stderr, stdout, until};

fn tasks(words: &[&str]) -> Output {
    run(cloudaps(&["tasks"]).args(words))
}

#[track_caller]
fn done(words: &[&str]) -> String {
    let output = tasks(words);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).to_owned()
}

#[track_caller]
fn assert_refused(words: &[&str], reasons: &[&str]) {
    let output = tasks(words);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(reasons.iter().all(|reason| said.contains(reason)), "{said}");
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("tasks.db").display())
}

/// Adds with a key; the same key again returns the same task.
fn add_with_key(service: &Service, key: &str) -> i64 {
    let headers = format!("{JSON}Idempotency-Key: {key}\r\n");
    let answer = service.ask("POST", "/Tarefa/", &headers, r#"{"text":"keyed"}"#);
    answer.json()["id"].as_i64().unwrap()
}

/// A store with a bit of everything, and what it shows of it.
fn fill(service: &Service) -> Value {
    for text in ["a", "b", "pão", "removed"] {
        service.add(text);
    }
    service.ask("PATCH", "/Tarefa/2", JSON, r#"{"done":true}"#);
    assert_eq!(add_with_key(service, "k"), 5);
    service.add("removed, the last");
    service.ask("DELETE", "/Tarefa/4", "", "");
    service.ask("DELETE", "/Tarefa/6", "", "");
    service.get("/Tarefa/").json()
}

/// The same as in the store that was filled, and it goes on as that one would.
fn assert_same(service: &Service, tasks: &Value, tag: &str) {
    assert_eq!(service.get("/Tarefa/").json(), *tasks);
    assert_eq!(service.get("/Tarefa/2").header("etag"), Some(tag));
    assert_eq!(service.get("/Tarefa/4").status, 410);
    assert_eq!(service.get("/Tarefa/6").status, 410);
    assert_eq!(service.get("/Tarefa/7").status, 404);
    assert_eq!(add_with_key(service, "k"), 5);
    assert_eq!(service.add("next"), 7);
}

#[test]
fn a_copy_is_the_same_in_either_kind_of_store() {
    let Some(postgres) = Postgres::start() else { return };
    let [first, last] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let service = Service::start(first.path());
    let filled = fill(&service);
    let tag = service.get("/Tarefa/2").header("etag").unwrap().to_owned();
    service.stop();

    let said = done(&["copy", &sqlite(first.path()), &postgres.url()]);
    assert!(said.contains("4 tasks, the last number 6, 1 keys"), "{said}");
    let said = done(&["copy", &postgres.url(), &sqlite(last.path())]);
    assert!(said.contains("4 tasks, the last number 6, 1 keys"), "{said}");
    assert_same(&Service::over(&postgres.url()), &filled, &tag);
    assert_same(&Service::start(last.path()), &filled, &tag);
}

#[test]
fn a_store_that_is_not_empty_is_not_written_to() {
    let Some(postgres) = Postgres::start() else { return };
    let [empty, full] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let service = Service::start(full.path());
    service.add("x");
    service.ask("DELETE", "/Tarefa/1", "", "");
    service.stop();
    Service::start(empty.path()).stop();
    let (empty, full) = (sqlite(empty.path()), sqlite(full.path()));
    assert_refused(&["copy", &empty, &full], &["not empty", &full]);
    done(&["copy", &full, &postgres.url()]);
    assert_refused(&["copy", &empty, &postgres.url()], &["not empty", &postgres.url()]);
    let nowhere = "sqlite:///nowhere/tasks.db";
    assert_refused(&["copy", nowhere, &postgres.url()], &["/nowhere/tasks.db"]);
    assert_eq!(tasks(&["copy", "x", &full]).status.code(), Some(64));
}

#[test]
fn a_backup_of_a_store_that_is_served_is_what_it_was_at_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let backup = folder.path().join("backup.db");
    let file = backup.to_str().unwrap();
    let (store, stopping) = (sqlite(folder.path()), AtomicBool::new(false));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let numbers = (0..).take_while(|_| !stopping.load(Ordering::Relaxed));
            numbers.map(|number| service.add(&number.to_string())).last()
        });
        until("there is something to back up", || (service.values().len() > 50).then_some(()));
        done(&["backup", file, "--store", &store]);
        stopping.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() >= Some(50));
    });
    let served = service.values();
    service.stop();
    assert_refused(&["backup", file, "--store", &store], &["backup.db exists"]);
    assert_refused(&["restore", file, "--store", &store], &["not empty"]);

    let restored = tempfile::tempdir().unwrap();
    done(&["restore", file, "--store", &sqlite(restored.path())]);
    let restored = Service::start(restored.path()).values();
    assert!(restored.len() >= 50 && served.starts_with(&restored), "{}", restored.len());
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    left.retain(|entry| entry.file_name().to_string_lossy().contains("backup"));
    assert_eq!(left.len(), 1, "nothing else is left of it: {left:?}");
}

#[test]
fn a_backup_of_postgresql_is_a_file_as_well() {
    let Some(postgres) = Postgres::start() else { return };
    let service = Service::over(&postgres.url());
    let filled = fill(&service);
    let tag = service.get("/Tarefa/2").header("etag").unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.db");
    done(&["backup", backup.to_str().unwrap(), "--store", &postgres.url()]);
    done(&["restore", backup.to_str().unwrap(), "--store", &sqlite(folder.path())]);
    assert_same(&Service::start(folder.path()), &filled, &tag);
}

//! The database file: whose it is, who may open it, what is said otherwise.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::{ANY, JSON, Service, cloudaps, run, serve, stderr, until};

#[track_caller]
fn assert_refused(file: &Path, words: &[&str]) {
    let output = run(&mut serve(file, ANY));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn the_first_line_says_where_it_listens_and_what_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let line = Service::start(folder.path()).line.clone();
    assert!(line.starts_with("tasks: listening on http://127.0.0.1:"), "{line}");
    assert!(line.contains(", store sqlite:///") && line.ends_with("/tasks.db\n"), "{line}");
}

#[test]
fn a_second_service_on_one_file_says_who_has_it_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    service.add("kept");
    let roundabout = folder.path().join(".").join("tasks.db");
    assert_refused(&roundabout, &["tasks.db", "process ", "only one service"]);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.path().join("tasks.db"), &link).unwrap();
    assert_refused(&link, &["tasks.db", "only one service"]);
    assert_eq!(service.values(), ["kept"]);
    service.kill();
    assert_eq!(Service::start(folder.path()).values(), ["kept"]);
}

#[test]
fn a_file_that_is_not_ours_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "remember the milk").unwrap();
    assert_refused(&text, &["notes.txt", "not an SQLite database"]);
    assert_eq!(fs::read(&text).unwrap(), b"remember the milk");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was put next to it");

    let foreign = folder.path().join("foreign.db");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE task (x); INSERT INTO task VALUES (1);").unwrap();
    drop(connection);
    let before = fs::read(&foreign).unwrap();
    assert_refused(&foreign, &["foreign.db", "not one of tasks"]);
    assert_eq!(fs::read(&foreign).unwrap(), before);
}

#[test]
fn a_file_of_a_newer_program_is_refused_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    Service::start(folder.path()).kill();
    let file = folder.path().join("tasks.db");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert_refused(&file, &["tasks.db", "version 99"]);
}

#[test]
fn a_place_that_cannot_be_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_refused(folder.path(), &["the name must be that of a file"]);
    assert_refused(&folder.path().join("nowhere/tasks.db"), &["the folder must exist"]);
}

#[test]
fn a_wrong_store_is_bad_usage() {
    for store in ["mysql://localhost/tasks", "tasks.db", "sqlite://", ""] {
        let output = run(&mut cloudaps(&["tasks", "--listen", "127.0.0.1:0", "--store", store]));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(&format!("`{store}`")) && said.contains("sqlite://PATH"), "{said}");
    }
    assert_eq!(run(&mut cloudaps(&["tasks", "--listen", "x"])).status.code(), Some(64));
}

#[test]
fn an_address_that_is_taken_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&mut serve(&folder.path().join("tasks.db"), &address));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn the_number_of_a_removed_task_is_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    assert_eq!((service.add("a"), service.add("b")), (1, 2));
    service.ask("DELETE", "/Tarefa/2", "", "");
    service.signal(Signal::TERM);
    service.ended();
    assert_eq!(Service::start(folder.path()).add("c"), 3);
}

#[test]
fn a_reader_of_the_file_does_not_stop_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let mut other = Connection::open(folder.path().join("tasks.db")).unwrap();
    let transaction = other.transaction().unwrap();
    let count =
        || transaction.query_row("SELECT count(*) FROM task", [], |row| row.get::<_, i64>(0));
    assert_eq!(count().unwrap(), 0);
    service.add("x");
    assert_eq!((service.values().len(), count().unwrap()), (1, 0));
}

#[test]
fn somebody_elses_lock_makes_a_write_wait_and_then_fail_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let other = Connection::open(folder.path().join("tasks.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let add = || service.ask("POST", "/", JSON, r#"{"value":"x"}"#);
    let answer = add();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("database is locked"));
    assert_eq!(service.get("/Tarefa/").body, "[]", "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    until("a write succeeds", || (add().status == 201).then_some(()));
    assert_eq!(service.values(), ["x"], "the refused one was not done");
}

#[test]
fn a_second_request_with_a_key_that_is_in_use_is_told_so_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let other = Connection::open(folder.path().join("tasks.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let headers = format!("{JSON}Idempotency-Key: k\r\n");
    let add = || service.ask("POST", "/Tarefa/", &headers, r#"{"text":"x"}"#);
    std::thread::scope(|scope| {
        // Two at once; the store takes neither, so whoever is second finds the first one waiting.
        let (first, second) = (scope.spawn(add), scope.spawn(add));
        let refused = until("one is refused", || {
            [&first, &second].into_iter().position(std::thread::ScopedJoinHandle::is_finished)
        });
        other.execute_batch("ROLLBACK").unwrap();
        let (refused, done) = if refused == 0 { (first, second) } else { (second, first) };
        let refused = refused.join().unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (409, Some("1")));
        assert_eq!(done.join().unwrap().status, 201);
    });
    assert_eq!(add().json()["id"], 1, "afterwards it is the same task");
}

#[test]
fn without_a_store_it_makes_one_in_the_current_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = cloudaps(&["tasks", "--listen", ANY])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the file is there", || folder.path().join("tasks.db").is_file().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
}

//! Several task services over one PostgreSQL: none of them is missed, and neither is the database.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use cloudaps::admin::Overview;
use rustix::process::Signal;

use super::database::Postgres;
use super::system::{Place, System, cloudaps, pid_in, pids, signal};
use super::traffic::{Client, Load};

/// What must not be seen anywhere. The server of the tests asks for no password.
const PASSWORD: &str = "hunter2";

/// A place whose configuration wants two task services over the database.
fn stage(postgres: &Postgres) -> (Place, String) {
    let place = Place::new();
    let store = postgres.url().replacen("cloudaps@", &format!("cloudaps:{PASSWORD}@"), 1);
    let config = format!("instances = 2\n[backend]\nstore = {store:?}\nreplicas = 2\n");
    let config = place.write("cloudaps.toml", &config);
    let config = config.to_str().unwrap().to_owned();
    (place, config)
}

fn forwarders(status: &Overview) -> Vec<u32> {
    ["instance-0", "instance-1"].map(|slot| pid_in(status, slot)).into()
}

/// Waits until both forwarders relay to so many backends.
fn await_followed(system: &System, replicas: usize) -> Overview {
    system.await_complete();
    system.await_status("followed by the forwarders", |status| {
        let relays = status.slots.iter().filter_map(|row| row.occupant.as_ref());
        let all = relays.filter(|of| of.backends.len() == replicas).count();
        all == 2 && status.slots.len() == replicas + 2
    })
}

/// Adds so many tasks through the balancer, one after the other.
fn add(system: &System, count: usize) -> Child {
    let mut command = cloudaps();
    command.args(["task", "add", "-", "--server", &format!("http://{}", system.balancer)]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines: String = (0..count).map(|number| format!("task {number}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    child
}

fn assert_all_added(output: &Output, postgres: &Postgres, count: usize) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = postgres.sql("SELECT count(*), count(DISTINCT text) FROM task");
    assert_eq!(found, format!("{count}|{count}"), "some are missing, or there twice");
}

#[test]
fn task_services_are_killed_by_turns_and_no_request_is_lost_and_no_task_is_there_twice() {
    let Some(postgres) = Postgres::start() else { return };
    let (place, config) = stage(&postgres);
    let system = System::up_with(&place, &["-c", &config]);
    let before = await_followed(&system, 2);
    let load = Load::start(system.balancer, "/Tarefa/?limit=10", 4);
    load.await_answers(50);
    let adding = add(&system, 400);
    for slot in ["backend-0", "backend-1", "backend-0"] {
        let killed = pid_in(&await_followed(&system, 2), slot);
        load.await_answers(50);
        signal(killed, Signal::KILL);
        system.await_status("noticed", |status| !pids(status).contains(&killed));
    }
    let output = adding.wait_with_output().unwrap();
    let after = await_followed(&system, 2);
    load.await_answers(50);
    load.stop().assert_nothing_lost();
    assert_all_added(&output, &postgres, 400);
    assert_eq!(forwarders(&before), forwarders(&after), "a forwarder was replaced for it");
}

#[test]
fn a_database_that_goes_away_costs_503_and_nobody_is_replaced_for_it() {
    let Some(mut postgres) = Postgres::start() else { return };
    let (place, config) = stage(&postgres);
    let system = System::up_with(&place, &["-c", &config]);
    let before = await_followed(&system, 2);
    postgres.crash();
    let status = system.await_status("told", |status| !status.holds.is_empty());
    assert!(status.holds[0].text.contains("backend: all answer 503"), "{:?}", status.holds);
    let answer = Client::new(system.balancer).send("GET", "/Tarefa/", "").unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("\"detail\""), "{}", answer.body);
    postgres.restart();
    system.await_status("well", |status| status.holds.is_empty());
    let after = await_followed(&system, 2);
    assert_eq!(pids(&before), pids(&after), "somebody was replaced for it");
    let added = add(&system, 10).wait_with_output().unwrap();
    assert_all_added(&added, &postgres, 10);
}

#[test]
fn task_services_are_scaled_drained_and_adopted_while_tasks_are_added() {
    let Some(postgres) = Postgres::start() else { return };
    let (place, config) = stage(&postgres);
    let system = System::up_with(&place, &["-c", &config]);
    let before = await_followed(&system, 2);
    let load = Load::start(system.balancer, "/Tarefa/?limit=10", 2);
    let adding = add(&system, 300);
    for (words, replicas) in [
        (&["scale", "3", "--group", "backend"][..], 3),
        (&["drain", "backend-1"], 3),
        (&["scale", "2", "--group", "backend"], 2),
    ] {
        load.await_answers(20);
        let done = place.operate(words);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        await_followed(&system, replicas);
    }
    let output = adding.wait_with_output().unwrap();
    load.stop().assert_nothing_lost();
    assert_all_added(&output, &postgres, 300);
    let drained = await_followed(&system, 2);
    assert_eq!(forwarders(&before), forwarders(&drained));
    system.kill();
    let system = System::up_with(&place, &["-c", &config]);
    assert_eq!(pids(&drained), pids(&await_followed(&system, 2)), "not adopted");
}

#[test]
fn the_password_of_the_database_is_nowhere_to_be_seen() {
    let Some(postgres) = Postgres::start() else { return };
    let (place, config) = stage(&postgres);
    let system = System::up_with(&place, &["-c", &config, "--log-filter", "debug"]);
    let status = await_followed(&system, 2);
    for pid in pids(&status) {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert_hidden(&String::from_utf8_lossy(&arguments), "the arguments of a process");
    }
    let shown = place.operate(&["status", "--json"]);
    assert_hidden(&String::from_utf8_lossy(&shown.stdout), "the status");
    let checked = cloudaps().args(["check", "-c", &config]).output().unwrap();
    assert!(checked.status.success());
    assert_hidden(&String::from_utf8_lossy(&checked.stdout), "`cloudaps check`");
    assert_hidden(&system.said(), "the log");
    assert_nowhere_in(&place.state());
}

fn assert_hidden(text: &str, place: &str) {
    assert!(!text.contains(PASSWORD), "the password stands in {place}: {text}");
}

fn assert_nowhere_in(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere_in(&path);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert_hidden(&text, &path.display().to_string());
        }
    }
}

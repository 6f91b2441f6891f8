//! The fleet is broken on purpose, with real signals to real processes, and judged.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::system::{DEADLINE, Place, System, cloudaps, is_alive, is_stopped, pids, signal};
use super::traffic::Client;

/// A short run, and its report.
fn chaos(place: &Place, flags: &[&str]) -> (Option<i32>, Value) {
    let output = place.operate(&[&["chaos", "--json", "--rate", "100"], flags].concat());
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn a_fleet_keeps_every_law_under_every_fault() {
    let place = Place::new();
    let system = System::up_with(&place, &["--allow-chaos"]);
    system.await_complete();
    let (code, report) = chaos(&place, &["--seed", "3", "--for", "10s"]);
    assert_eq!(code, Some(0), "{report:#}\n{}", system.said());
    let laws = report["laws"].as_array().unwrap();
    assert!(laws.len() == 6 && laws.iter().all(|law| law["held"] == true), "{laws:#?}");
    let faults = report["faults"].as_array().unwrap();
    assert!(faults.len() >= 3, "{faults:#?}");
    for (requests, least) in [("gets", 100), ("posts", 10)] {
        assert!(report["requests"][requests]["sent"].as_u64().unwrap() > least, "{report:#}");
    }
    assert!(report["repairs"]["from_fault"]["count"].as_u64().unwrap() > 0, "{report:#}");
    let status = system.await_complete();
    assert!(!pids(&status).into_iter().any(is_stopped));
    let tasks = Client::new(system.balancer).send("GET", "/Tarefa/", "").unwrap();
    assert_eq!(tasks.body, "[]", "what was posted is removed again");
    assert!(system.stop().success());
}

#[test]
fn a_law_that_is_broken_ends_the_command_with_1() {
    let place = Place::new();
    let system = System::up(&place);
    // The task service answers 404 there: every GET counts as lost.
    let (code, report) = chaos(&place, &["--for", "1s", "--path", "/nowhere"]);
    assert_eq!(code, Some(1), "{report:#}");
    let broken: Vec<&Value> =
        report["laws"].as_array().unwrap().iter().filter(|law| law["held"] == false).collect();
    let [law] = &broken[..] else { panic!("{report:#}") };
    assert!(law["because"].as_str().unwrap().contains("404"), "{law}");
    assert!(system.stop().success());
}

#[test]
fn what_the_controller_does_not_allow_is_left_out_and_told() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let alone = place.operate(&["chaos", "--faults", "lost-list,failed-launch"]);
    refused(&alone, 1, &["lost-list", "failed-launch", "--allow-chaos"]);
    let (code, report) = chaos(&place, &["--for", "1s"]);
    assert_eq!(code, Some(0), "{report:#}");
    let left_out = report["left_out"].as_array().unwrap();
    let names: Vec<_> = left_out.iter().map(|of| of["fault"].as_str().unwrap()).collect();
    assert!(["lost-list", "failed-launch"].iter().all(|name| names.contains(name)), "{names:?}");
    let token = std::fs::read_to_string(place.state().join("admin.token")).unwrap();
    let url = format!("http://{}/v1/chaos/launches", system.admin);
    let order = ureq::post(url).header("authorization", format!("Bearer {}", token.trim()));
    let answer = order.config().http_status_as_error(false).build().send("{\"fail\":1}");
    assert_eq!(answer.unwrap().status(), 404, "the routes are not there");
    assert_eq!(pids(&system.await_complete()), pids(&before), "nobody was touched");
    assert!(system.stop().success());
}

#[test]
fn a_second_interrupt_ends_it_at_once_and_leaves_nothing_stopped() {
    let place = Place::new();
    // Nobody is replaced for not answering.
    let config = place.write("patient.toml", "[probe]\ninterval = \"1m\"\ntimeout = \"1m\"\n");
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let fleet = pids(&system.await_complete());
    let mut command: Command = cloudaps();
    command.args(["chaos", "--for", "10m", "--faults", "stop", "--path", "/", "--state-dir"]);
    let mut child = command.arg(place.state()).stderr(Stdio::piped()).spawn().unwrap();
    let began = std::time::Instant::now();
    let stopped = loop {
        if let Some(pid) = fleet.iter().find(|pid| is_stopped(**pid)) {
            break *pid;
        }
        assert!(began.elapsed() < DEADLINE, "nobody was stopped");
        std::thread::yield_now();
    };
    // Now the fleet cannot become whole, which is waited for after the first interrupt.
    assert!(place.operate(&["pause"]).status.success());
    let killed = *fleet.iter().find(|pid| **pid != stopped).unwrap();
    signal(killed, Signal::KILL);
    signal(child.id(), Signal::INT);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("no more faults")), "the first one is acknowledged");
    signal(child.id(), Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let began = std::time::Instant::now();
    while is_stopped(stopped) {
        assert!(began.elapsed() < DEADLINE, "it is still stopped");
        std::thread::yield_now();
    }
    let others = fleet.iter().filter(|pid| **pid != killed);
    assert!(others.into_iter().all(|pid| is_alive(*pid)), "who was stopped lives on");
    assert!(system.stop().success());
}

#[test]
fn what_is_not_ours_is_not_touched_and_what_makes_no_sense_is_refused() {
    let place = Place::new();
    refused(&place.operate(&["chaos"]), 1, &["no `cloudaps up`"]);
    for (flags, words) in [
        (["--for", "2h"], ["1s to 1h", "2h"]),
        (["--faults", "flood"], ["flood", "failed-launch"]),
        (["--rate", "0"], ["0", "1..=10000"]),
        (["--path", "x"], ["x", "begins with `/`"]),
    ] {
        refused(&place.operate(&[&["chaos"][..], &flags].concat()), 64, &words);
    }
    let endpoint = ["--provider", "static", "--endpoint", "127.0.0.1:9"];
    let up = [&["up", "--allow-chaos"][..], &endpoint].concat();
    refused(&place.operate(&up), 64, &["--allow-chaos", "static"]);
    let system = System::spawn(&place, &endpoint);
    system.await_text("127.0.0.1:9 starts");
    refused(&place.operate(&["chaos"]), 1, &["static"]);
}

//! The parts of the benchmark work together: origins, the relay in front of them, and the load.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

/// Requests of one run of the load: enough for every connection to be used again and again.
const REQUESTS: u64 = 400;

/// The longest that a run of the load may take, although it ends after its requests.
const DEADLINE_MS: &str = "10000";

/// A role of the program, ended with the test.
struct Role(Child);

impl Drop for Role {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cloudaps-bench"))
}

/// Three origins, which say where they listen.
fn origins() -> (Role, Vec<String>) {
    let listen = ["--listen", "127.0.0.1:0"].repeat(3);
    let mut command = program();
    command.arg("origin").args(listen).stdout(Stdio::piped());
    let mut role = Role(command.spawn().expect("the origins start"));
    let output = BufReader::new(role.0.stdout.take().expect("it is piped"));
    let addresses = output.lines().take(3).collect::<Result<_, _>>().expect("they say where");
    (role, addresses)
}

/// The relay, once it says that it listens.
fn relay(origins: &[String]) -> (Role, SocketAddr) {
    let mut command = program();
    command.args(["relay", "--listen", "127.0.0.1:0"]);
    command.args(origins.iter().flat_map(|origin| ["--to", origin]));
    let mut role = Role(command.stdout(Stdio::piped()).spawn().expect("the relay starts"));
    let mut line = String::new();
    let output = role.0.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut line).expect("it says where");
    (role, line.trim().parse().expect("it is an address"))
}

/// What the load reports.
fn load(to: SocketAddr, exchange: &str, more: &[&str]) -> serde_json::Value {
    let mut command = program();
    command.args(["load", "--to", &to.to_string(), "--exchange", exchange]);
    command.args(["--connections", "8", "--warmup-ms", "0"]);
    let Output { stdout, stderr, .. } = command.args(more).output().expect("the load runs");
    let text = String::from_utf8_lossy(&stdout);
    let report = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    report.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&stderr)))
}

#[test]
fn every_request_of_the_load_is_relayed_to_an_origin_and_answered() {
    let (_origins, addresses) = origins();
    let (_relay, to) = relay(&addresses);
    let requests = REQUESTS.to_string();
    for exchange in ["get", "post", "download", "connect", "websocket"] {
        let report = load(to, exchange, &["--requests", &requests, "--measure-ms", DEADLINE_MS]);
        let count = |key: &str| report[key].as_u64().unwrap_or(u64::MAX);
        assert_eq!((count("errors"), count("closed")), (0, 0), "{exchange}: {report}");
        // The answers that come together with the last one count, and those still on their way.
        assert!(
            (REQUESTS..REQUESTS + 16).contains(&count("requests_ever")),
            "{exchange}: {report}"
        );
    }
    let report = load(to, "download", &["--requests", "8", "--measure-ms", DEADLINE_MS]);
    assert!(report["bytes"].as_u64() > Some(8 << 20), "eight mebibytes and their heads: {report}");
}

#[test]
fn a_load_at_a_rate_sends_each_request_at_its_time() {
    let (_origins, addresses) = origins();
    // Without a relay in between: what is looked at is the clients.
    let to = addresses[0].parse().expect("it is an address");
    let report = load(to, "get", &["--rate", "500", "--measure-ms", "1000"]);
    let requests = report["requests_ever"].as_u64().expect("it is a count");
    // The first is due at once, the last when the second is over.
    assert!((500..=501).contains(&requests), "500 a second for a second: {report}");
    assert_eq!(report["errors"], 0, "{report}");
}

#[test]
fn a_load_that_takes_turns_rests_in_between_and_reports_them_all() {
    let (_origins, addresses) = origins();
    let turns = ["--turns", "--warmup-ms", "0", "--measure-ms", "100"];
    // A turn of an open loop has as many requests as its time has room for; one of a closed loop
    // has as many as are answered.
    for (more, requests) in [(vec!["--rate", "500"], 100..=102), (vec![], 100..=u64::MAX)] {
        let mut command = program();
        command.args(["load", "--to", &addresses[0], "--connections", "8"]).args(turns).args(more);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut role = Role(child.expect("the load runs"));
        let mut input = role.0.stdin.take().expect("it is piped");
        let mut output = BufReader::new(role.0.stdout.take().expect("it is piped"));
        for _ in 0..2 {
            input.write_all(b"\n").expect("it waits for its turn");
            let words: Result<Vec<_>, _> = output.by_ref().lines().take(3).collect();
            assert_eq!(words.expect("it goes on"), ["started", "stopped", "rested"]);
        }
        drop(input);
        let mut line = String::new();
        output.read_line(&mut line).expect("it reports");
        let report: serde_json::Value = serde_json::from_str(&line).expect("it is a report");
        let count = |key: &str| report[key].as_u64().unwrap_or(u64::MAX);
        assert_eq!((count("errors"), count("closed")), (0, 0), "{report}");
        assert!(requests.contains(&count("requests_ever")), "{report}");
        let seconds = report["seconds"].as_f64().expect("it is a time");
        assert!(seconds >= 0.2, "two turns of a tenth: {report}");
    }
}

#[test]
fn an_origin_with_a_delay_answers_every_request_later() {
    let mut command = program();
    command.args(["origin", "--delay-ms", "5", "--listen", "127.0.0.1:0"]);
    let mut role = Role(command.stdout(Stdio::piped()).spawn().expect("the origin starts"));
    let mut line = String::new();
    let output = role.0.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut line).expect("it says where");
    let to = line.trim().parse().expect("it is an address");
    for exchange in ["get", "post"] {
        let report = load(to, exchange, &["--requests", "200", "--measure-ms", DEADLINE_MS]);
        assert_eq!((&report["errors"], &report["closed"]), (&0.into(), &0.into()), "{report}");
        assert!(report["p50_us"].as_f64() >= Some(5_000.0), "{exchange}: {report}");
    }
}

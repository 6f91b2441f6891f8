//! The parts of the benchmark work together: origins, the relay in front of them, and the load.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

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

/// The origins and the clients in one thread, and a way to order them about.
struct Surroundings {
    _role: Role,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Surroundings {
    fn new(listeners: usize) -> Self {
        let mut command = program();
        command.arg("surroundings").args(["--listen", "127.0.0.1:0"].repeat(listeners));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut role = Role(child.expect("they start"));
        let input = role.0.stdin.take().expect("it is piped");
        let output = BufReader::new(role.0.stdout.take().expect("it is piped"));
        Self { _role: role, input, output }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.input, "{order}").expect("they follow orders");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("they say something");
        line.trim_end().to_owned()
    }

    fn report(&mut self, clients: u32) -> serde_json::Value {
        self.order(&format!("report {clients}"));
        serde_json::from_str(&self.line()).expect("it is a report")
    }
}

#[test]
fn clients_beside_their_origins_take_turns_and_report_them_all() {
    let mut around = Surroundings::new(3);
    let origins: Vec<String> = (0..3).map(|_| around.line()).collect();
    let (_relay, to) = relay(&origins);
    let order = format!("load --to {to} --connections 8 --warmup-ms 0 --measure-ms 100");
    for more in ["", " --rate 500", " --exchange websocket"] {
        around.order(&format!("{order}{more}"));
        assert_eq!(around.line(), "connected");
    }
    for clients in [0, 1, 2, 2, 1, 0] {
        around.order(&format!("turn {clients}"));
        assert_eq!([(); 3].map(|()| around.line()), ["started", "stopped", "rested"]);
    }
    for clients in 0..3 {
        let report = around.report(clients);
        let count = |key: &str| report[key].as_u64().unwrap_or(u64::MAX);
        assert_eq!((count("errors"), count("closed")), (0, 0), "{report}");
        let seconds = report["seconds"].as_f64().expect("it is a time");
        assert!(seconds >= 0.2, "two turns of a tenth: {report}");
        // A turn of an open loop has as many requests as its time has room for; one of a closed
        // loop has as many as are answered.
        let expected = if clients == 1 { 100..=102 } else { 100..=u64::MAX };
        assert!(expected.contains(&count("requests_ever")), "{report}");
    }
}

#[test]
fn surroundings_say_what_they_cannot_do_and_go_on() {
    let mut around = Surroundings::new(1);
    let origin = around.line();
    for (order, complaint) in [
        ("turn 0", "failed: there are no such clients"),
        ("report 7", "failed: there are no such clients"),
        ("turn x", "failed: invalid digit found in string"),
        ("rest", "failed: `rest` is none of `load …`, `turn N` and `report N`"),
    ] {
        around.order(order);
        assert_eq!(around.line(), complaint);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let to = nobody.expect("there are free ports");
    around.order(&format!("load --to {to} --connections 1 --errors-max 8"));
    assert_eq!(around.line(), "connected", "which is only known when it is asked");
    around.order("turn 0");
    assert_eq!(around.line(), "failed: 8 requests failed: the subject does not work");
    around.order(&format!("load --to {origin} --connections 1"));
    assert_eq!(around.line(), "connected");
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

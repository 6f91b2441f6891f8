//! `/metrics` says what happened: its numbers are held to the traffic that was sent and to the
//! instances that were killed, and its form to `promtool`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use cloudaps::exposition::families::{self, Kind};
use rustix::process::Signal;

use super::system::{Forwarder, Place, System, pid_in, signal};
use super::traffic::Client;

/// The samples of an exposition, by name and labels.
type Samples = BTreeMap<String, f64>;

fn get(from: SocketAddr, accept: &str) -> (String, String) {
    let request = ureq::get(format!("http://{from}/metrics")).header("accept", accept);
    let mut answer = request.call().unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.body_mut().read_to_string().unwrap())
}

fn samples(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parse = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(parse).collect()
}

fn read(system: &System) -> Samples {
    samples(&get(system.admin, "").1)
}

/// The sum of all samples whose name begins like this.
fn sum(samples: &Samples, prefix: &str) -> f64 {
    let is_meant = |(name, _): &(&String, &f64)| name.starts_with(prefix);
    samples.iter().filter(is_meant).map(|(_, value)| value).sum()
}

/// Kills who is in the slot, and waits until another one serves there and nobody else is left.
fn replace(system: &System, slot: &str) {
    let killed = pid_in(&system.await_complete(), slot);
    signal(killed, Signal::KILL);
    system.await_status("replaced", |status| {
        let is_whole = status.slots.len() == 4
            && status.slots.iter().all(|row| row.state == "serving" && row.occupant.is_some());
        is_whole && pid_in(status, slot) != killed
    });
}

#[test]
fn every_family_is_told_once_and_every_sample_belongs_to_one() {
    let place = Place::new();
    let system = System::up(&place);
    let (kind, text) = get(system.admin, "");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let expected: BTreeSet<String> = families::ALL
        .iter()
        .map(|family| {
            let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
            format!("{}{suffix} {}", family.name, family.kind.name())
        })
        .collect();
    assert_eq!(told.len(), expected.len());
    assert_eq!(told.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>(), expected);
    assert_eq!(text.matches("# HELP ").count(), expected.len());
    let names: BTreeSet<String> =
        families::ALL.iter().flat_map(|family| family.sample_names()).collect();
    for sample in samples(&text).keys() {
        assert!(names.contains(sample.split('{').next().unwrap()), "{sample}");
    }

    let (kind, open) = get(system.admin, "application/openmetrics-text;version=1.0.0");
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.contains("# TYPE cloudaps_requests counter\n"), "{open}");
    assert!(open.ends_with("\n# EOF\n"), "{open}");
}

#[test]
fn requests_sent_are_requests_counted() {
    let place = Place::new();
    let system = System::up(&place);
    let mut client = Client::new(system.balancer);
    for _ in 0..40 {
        assert_eq!(client.send("GET", "/", "").unwrap().status, 200);
    }
    for _ in 0..2 {
        assert_eq!(client.send("GET", "/Tarefa/none", "").unwrap().status, 404);
    }
    // How long the last one took is only known when its client has got the answer.
    let last = "cloudaps_request_duration_seconds_count{role=\"balancer\"} 42\n";
    system.await_metrics(|text| text.contains(last));
    let samples = read(&system);
    let of = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(of("cloudaps_requests_total{role=\"balancer\"}"), 42.0);
    assert_eq!(of("cloudaps_responses_total{role=\"balancer\",class=\"2xx\"}"), 40.0);
    assert_eq!(of("cloudaps_responses_total{role=\"balancer\",class=\"4xx\"}"), 2.0);
    for histogram in ["cloudaps_time_to_first_byte_seconds", "cloudaps_request_duration_seconds"] {
        assert_eq!(of(&format!("{histogram}_count{{role=\"balancer\"}}")), 42.0);
        assert_eq!(of(&format!("{histogram}_bucket{{role=\"balancer\",le=\"+Inf\"}}")), 42.0);
        assert!(of(&format!("{histogram}_sum{{role=\"balancer\"}}")) > 0.0);
    }
    assert_eq!(sum(&samples, "cloudaps_slot_responses_total{slot=\"instance-"), 42.0);
    assert_eq!(sum(&samples, "cloudaps_slot_time_to_first_byte_seconds_count"), 42.0);
    assert_eq!(sum(&samples, "cloudaps_client_connections_accepted_total"), 1.0);
    assert_eq!(of("cloudaps_client_connections{role=\"balancer\"}"), 1.0);
    let opened = of("cloudaps_upstream_connections_opened_total{role=\"balancer\"}");
    assert_eq!(of("cloudaps_upstream_connections_reused_total{role=\"balancer\"}"), 42.0 - opened);
    assert_eq!(sum(&samples, "cloudaps_slot_serving"), 4.0);
    assert!(of("process_resident_memory_bytes") > 1e6 && of("process_cpu_seconds_total") > 0.0);
}

#[test]
fn a_kill_is_counted_with_its_launch_and_its_repair() {
    let place = Place::new();
    let system = System::up(&place);
    let before = read(&system);
    replace(&system, "instance-1");
    let after = read(&system);
    let more = |name: &str| after[name] - before[name];
    assert_eq!(more("cloudaps_incidents_total{cause=\"gone\"}"), 1.0);
    assert_eq!(more("cloudaps_incidents_ended_total{outcome=\"repaired\"}"), 1.0);
    assert_eq!(more("cloudaps_launches_total{group=\"instance\"}"), 1.0);
    assert_eq!(more("cloudaps_provider_calls_total{verb=\"launch\",outcome=\"ok\"}"), 1.0);
    assert_eq!(more("cloudaps_repair_duration_seconds_count{group=\"instance\"}"), 1.0);
    assert!(more("cloudaps_repair_duration_seconds_sum{group=\"instance\"}") > 0.0);
    assert!(more("cloudaps_probes_total{found=\"well\"}") > 0.0);
    assert!(after["cloudaps_provider_calls_total{verb=\"list\",outcome=\"ok\"}"] > 0.0);
}

/// A server that says that it is well, and closes every other connection without an answer.
fn hypocrite() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).is_ok_and(|it| it > 0)
            {
            }
            if head.contains("cloudaps-probe") {
                let well = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = stream.get_mut().write_all(well.as_bytes());
            }
        }
    });
    address
}

#[test]
fn an_ejection_is_counted_and_so_is_the_failure_of_its_slot() {
    let place = Place::new();
    let well = System::up(&place);
    let (other, bad) = (Place::new(), hypocrite());
    let endpoints = [well.balancer, bad].map(|address| address.to_string());
    let [good, bad] = &endpoints;
    let flags = ["--provider", "static", "--endpoint", good, "--endpoint", bad];
    let system = System::up_with(&other, &flags);
    let ejections = "cloudaps_ejections_total{role=\"balancer\"}";
    assert_eq!(read(&system)[ejections], 0.0);
    let mut client = Client::new(system.balancer);
    // Each goes to the one that has the fewest in flight, and so to either.
    while read(&system)[ejections] == 0.0 {
        assert_eq!(client.send("GET", "/", "").unwrap().status, 200);
    }
    let samples = read(&system);
    assert_eq!(samples[ejections], 1.0);
    assert_eq!(samples["cloudaps_slot_failures_total{slot=\"instance-1\"}"], 1.0);
    assert_eq!(samples["cloudaps_slot_failures_total{slot=\"instance-0\"}"], 0.0);
    assert_eq!(samples["cloudaps_retries_total{role=\"balancer\"}"], 1.0);
}

#[test]
fn replacing_instances_makes_no_more_lines() {
    let place = Place::new();
    let system = System::up(&place);
    let mut client = Client::new(system.balancer);
    let names = |system: &System| read(system).into_keys().collect::<Vec<_>>();
    let before = names(&system);
    for slot in ["instance-0", "backend-0", "instance-1", "instance-0"] {
        replace(&system, slot);
        assert_eq!(client.send("GET", "/", "").unwrap().status, 200);
    }
    assert_eq!(names(&system), before);
}

#[test]
fn a_forwarder_tells_its_part_on_its_control_listener() {
    let place = Place::new();
    let system = System::up(&place);
    let forwarder = Forwarder::start(system.balancer, &[]);
    let mut client = Client::new(forwarder.listen);
    assert_eq!(client.send("GET", "/", "").unwrap().status, 200);
    let samples = samples(&get(forwarder.control, "").1);
    assert_eq!(samples["cloudaps_requests_total{role=\"forwarder\"}"], 1.0);
    assert!(samples.contains_key("process_open_fds"));
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return eprintln!("skipped: there is no promtool (Debian's package `prometheus`)");
    };
    let place = Place::new();
    let system = System::up(&place);
    let (_, text) = get(system.admin, "");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let judged = promtool.wait_with_output().unwrap();
    assert!(judged.status.success() && judged.stderr.is_empty(), "{judged:?}");
}

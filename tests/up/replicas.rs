//! Several backends at a time: forwarders share their requests among them, and miss none of them.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;

use cloudaps::admin::Overview;
use rustix::process::Signal;

use super::system::{DEADLINE, Place, System, pid_in, signal};
use super::traffic::{Client, Load};

/// A server that says who it is. `/wait` answers when the file `go` is there, and says before with
/// the file `began` that it waits; a file named like the process makes its health check say 503.
const SERVER: &str = "\
import http.server, os, sys, time

folder = sys.argv[2]

class Who(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        status = '200 OK'
        if self.path == '/wait':
            open(folder + '/began', 'w').close()
            while not os.path.exists(folder + '/go'):
                time.sleep(0.01)
        if self.path == '/health' and os.path.exists(f'{folder}/{os.getpid()}'):
            status = '503 Service Unavailable'
        who = str(os.getpid())
        head = f'HTTP/1.1 {status}\\r\\nContent-Length: {len(who)}\\r\\n\\r\\n'
        self.wfile.write((head + who).encode())

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Who).serve_forever()
";

/// A place with a configuration of so many replicas of the server.
struct Stage {
    place: Place,
    config: PathBuf,
    folder: PathBuf,
}

impl Stage {
    fn new(replicas: u32) -> Self {
        let place = Place::new();
        let script = place.write("who.py", SERVER);
        let folder = script.parent().unwrap().to_owned();
        let config = format!(
            "instances = 2\n[backend]\n\
             command = [\"python3\", {script:?}, \"{{port}}\", {folder:?}]\n\
             health = \"/health\"\ndata = \"shared\"\nreplicas = {replicas}\n"
        );
        let config = place.write("cloudaps.toml", &config);
        Self { place, config, folder }
    }

    fn up(&self) -> System {
        System::up_with(&self.place, &["-c", self.config.to_str().unwrap()])
    }
}

/// Who answers, until so many different ones have.
fn answering(at: SocketAddr, count: usize) -> BTreeSet<u32> {
    let (mut client, mut found) = (Client::new(at), BTreeSet::new());
    let began = std::time::Instant::now();
    while found.len() < count {
        assert!(began.elapsed() < DEADLINE, "only {found:?} answer");
        found.insert(client.send("GET", "/", "").unwrap().body.parse().unwrap());
    }
    found
}

/// Waits until nobody else answers any more. What a forwarder is told reaches its threads a moment
/// after it has said that it knows.
fn await_only(at: SocketAddr, pid: u32) {
    const IN_A_ROW: u32 = 20;
    let (mut client, mut answers) = (Client::new(at), 0);
    let began = std::time::Instant::now();
    while answers < IN_A_ROW {
        assert!(began.elapsed() < DEADLINE, "others than {pid} answer");
        let answered: u32 = client.send("GET", "/", "").unwrap().body.parse().unwrap();
        answers = if answered == pid { answers + 1 } else { 0 };
    }
}

fn backends(status: &Overview) -> BTreeSet<u32> {
    let rows = status.slots.iter().filter(|row| row.slot.starts_with("backend-"));
    rows.filter_map(|row| row.occupant.as_ref()?.pid).collect()
}

fn forwarders(status: &Overview) -> Vec<u32> {
    ["instance-0", "instance-1"].map(|slot| pid_in(status, slot)).into()
}

/// Waits until every forwarder relays to every backend, and nobody else is left.
fn await_followed(system: &System, replicas: usize) -> Overview {
    system.await_status("followed by the forwarders", |status| {
        let rows = || status.slots.iter();
        let relays = rows().filter_map(|row| row.occupant.as_ref());
        let relays = relays.filter(|of| of.backend.is_some());
        let is_backend = |slot: &str| slot.starts_with("backend-");
        let addresses = rows().filter(|row| is_backend(&row.slot) && row.state == "serving");
        let addresses = addresses.filter_map(|row| row.occupant.as_ref()?.address.as_ref()?.ip());
        let addresses: BTreeSet<SocketAddr> = addresses.collect();
        addresses.len() == replicas
            && status.slots.len() == replicas + 2
            && relays.filter(|of| of.backends == addresses).count() == 2
    })
}

#[test]
fn a_killed_replica_costs_no_request_and_no_forwarder() {
    let stage = Stage::new(2);
    let system = stage.up();
    let before = await_followed(&system, 2);
    assert_eq!(answering(system.balancer, 2), backends(&before), "both have requests");
    let load = Load::start(system.balancer, "/", 8);
    load.await_answers(500);
    let killed = pid_in(&before, "backend-0");
    signal(killed, Signal::KILL);
    system.await_status("noticed", |status| !backends(status).contains(&killed));
    let after = await_followed(&system, 2);
    load.await_answers(200);
    load.stop().assert_nothing_lost();
    assert_eq!(answering(system.balancer, 2), backends(&after), "the successor has requests");
    assert_eq!(forwarders(&before), forwarders(&after), "a forwarder was replaced for it");
    assert_eq!(pid_in(&before, "backend-1"), pid_in(&after, "backend-1"));
}

#[test]
fn requests_that_wait_for_a_hung_replica_are_answered_by_another() {
    let stage = Stage::new(2);
    let system = stage.up();
    let before = await_followed(&system, 2);
    let hung = pid_in(&before, "backend-1");
    let load = Load::start(system.balancer, "/", 4);
    load.await_answers(100);
    signal(hung, Signal::STOP);
    system.await_status("replaced", |status| {
        status.backend.serving == 2 && !backends(status).contains(&hung)
    });
    load.await_answers(100);
    load.stop().assert_nothing_lost();
    let after = await_followed(&system, 2);
    assert_eq!(forwarders(&before), forwarders(&after));
}

#[test]
fn a_drained_replica_finishes_what_its_forwarders_have_sent_it() {
    let stage = Stage::new(1);
    let system = stage.up();
    let before = await_followed(&system, 1);
    let drained = pid_in(&before, "backend-0");
    let balancer = system.balancer;
    let waiting = thread::spawn(move || Client::new(balancer).send("GET", "/wait", "").unwrap());
    await_file(&stage.folder.join("began"));
    assert!(stage.place.operate(&["drain", "backend-0"]).status.success());
    system.await_status("succeeded", |status| {
        status.slots.iter().any(|row| row.slot == "backend-0" && row.state == "serving")
            && status.slots.iter().any(|row| row.state == "draining")
    });
    assert_ne!(answering(system.balancer, 1), BTreeSet::from([drained]), "it has new requests");
    fs::write(stage.folder.join("go"), "").unwrap();
    let answer = waiting.join().unwrap();
    assert_eq!((answer.status, answer.body), (200, drained.to_string()));
    let after = await_followed(&system, 1);
    assert!(!backends(&after).contains(&drained));
    assert_eq!(forwarders(&before), forwarders(&after));
}

#[test]
fn replicas_are_scaled_and_replaced_under_load_without_a_loss() {
    let stage = Stage::new(1);
    let system = stage.up();
    let before = await_followed(&system, 1);
    let load = Load::start(system.balancer, "/", 4);
    load.await_answers(100);
    let operate = |words: &[&str]| {
        let output = stage.place.operate(words);
        assert!(output.status.success(), "{output:?}");
    };
    operate(&["scale", "3", "--group", "backend"]);
    let three = await_followed(&system, 3);
    assert_eq!(answering(system.balancer, 3), backends(&three));
    let replaced = pid_in(&three, "backend-1");
    operate(&["replace", "backend-1"]);
    system.await_status("replaced", |status| !backends(status).contains(&replaced));
    await_followed(&system, 3);
    operate(&["scale", "1", "--group", "backend"]);
    let after = await_followed(&system, 1);
    load.await_answers(100);
    load.stop().assert_nothing_lost();
    assert_eq!(forwarders(&before), forwarders(&after));
    let refused = stage.place.operate(&["scale", "0", "--group", "backend"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("allowed are 1 to 100"), "{said}");
}

#[test]
fn the_next_up_adopts_every_replica() {
    let stage = Stage::new(2);
    let system = stage.up();
    let before = await_followed(&system, 2);
    system.kill();
    let system = stage.up();
    let after = await_followed(&system, 2);
    assert_eq!((backends(&before), forwarders(&before)), (backends(&after), forwarders(&after)));
    assert_eq!(answering(system.balancer, 2), backends(&after));
}

#[test]
fn who_says_503_has_no_requests_while_another_is_well_and_nobody_is_replaced_for_it() {
    let stage = Stage::new(2);
    let system = stage.up();
    let before = await_followed(&system, 2);
    let [first, second] = ["backend-0", "backend-1"].map(|slot| pid_in(&before, slot));
    let unwell = |pid: u32| stage.folder.join(pid.to_string());
    let relaying_to_one = |status: &Overview| {
        let relays = status.slots.iter().filter_map(|row| row.occupant.as_ref());
        relays.filter(|of| of.backends.len() == 1).count() == 2
    };
    fs::write(unwell(first), "").unwrap();
    let status = system.await_status("avoided", relaying_to_one);
    assert!(status.holds.is_empty(), "{:?}", status.holds);
    await_only(system.balancer, second);
    fs::write(unwell(second), "").unwrap();
    let status = system.await_status("told", |status| !status.holds.is_empty());
    assert!(status.holds[0].text.contains("backend: all answer 503"), "{:?}", status.holds);
    assert_eq!(answering(system.balancer, 2), backends(&before), "all are as good as each other");
    for pid in [first, second] {
        fs::remove_file(unwell(pid)).unwrap();
    }
    system.await_status("well", |status| status.holds.is_empty());
    let after = await_followed(&system, 2);
    assert_eq!((backends(&before), forwarders(&before)), (backends(&after), forwarders(&after)));
}

#[test]
fn a_backend_with_its_data_to_itself_is_not_scaled() {
    let place = Place::new();
    let system = System::up(&place);
    system.await_complete();
    let refused = place.operate(&["scale", "2", "--group", "backend"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("can be open only once"), "{said}");
}

fn await_file(path: &Path) {
    let began = std::time::Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < DEADLINE, "{} is not there", path.display());
        thread::yield_now();
    }
}

//! The access log of the real program: where it is refused, and how it is rotated.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use super::system::{DEADLINE, Forwarder, Place, System, cloudaps, signal};
use super::traffic::Client;

fn config(place: &Place, log: &Path) -> String {
    let text = format!("[proxy]\naccess_log = {log:?}\n");
    place.write("cloudaps.toml", &text).to_str().unwrap().to_owned()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_log_is_moved_away_under_traffic_and_has_every_request_once() {
    const REQUESTS: usize = 300;
    let place = Place::new();
    let [now, before] = ["access.log", "access.log.1"].map(|name| place.write(name, ""));
    let system = System::up_with(&place, &["-c", &config(&place, &now)]);
    let mut client = Client::new(system.balancer);
    for number in 0..REQUESTS {
        if number == REQUESTS / 2 {
            fs::rename(&now, &before).unwrap();
            signal(system.pid(), Signal::USR1);
            system.await_text("is opened anew");
        }
        assert_eq!(client.send("GET", &format!("/?{number}"), "").unwrap().status, 200);
    }
    assert!(system.stop().success());
    let lines = [lines(&before), lines(&now)].concat();
    let targets: Vec<&str> = lines.iter().map(|line| line["target"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..REQUESTS).map(|number| format!("/?{number}")).collect();
    // The forwarders, which read the same file, have added nothing.
    assert_eq!(targets, expected);
    assert!(lines.iter().all(|line| line["status"] == 200 && line["tries"] == 1), "{lines:#?}");
}

#[test]
fn the_signal_for_the_log_ends_nothing_where_there_is_none() {
    let place = Place::new();
    let system = System::up(&place);
    signal(system.pid(), Signal::USR1);
    assert_eq!(Client::new(system.balancer).send("GET", "/", "").unwrap().status, 200);
    assert!(system.stop().success());
}

#[test]
fn a_log_that_cannot_be_opened_is_refused_before_any_port_is_bound() {
    let place = Place::new();
    for (log, reason) in [("no/such/folder/access.log", "No such file"), ("-", "not offered")] {
        let config = config(&place, Path::new(log));
        // A port that is not this machine's: whoever tries it says so.
        let mut up = cloudaps();
        up.args(["up", "-c", &config, "--listen", "192.0.2.1:1", "--state-dir"]);
        let output = up.arg(place.state()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        for word in ["access_log", log, reason] {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
    }
}

#[test]
fn a_forwarder_by_itself_logs_where_it_is_told_to() {
    let place = Place::new();
    let system = System::up(&place);
    let log = place.write("forward.log", "");
    let flags = ["--access-log", log.to_str().unwrap()];
    let forwarder = Forwarder::start(system.balancer, &flags);
    let mut client = Client::new(forwarder.listen);
    assert_eq!(client.send("GET", "/x", "").unwrap().status, 404);
    let began = std::time::Instant::now();
    while !fs::read_to_string(&log).unwrap().ends_with('\n') {
        assert!(began.elapsed() < DEADLINE, "nothing was logged");
        std::thread::yield_now();
    }
    assert_eq!((&lines(&log)[0]["target"], &lines(&log)[0]["status"]), (&"/x".into(), &404.into()));
    assert!(forwarder.stop().success());
    assert!(system.stop().success());
}

//! Starting, stopping, and refusing to.

use std::net::TcpListener;

use rustix::process::Signal;

use super::system::{Place, System, cloudaps, is_alive, pids, run, signal};
use super::traffic::Client;

#[test]
fn one_command_brings_up_three_instances_and_a_backend_and_takes_them_down_again() {
    let place = Place::new();
    let system = System::up(&place);
    let status = system.await_complete();
    assert_eq!((status.instances.desired, status.backend.desired), (3, 1));
    let answer = Client::new(system.balancer).send("GET", "/", "").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "200"));

    assert!(system.stop().success());
    for pid in pids(&status) {
        assert!(!is_alive(pid), "pid {pid} was left running");
    }
}

#[test]
fn requests_that_come_before_the_first_instance_serves_are_held_and_not_refused() {
    let place = Place::new();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let system = System::spawn(&place, &["--listen", &listen]);
    system.await_text("instance-0");
    let answer = Client::new(listen.parse().unwrap()).send("GET", "/", "").unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn a_second_signal_stops_at_once_and_leaves_nothing_running() {
    let place = Place::new();
    let config = place.write(
        "slow.toml",
        // A server that never ends by itself, and an instance that may take ten minutes to stop.
        "[instance]\ncommand = [\"python3\", \"-c\", \"import signal, sys, http.server as h\\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n\
         h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler)\
         .serve_forever()\", \"{port}\"]\n[fleet]\nstop_timeout = \"10m\"\n",
    );
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let status = system.await_complete();
    signal(system.pid(), Signal::INT);
    system.await_text("a second signal stops at once");
    signal(system.pid(), Signal::INT);
    assert_eq!(system.wait().code(), Some(1));
    for pid in pids(&status) {
        assert!(!is_alive(pid), "pid {pid} was left running");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin"] {
        let place = Place::new();
        let other = if flag == "--listen" { "--admin" } else { "--listen" };
        let mut up = cloudaps();
        up.args(["up", flag, &taken, other, "127.0.0.1:0", "--state-dir"]).arg(place.state());
        let output = up.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&taken) && said.contains(flag), "{said}");
        assert!(!place.state().join("instances").join("instance-0").exists());
    }
}

#[test]
fn a_second_up_on_one_state_directory_says_who_has_it() {
    let place = Place::new();
    let system = System::up(&place);
    let mut second = cloudaps();
    second.args(["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state-dir"]);
    let output = second.arg(place.state()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&system.pid().to_string()), "{said}");
    assert!(system.stop().success());
}

#[test]
fn a_bad_configuration_is_refused_before_anything_is_done() {
    let place = Place::new();
    let config = place.write("bad.toml", "[probe]\ninterval = \"0s\"\n");
    let config = config.to_str().unwrap();
    let state = place.state();
    for words in [
        &["check", "-c", config][..],
        &["up", "-c", config, "--state-dir", state.to_str().unwrap()],
        &["up", "--instances", "5000", "--state-dir", state.to_str().unwrap()],
        &["up", "--provider", "static"],
        &["up", "--no-such-flag"],
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {output:?}");
    }
    assert!(!state.exists());
    let said = String::from_utf8(run(&["check", "-c", config]).stderr).unwrap();
    for word in ["bad.toml", "line 2", "interval = \"0s\"", "10ms to 10m"] {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn check_prints_the_settings_with_every_default() {
    let place = Place::new();
    let config = place.write("good.toml", "instances = 4\n");
    let output = run(&["check", "-c", config.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(said.contains("instances = 4") && said.contains("hold_timeout = \"10s\""), "{said}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

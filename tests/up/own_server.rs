//! A server of the user's own, and servers that exist without us.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::thread;

use rustix::process::Signal;

use super::system::{Place, System, pid_in, pids, signal};
use super::traffic::{Client, Load};

/// Says its answer in one write: no proxy could hide that a server was killed in the middle of one.
const OWN_SERVER: &str = "\
import http.server, sys

class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.wfile.write(b'HTTP/1.0 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello')

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Hello).serve_forever()
";

/// One of them, whichever starts first, fails every other health check, and nothing else.
const MOODY_SERVER: &str = "\
import http.server, itertools, os, sys

try:
    os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL))
    moods = itertools.cycle(['200 OK', '500 No'])
except FileExistsError:
    moods = itertools.repeat('200 OK')

class Moody(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = next(moods) if self.path == '/health' else '200 OK'
        self.wfile.write(f'HTTP/1.0 {status}\\r\\nContent-Length: 5\\r\\n\\r\\nhello'.encode())

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Moody).serve_forever()
";

#[test]
fn a_server_that_is_well_and_unwell_by_turns_is_replaced_and_no_request_is_lost() {
    let place = Place::new();
    let script = place.write("moody.py", MOODY_SERVER);
    let marker = script.with_file_name("taken");
    let (script, marker) = (script.display(), marker.display());
    let text = format!(
        "[instance]\ncommand = [\"python3\", \"{script}\", \"{{port}}\", \"{marker}\"]\n\
         health = \"/health\"\n[probe]\ninterval = \"50ms\"\nflapping = \"1s\"\n"
    );
    let config = place.write("moody.toml", &text);
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let before = pids(&system.await_complete());
    let load = Load::start(system.balancer, "/", 4);
    let line = system.await_text("is to go: is well and unwell by turns");
    let after = pids(&system.await_complete());
    load.await_answers(100);
    load.stop().assert_nothing_lost();
    let gone: Vec<_> = before.iter().filter(|pid| !after.contains(pid)).collect();
    assert_eq!(gone.len(), 1, "{before:?}, then {after:?}");
    assert!(line.contains(&format!("pid {} ", gone[0])), "{line}");
    assert!(system.stop().success());
}

#[test]
fn a_server_of_ones_own_is_balanced_and_healed_the_same_way() {
    let place = Place::new();
    let script = place.write("own.py", OWN_SERVER);
    let command = format!("[\"python3\", \"{}\", \"{{port}}\"]", script.display());
    let config = place.write("own.toml", &format!("[instance]\ncommand = {command}\n"));
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let before = system.await_complete();
    assert_eq!((before.instances.serving, before.backend.desired), (3, 0));
    let answer = Client::new(system.balancer).send("GET", "/index.html", "").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));

    let load = Load::start(system.balancer, "/index.html", 4);
    load.await_answers(100);
    let killed = pid_in(&before, "instance-2");
    signal(killed, Signal::KILL);
    let after = system.await_status("healed", |status| {
        let row =
            status.slots.iter().find(|row| row.slot == "instance-2" && row.state == "serving");
        row.and_then(|row| row.occupant.as_ref()).is_some_and(|of| of.pid != Some(killed))
    });
    load.await_answers(100);
    load.stop().assert_nothing_lost();
    assert_eq!(pid_in(&after, "instance-0"), pid_in(&before, "instance-0"));
    assert!(system.stop().success());
}

#[test]
fn a_server_behind_a_unix_socket_is_probed_and_balanced_over_like_any_other() {
    let place = Place::new();
    let folder = place.write("folder", "").parent().unwrap().to_owned();
    let path = folder.join("app.sock");
    let local = UnixListener::bind(&path).unwrap();
    thread::spawn(move || local.incoming().flatten().for_each(|stream| tell(stream, "local")));
    let (remote, socket) = (Server::start("remote"), format!("unix:{}", path.display()));
    let addresses = [socket.clone(), remote.address.to_string()];
    let flags = ["--provider", "static", "--endpoint", &addresses[0], "--endpoint", &addresses[1]];
    let system = System::up_with(&place, &flags);
    let status = system.await_complete();
    assert_eq!(answers(&system), ["local", "remote"]);
    let shown = status.slots[0].occupant.as_ref().unwrap().address.as_ref().unwrap().to_string();
    assert_eq!(shown, socket);
    let table = place.operate(&["status"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains(&socket), "{table:?}");
    // Nobody can connect any more, which the next probes find.
    std::fs::remove_file(&path).unwrap();
    system.await_status("found gone", |status| status.instances.serving == 1);
    assert_eq!(answers(&system), ["remote"]);
    assert!(system.stop().success());
}

#[test]
fn servers_that_exist_are_balanced_over_and_never_ended() {
    let (first, second) = (Server::start("first"), Server::start("second"));
    let place = Place::new();
    let endpoints = [first.address.to_string(), second.address.to_string()];
    let flags = ["--provider", "static", "--endpoint", &endpoints[0], "--endpoint", &endpoints[1]];
    let system = System::up_with(&place, &flags);
    let status = system.await_complete();
    assert_eq!((status.ownership.as_str(), status.instances.serving), ("foreign", 2));
    assert_eq!(answers(&system), ["first", "second"]);

    let drained = place.operate(&["drain", "instance-0"]);
    assert!(drained.status.success(), "{drained:?}");
    system.await_status("drained", |status| status.instances.serving == 1);
    assert_eq!(answers(&system), ["second"]);
    assert!(place.operate(&["resume"]).status.success());
    system.await_complete();
    assert_eq!(answers(&system), ["first", "second"]);

    let refused = place.operate(&["replace", "instance-0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("owns no machine"), "{refused:?}");
    assert!(system.stop().success());
}

/// Who answers, each named once.
fn answers(system: &System) -> Vec<String> {
    let mut client = Client::new(system.balancer);
    let answers = (0..50).map(|_| client.send("GET", "/", "").unwrap().body);
    let mut names: Vec<String> = answers.collect();
    names.sort();
    names.dedup();
    names
}

/// A server that says its name, once per connection, for as long as the test lasts.
pub(super) struct Server {
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| tell(stream, name));
        });
        Self { address }
    }
}

/// Answers one request with a name.
fn tell(mut stream: impl Read + Write, name: &str) {
    let mut head = [0; 4096];
    // A request of this test fits into one segment.
    if stream.read(&mut head).is_ok_and(|read| read > 0) {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
        let _ = write!(stream, "{head}: {}\r\n\r\n{name}", name.len());
    }
}

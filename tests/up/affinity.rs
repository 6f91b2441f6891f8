//! Clients that belong to a server, and servers that take more than others.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;

use super::own_server::Server;
use super::system::{DEADLINE, Place, System};

/// One request on a connection of its own, with these header lines; the head and the body of its
/// answer.
fn ask(balancer: SocketAddr, lines: &str) -> (String, String) {
    let mut stream = TcpStream::connect(balancer).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    (head.to_owned(), body.to_owned())
}

/// The cookie that an answer sets, as the client sends it back.
fn given(head: &str) -> Option<String> {
    let line = head.lines().find(|line| line.starts_with("Set-Cookie: "))?;
    let pair = line.trim_start_matches("Set-Cookie: ").split(';').next()?;
    Some(format!("Cookie: {pair}\r\n"))
}

/// Flags for three servers and what the file says about the proxy.
fn flags(place: &Place, endpoints: &str, proxy: &str) -> Vec<String> {
    let text = format!("provider = \"static\"\nendpoints = [{endpoints}]\n[proxy]\n{proxy}\n");
    let path = place.write("affinity.toml", &text);
    vec!["-c".to_owned(), path.to_str().unwrap().to_owned()]
}

fn up(place: &Place, flags: &[String]) -> System {
    System::up_with(place, &flags.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_client_sticks_to_its_server_over_a_restart_until_it_is_drained() {
    let servers = ["first", "second", "third"].map(Server::start);
    let place = Place::new();
    let endpoints = servers.iter().map(|server| format!("\"{}\"", server.address));
    let endpoints: Vec<String> = endpoints.collect();
    let flags = flags(&place, &endpoints.join(", "), "sticky = \"cookie:srv\"");
    let before = up(&place, &flags);
    before.await_complete();
    let (head, home) = ask(before.balancer, "");
    let cookie = given(&head).expect("a client without a cookie is given one");
    for _ in 0..10 {
        let (head, name) = ask(before.balancer, &cookie);
        assert_eq!((name, given(&head)), (home.clone(), None));
    }
    let mode = place.state().join("sticky.key").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    before.kill();

    let after = up(&place, &flags);
    after.await_complete();
    for _ in 0..10 {
        let (head, name) = ask(after.balancer, &cookie);
        assert_eq!((name, given(&head)), (home.clone(), None));
    }
    let slot = ["first", "second", "third"].iter().position(|name| *name == home).unwrap();
    assert!(place.operate(&["drain", &format!("instance-{slot}")]).status.success());
    after.await_status("drained", |status| status.instances.serving == 2);
    // The threads take over the new snapshot a moment after it was published.
    let mut asked = (0..1000).map(|_| ask(after.balancer, &cookie));
    let (head, elsewhere) = asked.find(|(_, name)| *name != home).expect("the client moves");
    let cookie = given(&head).expect("a client that moves is given a new cookie");
    assert_eq!(ask(after.balancer, &cookie).1, elsewhere);
    assert!(after.stop().success());
}

#[test]
fn weights_and_keys_work_through_the_real_program() {
    let servers = ["first", "second"].map(Server::start);
    let [first, second] = servers.each_ref().map(|server| server.address);
    let place = Place::new();
    let endpoints = format!("\"{first}\", {{ address = \"{second}\", weight = 300 }}");
    let turns =
        flags(&place, &endpoints, "balance = \"round_robin\"\nslow_start = \"0s\"\nthreads = 1");
    let system = up(&place, &turns);
    system.await_complete();
    let mut met = BTreeMap::new();
    for _ in 0..40 {
        *met.entry(ask(system.balancer, "").1).or_insert(0) += 1;
    }
    assert_eq!(met, BTreeMap::from([("first".to_owned(), 10), ("second".to_owned(), 30)]));
    assert!(!place.state().join("sticky.key").exists(), "nobody sticks, so there is no key");
    assert!(system.stop().success());

    let keys = flags(&place, &endpoints, "balance = \"hash\"\nhash_on = \"header:X-User\"");
    let answers = |system: &System| {
        let users = (0..40).map(|number| format!("X-User: {number}\r\n"));
        users.map(|line| ask(system.balancer, &line).1).collect::<Vec<String>>()
    };
    let system = up(&place, &keys);
    system.await_complete();
    // The threads take over the new snapshot a moment after it was published.
    let mut asked = (0..1000).map(|_| [answers(&system), answers(&system)]);
    let settled = |[met, again]: &[Vec<String>; 2]| {
        met == again && ["first", "second"].iter().all(|name| met.iter().any(|of| of == name))
    };
    let [before, _] = asked.find(settled).expect("both servers have keys, and the same ones");
    assert_eq!(answers(&system), before);
    assert!(system.stop().success());
    let system = up(&place, &keys);
    system.await_complete();
    assert!((0..1000).any(|_| answers(&system) == before), "the keys belong where they belonged");
    assert_eq!(answers(&system), before);
    assert!(system.stop().success());
}

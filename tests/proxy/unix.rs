//! Endpoints on Unix-domain sockets.

use std::time::Duration;

use cloudaps::address::Address;
use cloudaps::proxy::{Failure, Hold, Report, Settings, Timeouts};

use super::world::{GET, OK, POST, Proxy, UnixOrigin, field, settings, status, until};

/// A name that no other test and no other run uses at the same time.
fn abstract_name(test: &str) -> String {
    format!("unix:@cloudaps-test-{}-{test}", std::process::id())
}

#[test]
fn requests_go_over_a_socket_of_either_kind_and_reuse_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}/app.sock", folder.path().display());
    for name in [path, abstract_name("reuse")] {
        let origin = UnixOrigin::new(&name);
        let proxy = Proxy::start_over(settings(), &[origin.address()]);
        let mut client = proxy.client();
        client.send(GET);
        let mut server = origin.accept();
        assert_eq!(field(&server.head(), "host"), Some("a"));
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
        client.send(POST);
        server.head();
        assert_eq!(server.body(5), "hello");
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
        assert_eq!((proxy.counters().connects, proxy.counters().reuses), (1, 1));
    }
}

#[test]
fn bodies_that_fill_the_socket_pass_whole_both_ways() {
    let body = "0123456789abcdef".repeat(128 * 1024);
    let origin = UnixOrigin::new(&abstract_name("bodies"));
    let proxy = Proxy::start_over(settings(), &[origin.address()]);
    let (mut client, length) = (proxy.client(), body.len());
    let sent = body.clone();
    let serving = std::thread::spawn(move || {
        let mut server = origin.accept();
        server.head();
        assert!(server.body(sent.len()) == sent, "the body was changed on its way");
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{sent}"));
    });
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
    assert!(client.answer().1 == body, "the body was changed on its way back");
    serving.join().unwrap();
}

#[test]
fn a_socket_that_is_not_there_is_refused_and_found_when_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("unix:{}/app.sock", folder.path().display());
    let address: Address = name.parse().unwrap();
    let mut proxy = Proxy::start_over(settings(), &[address]);
    let mut client = proxy.client();
    client.send(GET);
    let report = proxy.report();
    assert!(matches!(report, Report::Failed { failure: Failure::Refused, .. }), "{report:?}");
    // The request is held meanwhile.
    let origin = UnixOrigin::new(&name);
    let mut server = origin.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_server_that_left_its_socket_behind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let origin = UnixOrigin::new(&format!("unix:{}/app.sock", folder.path().display()));
    let address = origin.address();
    drop(origin);
    let hold = Hold { requests_max: 0, ..Hold::default() };
    let mut proxy = Proxy::start_over(Settings { hold, ..settings() }, &[address]);
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.answer().0), 502);
    let report = proxy.report();
    assert!(matches!(report, Report::Failed { failure: Failure::Refused, .. }), "{report:?}");
}

#[test]
fn a_connection_that_its_server_closed_is_not_used_again() {
    let origin = UnixOrigin::new(&abstract_name("closed"));
    let proxy = Proxy::start_over(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send(OK);
    client.answer();
    drop(server);
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    until("it was opened anew", || proxy.counters().connects == 2);
}

#[test]
fn what_an_endpoint_did_not_take_of_a_request_is_not_the_next_one() {
    const SHORT: Duration = Duration::from_millis(100);
    let timeouts = Timeouts { stall: SHORT, first_byte: SHORT, ..settings().timeouts };
    let origin = UnixOrigin::new(&abstract_name("stuck"));
    let proxy = Proxy::start_over(Settings { timeouts, ..settings() }, &[origin.address()]);
    // The endpoint reads nothing. The system takes a small request for it, and not all of a large
    // one, whose rest stands where the next one would begin.
    let mut servers = Vec::new();
    for (kilobytes, connection, answers) in [(64, "keep-alive", 2), (1024, "close", 1)] {
        let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(kilobytes * 1024 / 35);
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut client = proxy.client();
        client.try_send(format!("{head}{body}{last}"));
        servers.push(origin.accept());
        let (told, _) = client.rest_or_reset();
        assert_eq!(field(&told, "connection"), Some(connection), "{kilobytes} KiB");
        assert_eq!(told.matches("HTTP/1.1 504 ").count(), answers, "{told}");
        assert_eq!(told.matches("HTTP/1.1 ").count(), answers, "{told}");
    }
    assert_eq!(proxy.counters().requests, 3);
}

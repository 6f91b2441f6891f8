//! Requests wait while nothing can take them, within limits.

use std::time::Duration;

use cloudaps::pool::{EndpointId, Standing};
use cloudaps::proxy::{Hold, Report, Settings};

use super::world::{GET, OK, Origin, POST, Proxy, field, settings, status, text, until};

const SHORT: Duration = Duration::from_millis(50);

fn holding(hold: Hold) -> Settings {
    Settings { hold, ..settings() }
}

#[test]
fn a_held_request_is_served_when_an_endpoint_appears() {
    for request in [GET, POST] {
        let mut proxy = Proxy::start(settings(), &[]);
        let mut client = proxy.client();
        client.send(request);
        until("it is held", || proxy.counters().held == 1);
        let origin = Origin::new();
        proxy.add(origin.address());
        let mut server = origin.accept();
        server.head();
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
    }
}

#[test]
fn a_held_request_is_served_when_its_endpoint_comes_back_on_the_same_address() {
    for size in [5, 4_096] {
        let (address, port) = Origin::refusing();
        let proxy = Proxy::start(settings(), &[address]);
        let mut client = proxy.client();
        let body = text(size);
        // What has come behind the request waits with it, and is no part of it.
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{body}{GET}"
        ));
        until("it is held", || proxy.counters().held == 1);
        // The port is ours already: now it listens.
        socket2::SockRef::from(&port).listen(8).unwrap();
        let mut server = Origin::on(port).accept();
        server.head();
        assert_eq!(server.body(size), body);
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
        assert!(server.head().starts_with("GET / "));
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
    }
}

#[test]
fn what_nobody_takes_in_time_is_a_503_with_a_time_to_come_back() {
    let hold = Hold { timeout: SHORT, ..Hold::default() };
    let proxy = Proxy::start(holding(hold), &[]);
    let mut client = proxy.client();
    client.send(POST);
    let (head, body) = client.answer();
    assert_eq!((status(&head), field(&head, "retry-after")), (503, Some("1")));
    assert!(body.contains("No server could take the request in time."), "{body}");
    // The request was read to its end: the connection goes on.
    client.send(GET);
    assert_eq!(status(&client.answer().0), 503);
}

#[test]
fn what_was_tried_in_vain_until_the_end_is_told_as_it_failed_last() {
    // Whether it waited or could not.
    for requests_max in [1, 0] {
        let hold = Hold { timeout: SHORT, requests_max, ..Hold::default() };
        let (refusing, _port) = Origin::refusing();
        let proxy = Proxy::start(holding(hold), &[refusing]);
        let mut client = proxy.client();
        for request in [POST, GET] {
            client.send(request);
            let (head, body) = client.answer();
            assert_eq!((status(&head), field(&head, "retry-after")), (502, None));
            let told = field(&head, "proxy-status").unwrap();
            assert!(told.contains("error=connection_refused; details=\"server: "), "{told}");
            assert!(body.contains("The server refused the connection."), "{body}");
        }
        assert_eq!(proxy.counters().held, 2 * requests_max as u64);
    }
}

#[test]
fn what_was_tried_before_nothing_served_any_more_is_a_503() {
    let hold = Hold { timeout: Duration::from_secs(2), ..Hold::default() };
    let (refusing, _port) = Origin::refusing();
    let mut proxy = Proxy::start(holding(hold), &[refusing]);
    let mut client = proxy.client();
    client.send(GET);
    until("it was tried and is held", || proxy.counters().held == 1);
    proxy.set_standing(0, Standing::Lost);
    let head = client.answer().0;
    assert_eq!((status(&head), field(&head, "retry-after")), (503, Some("1")));
}

#[test]
fn more_than_may_wait_are_turned_away_at_once() {
    let hold = Hold { requests_max: 1, timeout: Duration::from_secs(3600), ..Hold::default() };
    let proxy = Proxy::start(holding(hold), &[]);
    let mut first = proxy.client();
    first.send(GET);
    until("it is held", || proxy.counters().held == 1);
    let mut second = proxy.client();
    second.send(GET);
    let (head, body) = second.answer();
    assert_eq!(status(&head), 503);
    assert!(body.contains("too many wait"), "{body}");
    // One that leaves makes room.
    drop(first);
    until("its place is free", || {
        let mut third = proxy.client();
        let turned_away = proxy.counters().answers[5];
        third.send(GET);
        until("it is held or turned away", || {
            proxy.counters().held == 2 || proxy.counters().answers[5] > turned_away
        });
        proxy.counters().held == 2
    });
}

#[test]
fn held_bytes_are_bounded() {
    let hold = Hold { bytes_max: 1000, ..Hold::default() };
    let proxy = Proxy::start(holding(hold), &[]);
    let mut client = proxy.client();
    let body = "x".repeat(2000);
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n{body}"));
    assert_eq!(status(&client.answer().0), 503);
    assert_eq!(proxy.counters().held, 0);
}

#[test]
fn a_request_waits_for_the_last_one_that_drains() {
    let origin = Origin::new();
    let mut proxy = Proxy::start(settings(), &[origin.address()]);
    proxy.set_standing(0, Standing::Draining);
    let quiet = Report::Quiet { endpoint: EndpointId::new(0), thread: 0 };
    assert_eq!(proxy.report(), quiet);
    let mut client = proxy.client();
    client.send(GET);
    until("it is held", || proxy.counters().held == 1);
    assert!(origin.is_untouched());
    proxy.set_standing(0, Standing::Serving);
    origin.accept().send(OK);
    assert_eq!(client.answer().1, "ok");
}

//! Limits of size and time, and how they are told.

use std::time::Duration;

use cloudaps::http1;
use cloudaps::pool::EndpointId;
use cloudaps::proxy::{Failure, Hold, Limits, Report, Retry, Settings, Timeouts};

use super::world::{GET, OK, Origin, POST, Proxy, field, first_exchange, settings, status, until};

const SHORT: Duration = Duration::from_millis(50);

fn limited(limits: Limits) -> Settings {
    Settings { limits, ..settings() }
}

fn timed(timeouts: Timeouts) -> Settings {
    Settings { timeouts, ..settings() }
}

/// What a client is answered that sends `request`, and that its connection ends then.
fn refusal(settings: Settings, request: &str) -> u16 {
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let mut client = proxy.client();
    client.send(request);
    let (head, _) = client.answer();
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(client.rest(), "");
    assert!(origin.is_untouched(), "it was sent on");
    status(&head)
}

#[test]
fn a_head_that_is_too_large_is_a_431() {
    let head = http1::Limits { head: 4096, ..http1::Limits::default() };
    let settings = limited(Limits { head, ..Limits::default() });
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(5000));
    assert_eq!(refusal(settings, &request), 431);
}

#[test]
fn too_many_header_lines_are_a_431() {
    let lines =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
    let head = http1::Limits { headers: 50, ..http1::Limits::default() };
    let settings = limited(Limits { head, ..Limits::default() });
    assert_eq!(refusal(settings.clone(), &lines(50)), 431);
    // One less, and the endpoint is asked.
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let mut client = proxy.client();
    client.send(lines(49));
    origin.accept().send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_target_that_is_too_long_is_a_414() {
    let head = http1::Limits { target: 1000, ..http1::Limits::default() };
    let settings = limited(Limits { head, ..Limits::default() });
    let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(2000));
    assert_eq!(refusal(settings, &request), 414);
}

#[test]
fn a_body_that_is_too_large_is_a_413() {
    let settings = limited(Limits { body_max: 4, ..Limits::default() });
    assert_eq!(refusal(settings.clone(), POST), 413);
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    assert_eq!(refusal(settings, chunked), 413);
}

#[test]
fn a_large_head_within_the_limit_passes() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    let value = "x".repeat(60_000);
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n"));
    let mut server = origin.accept();
    assert_eq!(field(&server.head(), "x"), Some(value.as_str()));
    server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: {value}\r\n\r\nok"));
    let (head, body) = client.answer();
    assert_eq!((field(&head, "x"), body.as_str()), (Some(value.as_str()), "ok"));
}

#[test]
fn a_refused_client_reads_its_answer_although_it_goes_on_sending() {
    let settings = limited(Limits { body_max: 1000, ..Limits::default() });
    let proxy = Proxy::start(settings, &[]);
    let mut client = proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client.send("x".repeat(100_000));
    assert_eq!(status(&client.answer().0), 413);
    client.finish();
    assert_eq!(client.rest(), "");
}

/// Nothing is held, and tried once: what cannot be done is told at once.
fn hasty(timeouts: Timeouts) -> Settings {
    let hold = Hold { requests_max: 0, ..Hold::default() };
    Settings { hold, retry: Retry { tries: 0, ..Retry::default() }, ..timed(timeouts) }
}

#[test]
fn an_endpoint_that_does_not_take_the_connection_in_time_is_passed_over() {
    let deaf = Origin::deaf();
    let timeouts = Timeouts { connect: SHORT, ..Timeouts::default() };
    let mut proxy = Proxy::start(hasty(timeouts), &[deaf.address()]);
    let mut client = proxy.client();
    client.send(POST);
    // Nothing was sent, so it would be tried again, but nothing is held here.
    let head = client.answer().0;
    assert_eq!(status(&head), 504);
    let told = field(&head, "proxy-status").unwrap();
    assert!(told.contains("error=connection_timeout; details=\"server: "), "{told}");
    let (endpoint, failure) = (EndpointId::new(0), Failure::ConnectTimedOut);
    assert_eq!(proxy.report(), Report::Failed { endpoint, failure });
    let origin = Origin::new();
    proxy.add(origin.address());
    client.send(POST);
    origin.accept().send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn all_tries_and_waits_together_have_a_limit() {
    // Waiting for an endpoint, and for its answer.
    let timeouts = Timeouts { total: SHORT, ..Timeouts::default() };
    let proxy = Proxy::start(timed(timeouts), &[]);
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.answer().0), 503);
    let origin = Origin::new();
    let proxy = Proxy::start(timed(timeouts), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let _server = origin.accept();
    assert_eq!(status(&client.answer().0), 504);
}

#[test]
fn an_endpoint_that_does_not_read_the_request_is_not_waited_for() {
    const LARGE: usize = 64 * 1024 * 1024;
    let timeouts = Timeouts { stall: SHORT, first_byte: SHORT, ..Timeouts::default() };
    let origin = Origin::new();
    let proxy = Proxy::start(hasty(timeouts), &[origin.address()]);
    let mut client = proxy.client();
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    let _server = origin.accept();
    until("the client is answered", || {
        client.send_until_full(&[b'x'; 4096], LARGE / 2);
        client.is_readable()
    });
    assert_eq!(status(&client.answer().0), 504);
}

#[test]
fn a_refused_client_that_does_not_leave_is_dropped() {
    let timeouts = Timeouts { linger: SHORT, ..Timeouts::default() };
    let proxy = Proxy::start(timed(timeouts), &[]);
    let mut client = proxy.client();
    client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&client.answer().0), 405);
    assert_eq!(client.rest(), "");
    until("it is dropped", || proxy.counters().closed == 1);
}

#[test]
fn an_answer_that_stalls_is_cut() {
    let settings = timed(Timeouts { stall: SHORT, ..Timeouts::default() });
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc");
    client.head();
    assert_eq!(client.rest_or_reset().0, "abc");
}

#[test]
fn an_idle_connection_to_an_endpoint_is_closed_in_time() {
    let settings = timed(Timeouts { upstream_idle: SHORT, ..Timeouts::default() });
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let (_client, mut server) = first_exchange(&proxy, &origin, GET);
    assert_eq!(server.rest(), "");
}

#[test]
fn clients_beyond_the_limit_wait_for_one_to_leave() {
    let settings = limited(Limits { connections_max: 1, ..Limits::default() });
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let (first, mut server) = first_exchange(&proxy, &origin, GET);
    let mut second = proxy.client();
    second.send(GET);
    assert_eq!(proxy.counters().accepted, 1);
    drop(first);
    server.head();
    server.send(OK);
    assert_eq!(second.answer().1, "ok");
    until("both are counted", || proxy.counters().accepted == 2);
}

#[test]
fn a_request_for_ourselves_is_not_sent_on() {
    let proxy = Proxy::start(settings(), &[]);
    let mut client = proxy.client();
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    let head = client.head();
    assert_eq!(status(&head), 204);
    assert!(field(&head, "allow").unwrap().contains("PATCH"));
}

//! The retry table, row by row, against endpoints that fail in each of the ways.

use std::time::Duration;

use cloudaps::pool::{EndpointId, Standing};
use cloudaps::proxy::{Failure, Hold, Report, Settings};

use super::world::{
    GET, OK, Origin, POST, Proxy, field, first_exchange, settings, status, text, until,
};

fn failed(number: u64, failure: Failure) -> Report {
    Report::Failed { endpoint: EndpointId::new(number), failure }
}

#[test]
fn a_refused_request_of_any_method_goes_elsewhere() {
    let body = text(4_096);
    let large = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n{body}");
    for (request, body) in [(GET, ""), (POST, "hello"), (&large, &body)] {
        let origin = Origin::new();
        let (refusing, _port) = Origin::refusing();
        let mut proxy = Proxy::start(settings(), &[refusing, origin.address()]);
        // Whichever is picked first: after some requests the refusing one was.
        let mut client = proxy.client();
        client.send(request);
        let mut server = origin.accept();
        server.head();
        assert_eq!(server.body(body.len()), body);
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
        for _ in 0..50 {
            client.send(request);
            server.head();
            assert_eq!(server.body(body.len()), body);
            server.send(OK);
            assert_eq!(status(&client.answer().0), 200);
        }
        assert_eq!(proxy.reports(), [failed(0, Failure::Refused)], "met more than once");
        let counters = proxy.counters();
        assert_eq!((counters.retries, counters.ejections), (1, 1));
        assert!(proxy.traffic(0).is_ejected(cloudaps::clock::now()));
    }
}

#[test]
fn a_reused_connection_that_was_closed_costs_a_get_nothing() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let (_, mut server) = first_exchange(&proxy, &origin, GET);
    let mut client = proxy.client();
    client.send(GET);
    // It has the request, and closes as if it had been idle for too long.
    server.head();
    drop(server);
    let mut fresh = origin.accept();
    fresh.head();
    fresh.send(OK);
    assert_eq!(client.answer().1, "ok");
    assert_eq!(proxy.counters().ejections, 0, "an old connection says nothing of its endpoint");
}

#[test]
fn a_post_that_was_written_to_a_reused_connection_is_not_repeated() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let (_, mut server) = first_exchange(&proxy, &origin, GET);
    let mut client = proxy.client();
    client.send(POST);
    server.head();
    server.reset();
    let (head, body) = client.answer();
    assert_eq!(status(&head), 502);
    assert!(field(&head, "proxy-status").unwrap().contains("error=connection_terminated"));
    assert!(body.contains("closed the connection before it answered"), "{body}");
    assert!(origin.is_untouched());
}

#[test]
fn a_post_does_not_take_a_connection_that_has_been_closed() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    drop(first_exchange(&proxy, &origin, GET));
    let mut client = proxy.client();
    client.send(POST);
    let mut fresh = origin.accept();
    fresh.head();
    fresh.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_get_that_was_sent_and_reset_goes_elsewhere() {
    let origins = [Origin::new(), Origin::new()];
    let mut proxy = Proxy::start(settings(), &[origins[0].address(), origins[1].address()]);
    let mut client = proxy.client();
    client.send(GET);
    let first = usize::from(
        origins[0].is_untouched() && {
            until("a connection", || !origins.iter().all(Origin::is_untouched));
            origins[0].is_untouched()
        },
    );
    let mut server = origins[first].accept();
    server.head();
    server.reset();
    let mut other = origins[1 - first].accept();
    other.head();
    other.send(OK);
    assert_eq!(client.answer().1, "ok");
    assert_eq!(proxy.reports(), [failed(first as u64, Failure::Reset)]);
}

#[test]
fn a_post_that_was_sent_and_reset_is_executed_once_at_most() {
    let origin = Origin::new();
    let (refusing, _port) = Origin::refusing();
    let proxy = Proxy::start(settings(), &[origin.address(), refusing]);
    let mut client = proxy.client();
    client.send(POST);
    let mut server = origin.accept();
    server.head();
    server.body(5);
    server.reset();
    assert_eq!(status(&client.answer().0), 502);
    assert!(origin.is_untouched(), "it was sent a second time");
}

#[test]
fn a_put_with_a_body_that_was_kept_is_sent_again_whole() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let mut server = origin.accept();
    server.head();
    assert_eq!(server.through("abc\r\n"), "3\r\nabc\r\n");
    client.send("2\r\nde\r\n0\r\n\r\n");
    assert_eq!(server.through("0\r\n\r\n"), "2\r\nde\r\n0\r\n\r\n");
    server.reset();
    let mut again = origin.accept();
    again.head();
    assert_eq!(again.through("0\r\n\r\n"), "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    again.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_put_with_a_body_beyond_the_limit_is_not_sent_again() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    let body = "x".repeat(200_000);
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{body}"));
    let mut server = origin.accept();
    server.head();
    server.body(200_000);
    server.reset();
    assert_eq!(status(&client.answer().0), 502);
}

#[test]
fn an_answer_that_breaks_off_never_ends_cleanly() {
    let heads = ["Content-Length: 50", "Transfer-Encoding: chunked"];
    for (framing, sent) in heads.into_iter().zip(["abc", "3\r\nabc\r\n"]) {
        let origin = Origin::new();
        let proxy = Proxy::start(settings(), &[origin.address()]);
        let mut client = proxy.client();
        client.send(GET);
        let mut server = origin.accept();
        server.head();
        server.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{sent}"));
        client.head();
        client.through("abc");
        drop(server);
        let (rest, _) = client.rest_or_reset();
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        assert!(origin.is_untouched(), "an answer that had begun was asked for again");
        until("it is counted", || proxy.counters().aborted == 1);
    }
}

#[test]
fn a_client_of_1_0_sees_a_reset_when_the_answer_breaks_off() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.head();
    client.through("abc");
    drop(server);
    assert!(!client.rest_or_reset().1, "it took the answer for whole");
}

#[test]
fn a_half_read_head_is_a_502_and_not_repeated() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-");
    drop(server);
    assert_eq!(status(&client.answer().0), 502);
    assert!(origin.is_untouched());
}

#[test]
fn a_request_that_kills_every_endpoint_is_given_up() {
    let origin = Origin::new();
    let hold = Hold { pause_first: Duration::from_millis(1), ..Hold::default() };
    let proxy = Proxy::start(Settings { hold, ..settings() }, &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    for _ in 0..4 {
        let mut server = origin.accept();
        server.head();
        server.reset();
    }
    assert_eq!(status(&client.answer().0), 502);
    assert!(origin.is_untouched());
}

#[test]
fn a_get_that_waits_on_a_lost_endpoint_goes_elsewhere_at_once() {
    let lost = Origin::new();
    let mut proxy = Proxy::start(settings(), &[lost.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = lost.accept();
    server.head();
    let other = Origin::new();
    proxy.add(other.address());
    proxy.set_standing(0, Standing::Lost);
    let mut successor = other.accept();
    successor.head();
    successor.send(OK);
    assert_eq!(client.answer().1, "ok");
    assert_eq!(server.rest_or_reset().0, "");
}

#[test]
fn a_post_that_waits_on_a_lost_endpoint_stays_there() {
    let lost = Origin::new();
    let mut proxy = Proxy::start(settings(), &[lost.address()]);
    let mut client = proxy.client();
    client.send(POST);
    let mut server = lost.accept();
    server.head();
    let other = Origin::new();
    proxy.add(other.address());
    proxy.set_standing(0, Standing::Lost);
    // The other one, which has no requests, proves that the snapshots were applied.
    proxy.set_standing(1, Standing::Draining);
    let quiet = Report::Quiet { endpoint: EndpointId::new(1), thread: 0 };
    assert_eq!(proxy.report(), quiet);
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

//! Clients that leave early.

use super::world::{GET, OK, Origin, POST, Proxy, settings, until};

#[test]
fn a_client_that_leaves_while_it_waits_frees_its_endpoint() {
    for request in [GET, POST] {
        let origin = Origin::new();
        let proxy = Proxy::start(settings(), &[origin.address()]);
        let mut client = proxy.client();
        client.send(request);
        let mut server = origin.accept();
        server.head();
        assert_eq!(proxy.traffic(0).total(), 1);
        drop(client);
        // Cancelled: the endpoint need not go on.
        server.rest_or_reset();
        until("capacity is returned", || proxy.traffic(0).total() == 0);
        until("it is counted", || proxy.counters().abandoned == 1);
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_request_takes_it_along() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
    let mut server = origin.accept();
    server.head();
    assert_eq!(server.body(3), "abc");
    drop(client);
    assert_eq!(server.rest_or_reset().0, "");
    until("capacity is returned", || proxy.traffic(0).total() == 0);
    assert!(origin.is_untouched(), "half a request was repeated");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_answer_frees_its_endpoint() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc");
    client.through("abc");
    client.reset();
    // Although the endpoint sends nothing that could fail to be delivered.
    server.rest_or_reset();
    until("capacity is returned", || proxy.traffic(0).total() == 0);
}

#[test]
fn a_client_that_leaves_between_requests_is_no_failure() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    origin.accept().send(OK);
    client.answer();
    drop(client);
    until("it is counted", || proxy.counters().closed == 1);
    assert_eq!(proxy.counters().abandoned, 0);
}

#[test]
fn a_client_that_ends_its_side_before_the_answer_has_left() {
    // Nobody can tell whether it still reads; an answer that nobody reads costs an endpoint.
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    client.finish();
    server.rest_or_reset();
    assert_eq!(client.rest_or_reset().0, "");
    until("it is counted", || proxy.counters().abandoned == 1);
    until("capacity is returned", || proxy.traffic(0).total() == 0);
}

#[test]
fn a_client_that_ends_its_side_after_its_answer_is_closed_in_order() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    origin.accept().send(OK);
    client.answer();
    client.finish();
    assert_eq!(client.rest(), "");
    until("it is counted", || proxy.counters().closed == 1);
}

#[test]
fn a_client_that_says_more_than_its_last_request_is_answered_all_the_same() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut server = origin.accept();
    server.head();
    // Nobody reads it, so closing the connection resets it.
    client.send("and another thing");
    server.send(OK);
    let (answer, _) = client.rest_or_reset();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    assert!(answer.ends_with("ok"), "{answer:?}");
}

//! Messages pass as they should: framing, persistence, order, interim answers.

use super::world::{GET, OK, Origin, POST, Proxy, field, first_exchange, settings, status};

#[test]
fn both_connections_carry_one_request_after_the_other() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    for number in 0..3 {
        let head = server.head();
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(field(&head, "via"), Some("1.1 cloudaps"));
        server.send(OK);
        let (head, body) = client.answer();
        assert_eq!((status(&head), body.as_str()), (200, "ok"));
        if number < 2 {
            client.send(GET);
        }
    }
    assert!(origin.is_untouched(), "the connection was not used again");
    let counters = proxy.counters();
    assert_eq!((counters.requests, counters.connects, counters.reuses), (3, 1, 2));
    assert_eq!((counters.answers[2], counters.accepted), (3, 1));
}

#[test]
fn a_request_with_a_length_arrives_whole() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(POST);
    let mut server = origin.accept();
    let head = server.head();
    assert_eq!(field(&head, "content-length"), Some("5"));
    assert_eq!(server.body(5), "hello");
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_chunked_request_is_framed_anew() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3;name=value\r\nabc\r\n");
    let mut server = origin.accept();
    let head = server.head();
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    assert_eq!(field(&head, "content-length"), None);
    assert_eq!(server.through("abc\r\n"), "3\r\nabc\r\n");
    client.send("2\r\nde\r\n0\r\n\r\n");
    assert_eq!(server.through("0\r\n\r\n"), "2\r\nde\r\n0\r\n\r\n");
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    // The connections are at a boundary, and go on.
    client.send(GET);
    assert!(server.head().starts_with("GET / "));
}

#[test]
fn a_chunked_answer_is_framed_anew() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n");
    assert_eq!(field(&client.head(), "transfer-encoding"), Some("chunked"));
    assert_eq!(client.through("abc\r\n"), "3\r\nabc\r\n");
    server.send("0\r\nTrailer: dropped\r\n\r\n");
    assert_eq!(client.through("0\r\n\r\n"), "0\r\n\r\n");
    client.send(GET);
    assert!(server.head().starts_with("GET / "), "the connection was not used again");
}

#[test]
fn a_body_that_lasts_until_the_close_becomes_chunks() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\n\r\nabc");
    assert_eq!(field(&client.head(), "transfer-encoding"), Some("chunked"));
    assert_eq!(client.through("abc\r\n"), "3\r\nabc\r\n");
    drop(server);
    assert_eq!(client.through("0\r\n\r\n"), "0\r\n\r\n");
    client.send(GET);
    origin.accept().send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_client_of_1_0_may_keep_its_connection() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    let request = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    client.send(request);
    let mut server = origin.accept();
    for _ in 0..2 {
        assert_eq!(field(&server.head(), "via"), Some("1.0 cloudaps"));
        server.send(OK);
        let (head, body) = client.answer();
        assert_eq!((field(&head, "connection"), body.as_str()), (Some("keep-alive"), "ok"));
        client.send(request);
    }
    // Without a length there is no other end than the connection's.
    server.head();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(field(&client.head(), "connection"), Some("close"));
    assert_eq!(client.rest(), "abc");
}

#[test]
fn a_server_of_1_0_ends_its_connection_unless_it_says_otherwise() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
    assert_eq!(client.answer().1, "ok");
    client.send(GET);
    server.head();
    server.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer().1, "ok");
    assert_eq!(server.rest(), "", "it was asked again");
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.0 200 OK\r\n\r\nabc");
    drop(server);
    assert_eq!(field(&client.head(), "transfer-encoding"), Some("chunked"));
    assert_eq!(client.through("0\r\n\r\n"), "3\r\nabc\r\n0\r\n\r\n");
}

#[test]
fn trailers_of_a_request_end_here_and_the_connections_go_on() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("2\r\nab\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n");
    let mut server = origin.accept();
    assert_eq!(field(&server.head(), "trailer"), None);
    assert_eq!(server.through("0\r\n\r\n"), "2\r\nab\r\n0\r\n\r\n");
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    client.send(GET);
    assert!(server.head().starts_with("GET / "));
}

#[test]
fn a_client_need_not_wait_for_the_100_that_it_expects() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    let expect = "Expect: 100-continue";
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{expect}\r\n\r\nhello"));
    let mut server = origin.accept();
    server.head();
    assert_eq!(server.body(5), "hello");
    server.send(OK);
    let (head, body) = client.answer();
    assert_eq!((status(&head), body.as_str()), (200, "ok"));
    client.send(GET);
    assert!(server.head().starts_with("GET / "), "the connections were not used again");
}

#[test]
fn bytes_on_an_idle_connection_end_it() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let (mut client, mut server) = first_exchange(&proxy, &origin, GET);
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    // Noticed with the next tick at the latest.
    assert_eq!(server.rest_or_reset().0, "");
    client.send(GET);
    origin.accept().send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn what_is_not_http_is_a_502_that_says_so() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    origin.accept().send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    let (head, body) = client.answer();
    assert_eq!(status(&head), 502);
    assert!(field(&head, "proxy-status").unwrap().contains("error=http_protocol_error"));
    assert!(body.contains("The server did not answer in HTTP."), "{body}");
    assert!(field(&head, "x-request-id").is_some());
}

#[test]
fn what_a_request_says_of_its_trace_passes_as_it_is() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (parent, state) in [(parent, "a=1,b=\"2\""), ("not valid, and not ours to mend", "?")] {
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nTraceParent: {parent}\r\ntracestate: {state}\r\n\r\n"
        ));
        let mut server = origin.accept();
        let head = server.head();
        assert_eq!(field(&head, "traceparent"), Some(parent));
        assert_eq!(field(&head, "tracestate"), Some(state));
        server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(client.answer().1, "ok");
    }
}

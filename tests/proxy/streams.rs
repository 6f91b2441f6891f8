//! Bodies larger than any buffer: they flow, and nobody hoards them.

use std::ops::Range;
use std::thread;

use super::world::{
    GET, OK, Origin, Proxy, Wire, field, first_exchange, settings, status, text, until,
};

/// Many times what the engine and the kernel would buffer.
const LARGE: usize = 64 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// What a large body consists of: no two neighbours are alike, nor shifted against each other, so
/// that nothing can be lost, doubled or exchanged unnoticed.
fn piece(number: usize) -> String {
    format!("{number:08x}").repeat(PIECE / 8)
}

fn send_large(wire: &mut Wire) {
    send_pieces(wire, 0..LARGE / PIECE);
}

fn send_pieces(wire: &mut Wire, numbers: Range<usize>) {
    numbers.for_each(|number| wire.send(piece(number)));
}

fn read_large(wire: &mut Wire) {
    read_pieces(wire, 0..LARGE / PIECE);
}

fn read_pieces(wire: &mut Wire, numbers: Range<usize>) {
    for number in numbers {
        assert!(wire.body(PIECE) == piece(number), "piece {number} is another");
    }
}

/// Around what is copied, what is read at once, and what goes through a pipe.
#[test]
fn bodies_of_all_sizes_end_where_the_next_message_begins() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let (mut client, mut server) = first_exchange(&proxy, &origin, GET);
    for size in [1, 2_047, 2_048, 2_049, 4_096, 16_000, 16_384, 20_000, 70_000, 100_000] {
        for method in ["POST", "PUT"] {
            let body = text(size);
            let head = format!("Content-Length: {size}\r\n\r\n");
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{head}{body}{GET}"));
            assert!(server.head().starts_with(method));
            assert!(server.body(size) == body, "{method} of {size} bytes");
            server.send(format!("HTTP/1.1 200 OK\r\n{head}{body}"));
            assert!(client.answer().1 == body, "answer of {size} bytes");
            assert!(server.head().starts_with("GET"));
            server.send(OK);
            assert_eq!(client.answer().1, "ok");
        }
    }
    assert_eq!(proxy.counters().connects, 1);
}

#[test]
fn a_large_request_arrives_whole() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    let sending = thread::spawn(move || {
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
        send_large(&mut client);
        client.answer()
    });
    let mut server = origin.accept();
    server.head();
    read_large(&mut server);
    server.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&sending.join().unwrap().0), 201);
}

#[test]
fn a_large_answer_arrives_whole() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    let sending = thread::spawn(move || {
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        send_large(&mut server);
    });
    client.head();
    read_large(&mut client);
    sending.join().unwrap();
}

#[test]
fn a_large_request_that_is_answered_on_the_way_arrives_whole_all_the_same() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let (mut client, half) = (proxy.client(), LARGE / PIECE / 2);
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    let mut server = origin.accept();
    server.head();
    let sending = thread::spawn(move || {
        send_large(&mut client);
        client
    });
    read_pieces(&mut server, 0..half);
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    read_pieces(&mut server, half..LARGE / PIECE);
    server.send("cd");
    assert_eq!(sending.join().unwrap().answer().1, "abcd");
}

#[test]
fn what_follows_a_large_answer_is_not_taken_for_the_next_one() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    let sending = thread::spawn(move || {
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        send_large(&mut server);
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        server
    });
    client.head();
    read_large(&mut client);
    let _open = sending.join().unwrap();
    client.send(GET);
    let mut other = origin.accept();
    other.head();
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    assert_eq!(client.answer().1, "good");
}

#[test]
fn both_directions_flow_at_once() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nq1\r\n");
    let mut server = origin.accept();
    server.head();
    server.through("q1\r\n");
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na1\r\n");
    let head = client.head();
    // The end of the request is not known yet when the answer's head goes out.
    assert_eq!(field(&head, "connection"), Some("close"));
    client.through("a1\r\n");
    client.send("2\r\nq2\r\n");
    server.through("q2\r\n");
    server.send("2\r\na2\r\n");
    client.through("a2\r\n");
    client.send("0\r\n\r\n");
    server.through("0\r\n\r\n");
    server.send("0\r\n\r\n");
    assert_eq!(client.through("0\r\n\r\n"), "0\r\n\r\n");
    assert_eq!(client.rest(), "");
}

#[test]
fn an_endpoint_that_answers_and_does_not_read_blocks_nobody() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    let (head, body) = client.answer();
    assert_eq!((status(&head), body.as_str()), (413, "big"));
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_that_does_not_read_stops_its_endpoint() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
    let all: String = (0..LARGE / PIECE).map(piece).collect();
    // It is full when nothing fits any more, however often one looks.
    let mut sent = 0;
    let mut looks_without_room = 0;
    until("the engine stops reading", || {
        let next = &all.as_bytes()[sent..(sent + PIECE).min(LARGE)];
        let more = server.send_until_full(next, 1);
        sent += more;
        looks_without_room = if more == 0 { looks_without_room + 1 } else { 0 };
        looks_without_room == 100
    });
    assert!(sent < LARGE / 2, "{sent} bytes were taken for a client that reads nothing");
    let sending = thread::spawn(move || server.send(&all[sent..]));
    client.head();
    read_large(&mut client);
    sending.join().unwrap();
}

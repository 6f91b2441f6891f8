//! Clients that drip and endpoints that think: how long they are borne, how little they take, and
//! that they hold up nobody.

use std::fs;
use std::thread;
use std::time::Duration;

use cloudaps::proxy::{BodyRate, Limits, Settings, Timeouts, raise_descriptor_limit};

use super::world::{GET, OK, Origin, Proxy, Wire, first_exchange, settings, status, until};

const SHORT: Duration = Duration::from_millis(100);

/// Far more than a client sends that sends a byte whenever it is looked at, or takes some bytes
/// then; and far less than what one sends or takes that does its best.
const PER_SECOND: u64 = 200_000;

/// More than any of these sends.
const MEGABYTE: usize = 1_000_000;

fn paced(grace: Duration) -> Settings {
    let limits =
        Limits { body_rate: BodyRate { per_second: PER_SECOND, grace }, ..Limits::default() };
    Settings { limits, ..settings() }
}

fn head(length: usize, more: &str) -> String {
    format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{more}\r\n")
}

/// Sends a byte now and then, until something comes back.
fn drip(client: &mut Wire) {
    until("the client is answered", || {
        client.try_send("x");
        client.is_readable()
    });
}

/// Returns when a client that drips has been sent away, which takes more than the grace.
fn outlast_the_grace(proxy: &Proxy, origin: &Origin) {
    let mut client = proxy.client();
    client.send(head(MEGABYTE, ""));
    let _server = origin.accept();
    drip(&mut client);
    assert_eq!(status(&client.head()), 408);
}

fn exchange(client: &mut Wire, server: &mut Wire) {
    client.send(GET);
    server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn a_body_that_drips_is_a_408_although_it_never_stalls() {
    let chunked = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n";
    for request in [head(MEGABYTE, ""), chunked.to_owned()] {
        let origin = Origin::new();
        let proxy = Proxy::start(paced(SHORT), &[origin.address()]);
        let mut client = proxy.client();
        client.send(&request);
        let mut server = origin.accept();
        drip(&mut client);
        assert_eq!(status(&client.answer().0), 408);
        // The endpoint cannot take the part for the whole.
        server.head();
        server.rest_or_reset();
        until("capacity is returned", || proxy.traffic(0).total() == 0);
        client.finish();
        assert_eq!(client.rest_or_reset().0, "");
    }
}

#[test]
fn time_in_which_the_endpoint_does_not_read_is_not_the_clients() {
    let origin = Origin::new();
    let proxy = Proxy::start(paced(SHORT), &[origin.address()]);
    let mut client = proxy.client();
    let length = 64 * MEGABYTE;
    client.send(head(length, ""));
    let mut server = origin.accept();
    let sending = thread::spawn(move || {
        let piece = vec![b'x'; MEGABYTE];
        (0..64).for_each(|_| client.send(&piece));
        client.answer()
    });
    outlast_the_grace(&proxy, &origin);
    server.head();
    (0..64).for_each(|_| drop(server.body(MEGABYTE)));
    server.send(OK);
    assert_eq!(sending.join().unwrap().1, "ok");
}

#[test]
fn whoever_expects_a_100_is_not_hurried_before_it() {
    let origin = Origin::new();
    let proxy = Proxy::start(paced(SHORT), &[origin.address()]);
    let mut client = proxy.client();
    client.send(head(5, "Expect: 100-continue\r\n"));
    let mut server = origin.accept();
    server.head();
    outlast_the_grace(&proxy, &origin);
    server.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(status(&client.head()), 100);
    client.send("hello");
    assert_eq!(server.body(5), "hello");
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn an_endpoint_may_think_for_longer_than_a_client_may_drip() {
    let origin = Origin::new();
    let proxy = Proxy::start(paced(SHORT), &[origin.address()]);
    let mut client = proxy.client();
    client.send(head(5, ""));
    client.send("hello");
    let mut server = origin.accept();
    server.head();
    outlast_the_grace(&proxy, &origin);
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\no");
    outlast_the_grace(&proxy, &origin);
    server.send("k...");
    assert_eq!(client.answer().1, "ok..");
}

/// An endpoint that sends as much as is taken; what it has sent by its end.
fn pour(mut server: Wire) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        server.head();
        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let piece = format!("f4240\r\n{}\r\n", "x".repeat(MEGABYTE));
        (0..).take_while(|_| server.try_send(&piece)).count()
    })
}

#[test]
fn a_reader_that_sips_is_cut_although_it_never_stalls() {
    // It takes some ten megabytes a second, and would have to take a hundred times that.
    let body_rate = BodyRate { per_second: 1_000_000_000, grace: SHORT };
    let timeouts = Timeouts { stall: Duration::from_secs(1), ..Timeouts::default() };
    let limits = Limits { body_rate, ..Limits::default() };
    let origin = Origin::new();
    let proxy = Proxy::start(Settings { limits, timeouts, ..settings() }, &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let pouring = pour(origin.accept());
    until("it is cut", || client.sip(16 * 1024).is_none());
    pouring.join().unwrap();
    until("it is counted", || proxy.counters().slow == 1);
    assert_eq!(proxy.counters().abandoned, 0);
    until("capacity is returned", || proxy.traffic(0).total() == 0);
}

#[test]
fn readers_that_stop_are_cut_and_hold_up_nobody() {
    // Each fills the system's buffers with some megabytes.
    const READERS: usize = 20;
    let timeouts = Timeouts { stall: Duration::from_secs(2), ..Timeouts::default() };
    let origin = Origin::new();
    let proxy = Proxy::start(Settings { timeouts, ..settings() }, &[origin.address()]);
    let (mut readers, mut pouring) = (Vec::new(), Vec::new());
    for _ in 0..READERS {
        let mut reader = Wire::connect_narrow(proxy.address());
        reader.send(GET);
        readers.push(reader);
        pouring.push(pour(origin.accept()));
    }
    let (mut client, mut server) = first_exchange(&proxy, &origin, GET);
    let before = resident();
    until("all are cut", || {
        exchange(&mut client, &mut server);
        proxy.counters().slow == READERS as u64
    });
    for each in pouring {
        each.join().unwrap();
    }
    assert!(resident() < before + 16 * MEGABYTE, "memory grew while they stood still");
}

#[test]
fn a_thousand_clients_that_drip_hold_up_nobody_and_take_bounded_memory() {
    const OF_EACH: usize = 500;
    raise_descriptor_limit();
    let timeouts = Timeouts { head: Duration::from_secs(5), ..Timeouts::default() };
    let origin = Origin::new();
    let settings = Settings { timeouts, ..paced(Duration::from_secs(5)) };
    let proxy = Proxy::start(settings, &[origin.address()]);
    let before = resident();
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..OF_EACH {
        // Half a head goes nowhere.
        clients.push(proxy.client());
        clients.push(proxy.client());
        let [.., of_head, of_body] = &mut clients[..] else { unreachable!() };
        of_head.send("GET / HTTP/1.1\r\nHo");
        of_body.send(head(MEGABYTE, ""));
        servers.push(origin.accept());
    }
    let (mut client, mut server) = first_exchange(&proxy, &origin, GET);
    let full = resident();
    // A request's memory is 64 KiB, and the ends that the test itself holds take some, too.
    assert!(full < before + 2 * OF_EACH * 100_000, "{before} became {full}");
    for _ in 0..20 {
        for client in &mut clients {
            client.try_send("x");
        }
        exchange(&mut client, &mut server);
    }
    assert!(resident() < full + 8 * MEGABYTE, "{full} became {}", resident());
    for client in &mut clients {
        assert_eq!(status(&client.head()), 408);
    }
    exchange(&mut client, &mut server);
    until("all are counted", || proxy.counters().answers[4] == 2 * OF_EACH as u64);
}

/// Lets a thousand requests wait for their answers, with a body that follows their heads, and then
/// answers them. Bytes of memory that each took.
fn memory_of_waiting(head: &str, body: &str) -> usize {
    const WAITING: usize = 1000;
    raise_descriptor_limit();
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let before = resident();
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..WAITING {
        let mut client = proxy.client();
        client.send(head);
        let mut server = origin.accept();
        server.head();
        client.send(body);
        server.body(body.len());
        clients.push(client);
        servers.push(server);
    }
    let each = (resident() - before) / WAITING;
    for (client, server) in clients.iter_mut().zip(&mut servers) {
        server.send(OK);
        assert_eq!(client.answer().1, "ok");
    }
    each
}

// A buffer is 16 KiB. What these allow is what there is to know of a request, and the test's ends.

#[test]
fn requests_that_wait_for_their_answers_hold_no_buffer() {
    let each = memory_of_waiting(GET, "");
    assert!(each < 9_000, "each takes {each} bytes");
}

#[test]
fn uploads_that_wait_for_their_answers_hold_no_buffer() {
    let each = memory_of_waiting(&head(4, ""), "body");
    assert!(each < 9_000, "each takes {each} bytes");
}

/// Bytes of memory that this process has, the engine and the test together.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
}

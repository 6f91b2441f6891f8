//! Who the client is: the PROXY protocol, trusted proxies, and what one client may take.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use cloudaps::address::Address;
use cloudaps::proxy::{Inbound, Networks, Settings, Timeouts};

use super::world::{GET, OK, Origin, Proxy, Wire, field, settings, status, until};

const SHORT: Duration = Duration::from_millis(50);

/// A proxy in front of the engine, in the networks below.
const FRONT: [u8; 4] = [127, 1, 0, 1];
/// Somebody else.
const STRANGER: [u8; 4] = [127, 0, 0, 9];

fn networks(names: &[&str]) -> Networks {
    names.iter().map(|name| name.parse::<ipnet::IpNet>().unwrap()).collect()
}

fn inbound(inbound: Inbound) -> Settings {
    Settings { inbound, ..settings() }
}

/// Connections from 127.1.0.0/16 begin with a PROXY header.
fn announced() -> Settings {
    inbound(Inbound { proxy_protocol_from: networks(&["127.1.0.0/16"]), ..Inbound::default() })
}

/// 127.1.0.0/16 and 10.0.0.0/8 are believed.
fn trusting() -> Settings {
    let trusted_proxies = networks(&["127.1.0.0/16", "10.0.0.0/8"]);
    inbound(Inbound { trusted_proxies, ..Inbound::default() })
}

/// A binary header that announces 192.0.2.7.
fn binary() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]);
    header
}

/// A request through a proxy in front, and what the server got.
fn seen_by_server(settings: Settings, from: [u8; 4], said: &[&[u8]]) -> String {
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let mut client = Wire::connect_from(from, proxy.address());
    said.iter().for_each(|piece| client.send(piece));
    let mut server = origin.accept();
    let head = server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    head
}

#[test]
fn a_proxy_header_names_the_client() {
    for (header, client, node) in [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_vec(), "192.0.2.7", "192.0.2.7"),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n".to_vec(),
            "2001:db8::7",
            "\"[2001:db8::7]\"",
        ),
        (binary(), "192.0.2.7", "192.0.2.7"),
        // The proxy knows no address, or has asked itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.1.0.1", "127.1.0.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "127.1.0.1", "127.1.0.1"),
    ] {
        let head = seen_by_server(announced(), FRONT, &[&header, GET.as_bytes()]);
        assert_eq!(field(&head, "x-forwarded-for"), Some(client), "{head}");
        let forwarded = format!("for={node};proto=http;host=\"a\"");
        assert_eq!(field(&head, "forwarded"), Some(forwarded.as_str()), "{head}");
    }
}

#[test]
fn a_header_and_the_first_requests_may_come_in_any_pieces() {
    for header in [binary(), b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_vec()] {
        // In one piece with two requests, and cut anywhere.
        let whole = [&header[..], GET.as_bytes(), GET.as_bytes()].concat();
        for at in [0, 1, 5, 12, 15, 16, 17, header.len() - 1, header.len(), header.len() + 1] {
            let origin = Origin::new();
            let proxy = Proxy::start(announced(), &[origin.address()]);
            let mut client = Wire::connect_from(FRONT, proxy.address());
            client.send(&whole[..at]);
            until("the engine has the first piece", || proxy.counters().accepted == 1);
            client.send(&whole[at..]);
            let mut server = origin.accept();
            for _ in 0..2 {
                assert_eq!(field(&server.head(), "x-forwarded-for"), Some("192.0.2.7"));
                server.send(OK);
                assert_eq!(client.answer().1, "ok");
            }
        }
    }
}

#[test]
fn a_connection_that_has_to_be_announced_and_is_not_gets_nothing() {
    let cut = &binary()[..20];
    for said in [
        GET.as_bytes(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        cut,
        b"PROXY TCP4 192",
    ] {
        let origin = Origin::new();
        let proxy = Proxy::start(announced(), &[origin.address()]);
        let mut client = Wire::connect_from(FRONT, proxy.address());
        client.send(said);
        client.finish();
        assert_eq!(client.rest_or_reset(), (String::new(), false), "{said:?}");
        until("it is counted", || proxy.counters().unannounced == 1);
        assert!(origin.is_untouched());
        assert_eq!((proxy.counters().requests, proxy.counters().answers), (0, [0; 6]));
    }
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let timeouts = Timeouts { head: SHORT, ..Timeouts::default() };
    let proxy = Proxy::start(Settings { timeouts, ..announced() }, &[]);
    for said in ["", "PROXY TCP4 "] {
        let mut client = Wire::connect_from(FRONT, proxy.address());
        client.send(said);
        assert_eq!(client.rest_or_reset(), (String::new(), false), "{said:?}");
    }
    until("both are counted", || proxy.counters().unannounced == 2);
}

#[test]
fn a_proxy_that_only_looks_whether_we_are_there_is_no_failure() {
    let proxy = Proxy::start(announced(), &[]);
    drop(Wire::connect_from(FRONT, proxy.address()));
    until("it has left", || proxy.counters().closed == 1);
    assert_eq!(proxy.counters().unannounced, 0);
}

#[test]
fn a_drain_does_not_wait_for_a_header() {
    let mut proxy = Proxy::start(announced(), &[]);
    let mut client = Wire::connect_from(FRONT, proxy.address());
    client.send("PROXY ");
    until("it is accepted", || proxy.counters().accepted == 1);
    let draining = proxy.drain(Duration::from_secs(3600));
    client.rest_or_reset();
    draining.join().unwrap();
}

#[test]
fn nobody_else_is_believed_to_announce_a_client() {
    for header in [binary(), b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_vec()] {
        for settings in [announced(), settings(), trusting()] {
            let origin = Origin::new();
            let proxy = Proxy::start(settings, &[origin.address()]);
            let mut client = Wire::connect_from(STRANGER, proxy.address());
            client.send(&header);
            client.send(GET);
            assert_eq!(status(&client.head()), 400);
            assert!(origin.is_untouched());
        }
    }
}

#[test]
fn headers_about_the_client_are_continued_for_trusted_proxies_only() {
    let said = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\
                X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Real-IP: 192.0.2.1\r\n\
                Forwarded: for=192.0.2.1\r\n\r\n";
    let head = seen_by_server(trusting(), FRONT, &[said.as_bytes()]);
    assert_eq!(field(&head, "x-forwarded-for"), Some("192.0.2.1, 127.1.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(&head, "x-forwarded-host"), Some("b"));
    assert_eq!(field(&head, "x-real-ip"), Some("192.0.2.1"));
    let forwarded = "for=192.0.2.1, for=127.1.0.1;proto=http;host=\"a\"";
    assert_eq!(field(&head, "forwarded"), Some(forwarded));

    let head = seen_by_server(trusting(), STRANGER, &[said.as_bytes()]);
    assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.9"));
    assert_eq!(field(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&head, "x-forwarded-host"), Some("a"));
    assert_eq!(field(&head, "x-real-ip"), None);
    assert_eq!(field(&head, "forwarded"), Some("for=127.0.0.9;proto=http;host=\"a\""));
}

#[test]
fn whom_a_proxy_header_names_is_trusted_or_not_as_if_it_had_connected() {
    let proxy_protocol_from = networks(&["127.1.0.0/16"]);
    let trusted_proxies = networks(&["192.0.2.0/24"]);
    let both = Inbound { proxy_protocol_from, trusted_proxies, ..Inbound::default() };
    let said = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n";
    for (announced, forwarded) in
        [("192.0.2.7", "203.0.113.5, 192.0.2.7"), ("198.51.100.7", "198.51.100.7")]
    {
        let header = format!("PROXY TCP4 {announced} 127.0.0.1 1 2\r\n");
        let said = [header.as_bytes(), said.as_bytes()];
        let head = seen_by_server(inbound(both.clone()), FRONT, &said);
        assert_eq!(field(&head, "x-forwarded-for"), Some(forwarded));
    }
}

fn at_most(connections_per_client: usize, others: Inbound) -> Settings {
    let inbound = Inbound { connections_per_client, ..others };
    Settings { inbound, threads: 3, ..settings() }
}

/// Opens a connection that stays, and shows that it was let in.
fn let_in(proxy: &Proxy, from: [u8; 4], said: &str) -> Wire {
    let mut client = Wire::connect_from(from, proxy.address());
    client.send(format!("{said}OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"));
    assert_eq!(status(&client.head()), 204);
    client
}

fn is_refused(proxy: &Proxy, from: [u8; 4], said: &str) -> bool {
    let refused = proxy.counters().refused;
    let mut client = Wire::connect_from(from, proxy.address());
    // It may have been reset already.
    client.try_send(said);
    let was_reset = client.rest_or_reset() == (String::new(), false);
    until("it is counted", || proxy.counters().refused == refused + 1);
    was_reset
}

#[test]
fn a_client_with_too_many_connections_is_refused_and_the_others_are_not() {
    let proxy = Proxy::start(at_most(2, Inbound::default()), &[]);
    let first = let_in(&proxy, STRANGER, "");
    let _second = let_in(&proxy, STRANGER, "");
    // Whichever of the threads it comes to.
    for _ in 0..5 {
        assert!(is_refused(&proxy, STRANGER, ""));
    }
    let _other = let_in(&proxy, FRONT, "");
    let closed = proxy.counters().closed;
    drop(first);
    until("it has left", || proxy.counters().closed == closed + 1);
    let _again = let_in(&proxy, STRANGER, "");
    let counters = proxy.counters();
    assert_eq!((counters.refused, counters.accepted - counters.closed), (5, 3));
}

#[test]
fn proxies_in_front_have_as_many_connections_as_they_like_and_their_clients_do_not() {
    let proxy_protocol_from = networks(&["127.1.0.0/16"]);
    let trusted_proxies = networks(&["127.2.0.0/16"]);
    let others = Inbound { proxy_protocol_from, trusted_proxies, ..Inbound::default() };
    let proxy = Proxy::start(at_most(1, others), &[]);
    let announce = |client: &str| format!("PROXY TCP4 {client} 127.0.0.1 1 2\r\n");
    let _open = [
        let_in(&proxy, [127, 2, 0, 1], ""),
        let_in(&proxy, [127, 2, 0, 1], ""),
        let_in(&proxy, FRONT, "PROXY UNKNOWN\r\n"),
        let_in(&proxy, FRONT, "PROXY UNKNOWN\r\n"),
        let_in(&proxy, FRONT, &announce("192.0.2.1")),
        let_in(&proxy, FRONT, &announce("192.0.2.2")),
    ];
    assert!(is_refused(&proxy, FRONT, &announce("192.0.2.2")));
}

#[test]
fn ipv6_works_from_end_to_end() {
    let origin = Origin::new_v6();
    let at = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let proxy = Proxy::start_at(at, settings(), &[Address::from(origin.address())]);
    let mut client = Wire::connect(proxy.address());
    client.send("GET / HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n");
    let mut server = origin.accept();
    let head = server.head();
    assert_eq!(field(&head, "host"), Some("[::1]:5000"));
    assert_eq!(field(&head, "x-forwarded-for"), Some("::1"));
    assert_eq!(field(&head, "x-forwarded-host"), Some("[::1]:5000"));
    let forwarded = "for=\"[::1]\";proto=http;host=\"[::1]:5000\"";
    assert_eq!(field(&head, "forwarded"), Some(forwarded));
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    // HTTP/1.0 need not name the host: it is the address that was asked.
    client.send("GET / HTTP/1.0\r\n\r\n");
    let ours = proxy.address().to_string();
    assert_eq!(field(&server.head(), "host"), Some(ours.as_str()));
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn an_ipv4_client_of_a_dual_stack_listener_is_known_by_its_ipv4_address() {
    let origin = Origin::new();
    let at = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let proxy = Proxy::start_at(at, trusting(), &[Address::from(origin.address())]);
    let v4 = SocketAddr::from((IpAddr::from([127, 0, 0, 1]), proxy.address().port()));
    let mut client = Wire::connect_from(FRONT, v4);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    let mut server = origin.accept();
    assert_eq!(field(&server.head(), "x-forwarded-for"), Some("192.0.2.1, 127.1.0.1"));
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

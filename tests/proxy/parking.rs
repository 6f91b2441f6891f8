//! Clients that say nothing for long: their connections wait without a session of their own.

use std::time::Duration;

use cloudaps::proxy::{Inbound, Networks, Settings, Timeouts};

use super::world::{
    GET, OK, Origin, Proxy, Wire, ask_first, field, first_exchange, settings, until,
};

/// More than are woken at a time.
const CROWD: u64 = 600;

/// Parks connections after a second, which is as soon as a thread looks at them.
fn parking() -> Settings {
    Settings { timeouts: Timeouts { park: Duration::ZERO, ..Timeouts::default() }, ..settings() }
}

/// Whoever connects from 127.0.0.0/8 has to say for whom.
fn announced() -> Settings {
    let network: ipnet::IpNet = "127.0.0.0/8".parse().unwrap();
    let inbound =
        Inbound { proxy_protocol_from: Networks::from_iter([network]), ..Inbound::default() };
    Settings { inbound, ..parking() }
}

/// Asks, and returns what the server got.
fn ask(client: &mut Wire, server: &mut Wire) -> String {
    client.send(GET);
    let head = server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    head
}

fn until_parked(proxy: &Proxy, count: u64) {
    until("it is parked", || proxy.counters().parked == count);
}

/// A client that has been answered once and is parked now, and its server.
fn parked(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let ends = first_exchange(proxy, origin, GET);
    until_parked(proxy, 1);
    ends
}

#[test]
fn a_client_that_speaks_again_is_served_as_if_it_had_never_rested() {
    let origin = Origin::new();
    let proxy = Proxy::start(parking(), &[origin.address()]);
    let (mut client, mut server) = parked(&proxy, &origin);
    for _ in 0..2 {
        until_parked(&proxy, 1);
        let head = ask(&mut client, &mut server);
        assert_eq!(field(&head, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(proxy.counters().parked, 0, "it has a session as long as it asks");
    }
    let counters = proxy.counters();
    assert_eq!((counters.accepted, counters.closed, counters.requests), (1, 0, 3));
}

#[test]
fn a_client_that_says_nothing_at_first_is_parked_at_once() {
    let origin = Origin::new();
    let never = Timeouts { park: Duration::from_secs(3600), ..Timeouts::default() };
    let proxy = Proxy::start(Settings { timeouts: never, ..settings() }, &[origin.address()]);
    let mut client = proxy.client();
    until_parked(&proxy, 1);
    ask_first(&mut client, &origin, GET);
}

#[test]
fn whom_a_proxy_header_has_named_is_still_the_client_afterwards() {
    let origin = Origin::new();
    let proxy = Proxy::start(announced(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
    until_parked(&proxy, 1);
    client.send(GET);
    let mut server = origin.accept();
    assert_eq!(field(&server.head(), "x-forwarded-for"), Some("192.0.2.7"));
}

#[test]
fn a_parked_connection_is_one_of_its_clients_connections() {
    let origin = Origin::new();
    let inbound = Inbound { connections_per_client: 1, ..Inbound::default() };
    let proxy = Proxy::start(Settings { inbound, ..parking() }, &[origin.address()]);
    let (client, _server) = parked(&proxy, &origin);
    assert!(!proxy.client().rest_or_reset().1, "a second connection was let in");
    drop(client);
    until("it is counted out", || proxy.counters().closed == 2);
    let mut another = proxy.client();
    another.send(GET);
    until("it is served", || proxy.counters().requests == 2);
}

#[test]
fn parked_clients_that_leave_all_at_once_are_all_counted_out() {
    let origin = Origin::new();
    let proxy = Proxy::start(parking(), &[origin.address()]);
    let crowd: Vec<Wire> = (0..CROWD).map(|_| proxy.client()).collect();
    until_parked(&proxy, CROWD);
    drop(crowd);
    until("they are counted out", || proxy.counters().closed == CROWD);
}

#[test]
fn a_parked_connection_is_closed_when_it_is_idle_for_too_long() {
    let origin = Origin::new();
    let timeouts = Timeouts { idle: Duration::from_secs(2), ..parking().timeouts };
    let proxy = Proxy::start(Settings { timeouts, ..parking() }, &[origin.address()]);
    let (mut client, _server) = parked(&proxy, &origin);
    assert_eq!(client.rest(), "");
    until("it is counted out", || proxy.counters().closed == 1);
    assert_eq!(proxy.counters().parked, 0);
}

#[test]
fn a_drain_closes_what_is_parked_and_answers_whoever_has_just_asked() {
    let origin = Origin::new();
    let mut proxy = Proxy::start(parking(), &[origin.address()]);
    let (mut asking, mut server) = parked(&proxy, &origin);
    let mut silent = proxy.client();
    until_parked(&proxy, 2);
    asking.send(GET);
    let drained = proxy.drain(Duration::from_secs(3600));
    assert_eq!(silent.rest(), "");
    server.head();
    server.send(OK);
    let (head, body) = asking.answer();
    assert_eq!((body.as_str(), field(&head, "connection")), ("ok", Some("close")));
    assert_eq!(asking.rest(), "");
    drop(asking);
    drained.join().unwrap();
}

#[test]
fn an_engine_that_stops_closes_what_is_parked() {
    let origin = Origin::new();
    let proxy = Proxy::start(parking(), &[origin.address()]);
    let (mut client, _server) = parked(&proxy, &origin);
    drop(proxy);
    assert_eq!(client.rest_or_reset().0, "");
}

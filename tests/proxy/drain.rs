//! Leaving in order: an endpoint that drains, and the engine itself.

use std::time::Duration;

use cloudaps::pool::{EndpointId, Standing};
use cloudaps::proxy::{Report, Settings};

use super::world::{GET, OK, Origin, Proxy, Wire, field, first_exchange, settings, status};

fn quiet(endpoint: u64, thread: usize) -> Report {
    Report::Quiet { endpoint: EndpointId::new(endpoint), thread }
}

#[test]
fn an_endpoint_without_requests_is_quiet_at_once_on_every_thread() {
    let origin = Origin::new();
    let settings = Settings { threads: 3, ..settings() };
    let mut proxy = Proxy::start(settings, &[origin.address()]);
    proxy.set_standing(0, Standing::Draining);
    let mut reports = [proxy.report(), proxy.report(), proxy.report()];
    reports.sort_by_key(|report| match report {
        Report::Quiet { thread, .. } => *thread,
        Report::Failed { .. } => usize::MAX,
    });
    assert_eq!(reports, [quiet(0, 0), quiet(0, 1), quiet(0, 2)]);
    assert!(proxy.reports().is_empty(), "said twice");
}

#[test]
fn an_endpoint_is_quiet_after_its_last_request() {
    let [leaving, other] = [Origin::new(), Origin::new()];
    let mut proxy = Proxy::start(settings(), &[leaving.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = leaving.accept();
    server.head();
    assert_eq!(proxy.traffic(0).total(), 1);
    proxy.set_standing(0, Standing::Draining);
    // The other one, which has no requests, proves that the snapshots were applied.
    proxy.add(other.address());
    proxy.set_standing(1, Standing::Draining);
    assert_eq!(proxy.report(), quiet(1, 0));
    assert!(proxy.reports().is_empty(), "said while a request was in flight");
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    assert_eq!(proxy.report(), quiet(0, 0));
    assert_eq!(proxy.traffic(0).total(), 0);
    // Its connection is not kept.
    assert_eq!(server.rest(), "");
}

#[test]
fn a_drained_engine_finishes_what_is_in_flight_and_takes_no_more() {
    let origin = Origin::new();
    let mut proxy = Proxy::start(settings(), &[origin.address()]);
    let (mut idle, mut server) = first_exchange(&proxy, &origin, GET);
    let mut busy = proxy.client();
    busy.send(GET);
    server.head();
    let drained = proxy.drain(Duration::from_secs(3600));
    assert_eq!(idle.rest(), "", "the idle connection was not closed");
    assert!(!drained.is_finished());
    server.send(OK);
    let (head, body) = busy.answer();
    assert_eq!((body.as_str(), field(&head, "connection")), ("ok", Some("close")));
    assert_eq!(busy.rest(), "");
    drop(busy);
    drained.join().unwrap();
    assert!(std::net::TcpStream::connect(proxy.address()).is_err());
}

#[test]
fn a_request_that_is_there_when_the_drain_begins_is_answered() {
    let origin = Origin::new();
    let mut proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let drained = proxy.drain(Duration::from_secs(3600));
    let mut server = origin.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    assert_eq!(client.rest(), "");
    drop(client);
    drained.join().unwrap();
}

#[test]
fn what_is_not_finished_by_the_deadline_is_cut() {
    let origin = Origin::new();
    let mut proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    proxy.drain(Duration::from_millis(50)).join().unwrap();
    assert_eq!(client.rest_or_reset().0, "");
    assert_eq!(server.rest_or_reset().0, "");
}

#[test]
fn a_dropped_engine_cuts_at_once() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    origin.accept().head();
    drop(proxy);
    assert_eq!(client.rest_or_reset().0, "");
}

#[test]
fn clients_in_the_backlog_are_answered_when_the_drain_begins() {
    let origin = Origin::new();
    let mut proxy = Proxy::start(settings(), &[origin.address()]);
    let mut clients: Vec<Wire> = (0..20).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| client.send(GET));
    let drained = proxy.drain(Duration::from_secs(3600));
    for _ in &clients {
        let mut server = origin.accept();
        server.head();
        server.send(OK);
    }
    for client in &mut clients {
        assert_eq!(status(&client.answer().0), 200);
    }
    drop(clients);
    drained.join().unwrap();
}

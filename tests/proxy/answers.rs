//! What a client is told when no endpoint answers it: in its form, and whose doing it was.

use std::time::Duration;

use cloudaps::http1;
use cloudaps::proxy::{Hold, Limits, Retry, Settings, Timeouts};
use serde_json::Value;

use super::world::{GET, OK, Origin, POST, Proxy, Wire, field, settings, status};

const SHORT: Duration = Duration::from_millis(50);

const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
                      image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/problem+json";

/// Nothing is held: what cannot be done is told at once.
fn hasty() -> Settings {
    Settings {
        hold: Hold { requests_max: 0, ..Hold::default() },
        retry: Retry { tries: 0, ..Retry::default() },
        ..settings()
    }
}

#[test]
fn the_answer_comes_in_the_form_that_the_client_prefers() {
    let proxy = Proxy::start(hasty(), &[]);
    let mut client = proxy.client();
    for (accept, form) in [
        ("", TEXT),
        ("Accept: */*\r\n", TEXT),
        ("Accept: image/png\r\n", TEXT),
        (&format!("Accept: {CHROME}\r\n"), HTML),
        ("accept: text/html\r\n", HTML),
        ("Accept: application/json\r\n", JSON),
        ("Accept: application/json, text/plain, */*\r\n", JSON),
        ("Accept: text/html;q=0.4\r\nAccept: application/problem+json;q=0.5\r\n", JSON),
        ("Accept: text/html;q=0.6, application/json;q=0.5\r\n", HTML),
        ("Accept: text/html;q=2, ;;,\r\n", TEXT),
    ] {
        client.send(format!("GET /<b> HTTP/1.1\r\nHost: a\r\nX-Request-Id: an-id\r\n{accept}\r\n"));
        let (head, body) = client.answer();
        assert_eq!(status(&head), 503, "{accept}");
        assert_eq!(field(&head, "content-type"), Some(form), "{accept}");
        assert_eq!(field(&head, "connection"), Some("keep-alive"), "{accept}");
        assert!(body.contains("an-id") && !body.contains("<b></b>"), "{body}");
        assert_eq!(body.contains("<!doctype html>"), form == HTML, "{body}");
        if form == JSON {
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&problem["status"], &problem["side"]), (&503.into(), &"server".into()));
            assert_eq!(problem["title"], "Service Unavailable");
            assert_eq!(problem["request_id"], field(&head, "x-request-id").unwrap());
        }
    }
}

#[test]
fn one_request_does_not_choose_the_form_of_the_next() {
    let proxy = Proxy::start(hasty(), &[]);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    assert_eq!(field(&client.answer().0, "content-type"), Some(HTML));
    client.send(GET);
    assert_eq!(field(&client.answer().0, "content-type"), Some(TEXT));
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nBad Header: x\r\n\r\n");
    let (head, _) = client.answer();
    assert_eq!((status(&head), field(&head, "content-type")), (400, Some(TEXT)));
}

#[test]
fn head_gets_the_headers_only() {
    let proxy = Proxy::start(hasty(), &[]);
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    let head = client.head();
    assert_eq!((status(&head), field(&head, "content-type")), (503, Some(HTML)));
    // The next answer begins where the body would have been.
    client.send(GET);
    assert!(client.head().starts_with("HTTP/1.1 503 "));
}

/// A request that is refused for what it is, and how.
struct Refused {
    request: String,
    status: u16,
    error: &'static str,
    side: &'static str,
}

fn refused(request: impl Into<String>, status: u16) -> Refused {
    let error = if status < 500 { "http_request_error" } else { "proxy_internal_response" };
    Refused { request: request.into(), status, error, side: "client" }
}

fn bad_requests() -> Vec<Refused> {
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let via = "Via: 1.1 cloudaps\r\n".repeat(50);
    vec![
        refused(get("Host: b\r\n"), 400),
        refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        refused("GET / HTTP/1.1\r\nHo", 408),
        refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx", 408),
        refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n", 413),
        refused(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(2000)), 414),
        refused(get("Expect: miracles\r\n"), 417),
        refused(get(&format!("X: {}\r\n", "x".repeat(9000))), 431),
        refused("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
        refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        Refused { error: "proxy_loop_detected", side: "balancer", ..refused(get(&via), 508) },
    ]
}

#[test]
fn a_bad_request_is_told_so_with_its_side() {
    let head = http1::Limits { head: 8192, target: 1000, ..http1::Limits::default() };
    let limits = Limits { head, body_max: 1000, ..Limits::default() };
    let timeouts = Timeouts { head: SHORT, stall: SHORT, ..Timeouts::default() };
    let origin = Origin::new();
    let proxy = Proxy::start(Settings { limits, timeouts, ..settings() }, &[origin.address()]);
    for Refused { request, status: wanted, error, side } in bad_requests() {
        let mut client = proxy.client();
        client.send(&request);
        let head = assert_told(&mut client, wanted, (error, side));
        assert_eq!(field(&head, "connection"), Some("close"), "{request}");
        assert_eq!(field(&head, "allow").is_some(), wanted == 405, "{request}");
    }
}

#[test]
fn a_server_that_fails_is_told_of_with_the_kind_of_its_failure() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(9000));
    for (said, wanted, error) in [
        ("", 502, "connection_terminated"),
        ("HTTP/1.1 200 OK\r\nContent-", 502, "http_response_incomplete"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", 502, "http_protocol_error"),
        (&large, 502, "http_response_header_section_size"),
    ] {
        let head = http1::Limits { head: 8192, ..http1::Limits::default() };
        let limits = Limits { head, ..Limits::default() };
        let origin = Origin::new();
        let proxy = Proxy::start(Settings { limits, ..hasty() }, &[origin.address()]);
        let mut client = proxy.client();
        client.send(POST);
        let mut server = origin.accept();
        server.head();
        server.body(5);
        server.send(said);
        drop(server);
        assert_told(&mut client, wanted, (error, "server"));
    }
}

#[test]
fn a_server_that_is_silent_is_a_504() {
    let timeouts = Timeouts { first_byte: SHORT, ..Timeouts::default() };
    let origin = Origin::new();
    let proxy = Proxy::start(Settings { timeouts, ..hasty() }, &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    assert_told(&mut client, 504, ("http_response_timeout", "server"));
}

#[test]
fn no_server_is_a_503_whether_it_could_wait_or_not() {
    for requests_max in [0, 1] {
        let hold = Hold { requests_max, timeout: SHORT, ..Hold::default() };
        let proxy = Proxy::start(Settings { hold, ..settings() }, &[]);
        let mut client = proxy.client();
        client.send(GET);
        let head = assert_told(&mut client, 503, ("destination_unavailable", "server"));
        assert_eq!(field(&head, "retry-after"), Some("1"));
    }
}

#[test]
fn an_answer_of_an_endpoint_passes_untouched() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    let mut server = origin.accept();
    server.head();
    let body = "no coffee";
    server.send(format!("HTTP/1.1 503 Out\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let (head, said) = client.answer();
    assert!(head.starts_with("HTTP/1.1 503 Out\r\n"), "{head}");
    assert_eq!(said, body);
    for ours in ["proxy-status", "content-type", "retry-after", "cache-control"] {
        assert_eq!(field(&head, ours), None, "{head}");
    }
    // What another proxy says on the way stays.
    client.send(GET);
    server.head();
    server.send("HTTP/1.1 200 OK\r\nProxy-Status: other; error=dns_error\r\n");
    server.send(OK.split_once("\r\n").unwrap().1);
    let (head, _) = client.answer();
    assert_eq!(field(&head, "proxy-status"), Some("other; error=dns_error"));
}

/// Reads an answer of ours: its status, what went wrong and at whose side; and nothing inside us.
fn assert_told(client: &mut Wire, wanted: u16, (error, side): (&str, &str)) -> String {
    let (head, body) = client.answer();
    assert_eq!(status(&head), wanted, "{head}{body}");
    let said = field(&head, "proxy-status").unwrap();
    let begins = format!("cloudaps; error={error}; details=\"{side}: ");
    assert!(said.starts_with(&begins) && said.ends_with('"'), "{said}, not {begins}");
    assert_eq!(said.matches('"').count(), 2, "{said}");
    let id = field(&head, "x-request-id").unwrap();
    assert!(body.contains(id) && body.contains(side), "{body}");
    assert!(body.starts_with(head["HTTP/1.1 ".len()..].lines().next().unwrap()), "{body}");
    for inside in ["127.0.0.1", env!("CARGO_PKG_VERSION"), "#0"] {
        assert!(!body.contains(inside) && !said.contains(inside), "{inside} is in {head}{body}");
    }
    head
}

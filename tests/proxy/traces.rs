//! Traces: what goes on to the endpoints, and what a collector is told, whatever becomes of it.

use std::net::SocketAddr;
use std::time::Duration;

use cloudaps::pool::Standing;
use cloudaps::proxy::{Hold, Sampling, Settings, Teller, TraceSettings, Traces};

use super::world::{GET, OK, Origin, Proxy, Wire, field, first_exchange, settings, status, until};
use crate::collector::{Collector, Reply, Told};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const LIMIT: Duration = Duration::from_secs(10);

fn tracing(to: &Collector, ratio: f64) -> Traces {
    let trace_settings = TraceSettings {
        endpoint: to.url().parse().unwrap(),
        headers: [("x-key".parse().unwrap(), "s3cret".parse().unwrap())].into_iter().collect(),
        sampling: Sampling::of_ratio(ratio),
        service: "shop".to_owned(),
    };
    let teller = Teller { role: "balancer", instance: Some("one".to_owned()) };
    Traces::new(trace_settings, &teller).unwrap()
}

fn start(collector: &Collector, settings: Settings, addresses: &[SocketAddr]) -> Proxy {
    Proxy::start_tracing(settings, addresses, tracing(collector, 1.0))
}

/// Sends a request, answers it, and returns the head that the endpoint got.
fn exchange(proxy: &Proxy, origin: &Origin, lines: &str) -> String {
    let mut client = proxy.client();
    client.send(format!("GET /a?b=c HTTP/1.1\r\nHost: shop.example:81\r\n{lines}\r\n"));
    let mut server = origin.accept();
    let head = server.head();
    server.send(OK);
    assert_eq!(status(&client.answer().0), 200);
    head
}

/// The parts of a head's only `traceparent`: the trace, the span and the flags.
fn trace_parent(head: &str) -> [String; 3] {
    assert_eq!(head.to_lowercase().matches("\ntraceparent:").count(), 1, "{head}");
    let parts: Vec<&str> = field(head, "traceparent").unwrap().split('-').collect();
    let ["00", trace, span, flags] = parts[..] else { panic!("{head}") };
    [trace, span, flags].map(str::to_owned)
}

/// The one span of each kind: of the request, and of its try.
fn pair(spans: &[Told]) -> (&Told, &Told) {
    let find = |is_server| spans.iter().find(|told| told.is_server() == is_server).unwrap();
    (find(true), find(false))
}

fn header(trace: &str, flags: &str) -> String {
    format!("Traceparent: 00-{trace}-{PARENT}-{flags}\r\nTracestate: a=1\r\n")
}

#[test]
fn a_request_is_a_span_and_its_try_another_which_the_endpoint_continues() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let mut proxy = start(&collector, settings(), &[origin.address()]);
    let head = exchange(&proxy, &origin, "User-Agent: curl/8\r\nX-Request-Id: id-1\r\n");
    proxy.drain(LIMIT).join().unwrap();
    let spans = collector.spans(2);
    let (request, attempt) = pair(&spans);
    let [trace, span, flags] = trace_parent(&head);
    assert_eq!((attempt.ids(), flags.as_str()), ((trace.clone(), span), "01"));
    assert_eq!((request.ids().0, request.parent()), (trace, String::new()));
    assert_eq!(attempt.parent(), request.ids().1);
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/a"),
        ("url.query", "b=c"),
        ("server.address", "shop.example"),
        ("server.port", "81"),
        ("client.address", "127.0.0.1"),
        ("network.peer.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "curl/8"),
        ("http.response.status_code", "200"),
        ("cloudaps.request_id", "id-1"),
    ] {
        assert_eq!(request.says(key).as_deref(), Some(expected), "{key}");
    }
    let (host, port) = (origin.address().ip().to_string(), origin.address().port().to_string());
    let url = format!("http://{}/a?b=c", origin.address());
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.full", &url),
        ("server.address", &host),
        ("server.port", &port),
        ("network.peer.address", &host),
        ("network.peer.port", &port),
        ("http.response.status_code", "200"),
        ("cloudaps.slot", "instance-0"),
    ] {
        assert_eq!(attempt.says(key).as_deref(), Some(expected), "{key}");
    }
    for told in &spans {
        assert_eq!((told.span.name.as_str(), told.is_error()), ("GET", false));
        assert_eq!(told.says("error.type").or(told.says("cloudaps.retries")), None);
    }
    let (outer, inner) = (&request.span, &attempt.span);
    let is_nested = outer.start_time_unix_nano <= inner.start_time_unix_nano
        && inner.start_time_unix_nano <= inner.end_time_unix_nano
        && inner.end_time_unix_nano <= outer.end_time_unix_nano;
    assert!(is_nested, "{spans:#?}");
    assert_eq!(outer.flags & 0x200 | inner.flags & 0x200, 0, "neither parent is somebody else's");
}

#[test]
fn an_export_says_who_tells_it_and_what_it_was_told_to_say() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let proxy = start(&collector, settings(), &[origin.address()]);
    exchange(&proxy, &origin, "");
    let head = collector.heads(1).remove(0);
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "content-type"), Some("application/x-protobuf"));
    assert_eq!(field(&head, "host"), Some(collector.address.to_string().as_str()));
    assert_eq!(field(&head, "x-key"), Some("s3cret"));
    for told in collector.spans(2) {
        let version = env!("CARGO_PKG_VERSION");
        for (key, expected) in [
            ("service.name", "shop"),
            ("service.version", version),
            ("service.instance.id", "one"),
            ("cloudaps.role", "balancer"),
        ] {
            assert_eq!(told.teller(key).as_deref(), Some(expected), "{key}");
        }
    }
}

#[test]
fn a_trace_that_is_recorded_is_continued_with_what_vendors_say_of_it() {
    let (collector, origin) = (Collector::start(), Origin::new());
    // What is recorded already is, however few are begun here.
    let traces = tracing(&collector, 0.0);
    let proxy = Proxy::start_tracing(settings(), &[origin.address()], traces);
    let head = exchange(&proxy, &origin, &header(TRACE, "03"));
    assert_eq!(field(&head, "tracestate"), Some("a=1"));
    let [trace, span, flags] = trace_parent(&head);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "03"));
    assert_ne!(span, PARENT);
    let spans = collector.spans(2);
    let (request, attempt) = pair(&spans);
    assert_eq!((request.ids().0.as_str(), request.parent().as_str()), (TRACE, PARENT));
    assert_eq!((attempt.ids().1, attempt.parent()), (span, request.ids().1));
    assert_eq!(request.span.flags & 0x200, 0x200, "its parent is somebody else's");
}

#[test]
fn a_trace_that_is_not_recorded_passes_as_it_is() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let mut proxy = start(&collector, settings(), &[origin.address()]);
    let head = exchange(&proxy, &origin, &header(TRACE, "00"));
    assert_eq!(trace_parent(&head), [TRACE, PARENT, "00"]);
    assert_eq!(field(&head, "tracestate"), Some("a=1"));
    proxy.drain(LIMIT).join().unwrap();
    collector.spans(0);
}

#[test]
fn what_names_no_trace_is_replaced_by_a_new_one() {
    let origin = Origin::new();
    for lines in [
        header("00000000000000000000000000000000", "01"),
        header(&TRACE.to_uppercase(), "01"),
        header(TRACE, "01").repeat(2),
        "Traceparent: nonsense\r\nTracestate: a=1\r\n".to_owned(),
        // Without its parent it belongs to nothing.
        "Tracestate: a=1\r\n".to_owned(),
    ] {
        let collector = Collector::start();
        let proxy = start(&collector, settings(), &[origin.address()]);
        let head = exchange(&proxy, &origin, &lines);
        let [trace, _, flags] = trace_parent(&head);
        assert_ne!(trace, TRACE, "{lines}");
        assert_eq!((flags.as_str(), field(&head, "tracestate")), ("01", None), "{lines}");
        assert!(collector.spans(2).iter().all(|told| told.ids().0 == trace), "{lines}");
    }
}

#[test]
fn who_samples_nothing_says_so_to_the_endpoint() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let traces = tracing(&collector, 0.0);
    let mut proxy = Proxy::start_tracing(settings(), &[origin.address()], traces);
    let head = exchange(&proxy, &origin, "");
    assert_eq!(trace_parent(&head)[2], "00");
    proxy.drain(LIMIT).join().unwrap();
    collector.spans(0);
}

#[test]
fn without_traces_everything_passes_as_it_is() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let head = exchange(&proxy, &origin, &header(&TRACE.to_uppercase(), "01"));
    assert_eq!(trace_parent(&head), [TRACE.to_uppercase().as_str(), PARENT, "01"]);
    assert_eq!(field(&head, "tracestate"), Some("a=1"));
    assert_eq!(field(&exchange(&proxy, &origin, ""), "traceparent"), None);
}

#[test]
fn each_try_is_a_span_of_its_own() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let proxy = start(&collector, settings(), &[origin.address()]);
    let (mut client, mut server) = first_exchange(&proxy, &origin, GET);
    client.send(GET);
    // It has the request, and closes as if it had been idle for too long.
    let before = trace_parent(&server.head());
    drop(server);
    let mut fresh = origin.accept();
    let after = trace_parent(&fresh.head());
    fresh.send(OK);
    assert_eq!(client.answer().1, "ok");
    assert_eq!(before[0], after[0], "it is one trace");
    assert_ne!(before[1], after[1]);
    let spans = collector.spans(5);
    let of = |id: &str| spans.iter().find(|told| told.ids().1 == id).unwrap();
    let (lost, won) = (of(&before[1]), of(&after[1]));
    assert_eq!(lost.says("error.type").as_deref(), Some("connection_terminated"));
    assert!(lost.is_error() && !won.is_error(), "{spans:#?}");
    assert_eq!(lost.says("http.request.resend_count"), None);
    assert_eq!(won.says("http.request.resend_count").as_deref(), Some("1"));
    assert_eq!(lost.parent(), won.parent());
    let request = of(&won.parent());
    assert_eq!(request.says("cloudaps.retries").as_deref(), Some("1"));
    assert!(request.is_server() && !request.is_error(), "{request:#?}");
}

#[test]
fn an_error_is_whose_doing_it_was() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let proxy = start(&collector, settings(), &[origin.address()]);
    let answers = ["404 Not Found", "500 Oh"];
    for answer in answers {
        let mut client = proxy.client();
        client.send(GET);
        let mut server = origin.accept();
        server.head();
        server.send(format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        client.answer();
    }
    let spans = collector.spans(4);
    let found: Vec<_> = spans
        .iter()
        .map(|told| {
            let status = told.says("http.response.status_code").unwrap();
            (told.is_server(), status, told.says("error.type"), told.is_error())
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [
            (false, "404".to_owned(), text("404"), true),
            (true, "404".to_owned(), None, false),
            (false, "500".to_owned(), text("500"), true),
            (true, "500".to_owned(), text("500"), true),
        ]
    );
}

#[test]
fn what_no_endpoint_answers_is_told_too() {
    let collector = Collector::start();
    let hold = Hold { requests_max: 0, ..Hold::default() };
    let proxy = start(&collector, Settings { hold, ..settings() }, &[]);
    for request in [GET, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "nonsense\r\n\r\n"] {
        let mut client = proxy.client();
        client.send(request);
        client.head();
    }
    let spans = collector.spans(3);
    let says = |key: &str| spans.iter().map(|told| told.says(key)).collect::<Vec<_>>();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        says("error.type"),
        [
            text("destination_unavailable"),
            text("destination_unavailable"),
            text("http_request_error")
        ]
    );
    assert_eq!(says("http.response.status_code"), [text("503"), text("503"), text("400")]);
    assert_eq!(says("http.request.method_original"), [None, text("BREW"), None]);
    let names: Vec<&str> = spans.iter().map(|told| told.span.name.as_str()).collect();
    assert_eq!(names, ["GET", "HTTP", "HTTP"]);
    let errors: Vec<bool> = spans.iter().map(Told::is_error).collect();
    assert_eq!(errors, [true, true, false], "what a client did wrong is no failure of ours");
}

#[test]
fn a_request_that_waits_says_for_how_long() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let mut proxy = start(&collector, settings(), &[]);
    let mut client = proxy.client();
    client.send(GET);
    until("it is held", || proxy.counters().held == 1);
    proxy.add(origin.address());
    let mut server = origin.accept();
    server.head();
    server.send(OK);
    client.answer();
    let spans = collector.spans(2);
    let held = pair(&spans).0.says("cloudaps.hold_us").unwrap();
    assert!(held.parse::<u64>().unwrap() > 0, "{held}");
}

#[test]
fn what_is_cut_is_told_with_its_error() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let proxy = start(&collector, settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    client.head();
    drop(server);
    let spans = collector.spans(2);
    for told in [pair(&spans).0, pair(&spans).1] {
        assert_eq!(told.says("error.type").as_deref(), Some("http_response_incomplete"));
        assert!(told.is_error(), "{told:#?}");
    }
}

#[test]
fn a_line_of_the_access_log_names_the_trace_that_began_here() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let log = cloudaps::proxy::AccessLog::open(&path, cloudaps::proxy::LogFormat::Json).unwrap();
    let traces = tracing(&collector, 1.0);
    let mut proxy = Proxy::start_telling(settings(), &[origin.address()], log, traces);
    let head = exchange(&proxy, &origin, "Traceparent: nonsense\r\n");
    proxy.drain(LIMIT).join().unwrap();
    let line: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(line["trace_id"], trace_parent(&head)[0]);
}

#[test]
fn a_collector_that_comes_back_is_told_what_it_missed() {
    let origin = Origin::new();
    let replies = [Reply::Refused(503, "Retry-After: 1\r\n"), Reply::Refused(429, "")];
    let collector = Collector::replying(&replies);
    let proxy = start(&collector, settings(), &[origin.address()]);
    exchange(&proxy, &origin, "");
    collector.spans(2);
    until("all is counted", || proxy.counters().exported == 2);
    assert_eq!((collector.heads(3).len(), proxy.counters().unexported), (3, 0));
}

#[test]
fn what_a_collector_will_never_take_is_dropped_and_counted() {
    let origin = Origin::new();
    let collector = Collector::replying(&[Reply::Refused(400, "")]);
    let proxy = start(&collector, settings(), &[origin.address()]);
    exchange(&proxy, &origin, "");
    until("they are dropped", || proxy.counters().unexported == 2);
    exchange(&proxy, &origin, "");
    assert_eq!(collector.spans(2).len(), 2);
    until("the others are not", || proxy.counters().exported == 2);
    assert_eq!(collector.heads(2).len(), 2, "nothing is sent again");
}

#[test]
fn a_collector_that_says_nothing_holds_up_neither_requests_nor_the_end() {
    let origin = Origin::new();
    let collector = Collector::replying(&[Reply::Silence; 1000]);
    let mut proxy = start(&collector, settings(), &[origin.address()]);
    exchange(&proxy, &origin, "");
    collector.heads(1);
    // The first export is still under way, and this one waits behind it.
    exchange(&proxy, &origin, "");
    let meter = proxy.meter();
    proxy.drain(LIMIT).join().unwrap();
    let counted = meter.read();
    assert_eq!((counted.exported, counted.unexported), (0, 4));
}

#[test]
fn what_comes_faster_than_the_collector_takes_it_is_dropped_and_counted() {
    // Each leaves two kilobytes, and five megabytes wait.
    const REQUESTS: u64 = 6_000;
    let origin = Origin::new();
    let collector = Collector::replying(&[Reply::Silence; 1000]);
    let mut proxy = start(&collector, settings(), &[origin.address()]);
    let (mut client, mut server) = (proxy.client(), None::<Wire>);
    let path = "x".repeat(500);
    let asked = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(100);
    for _ in 0..REQUESTS / 100 {
        client.send(&asked);
        let server = server.get_or_insert_with(|| origin.accept());
        for _ in 0..100 {
            server.head();
            server.send(OK);
        }
        for _ in 0..100 {
            client.answer();
        }
    }
    until("some are dropped", || proxy.counters().unexported > 0);
    assert_eq!(proxy.counters().exported, 0);
    let meter = proxy.meter();
    drop(client);
    proxy.drain(Duration::ZERO).join().unwrap();
    assert_eq!(meter.read().unexported, 2 * REQUESTS, "every span is counted once");
}

#[test]
fn what_a_tunnel_and_a_lost_endpoint_leave_is_one_span_each() {
    let (collector, origin) = (Collector::start(), Origin::new());
    let mut proxy = start(&collector, settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    client.head();
    proxy.set_standing(0, Standing::Lost);
    let spans = collector.spans(2);
    for told in [pair(&spans).0, pair(&spans).1] {
        assert_eq!(told.says("http.response.status_code").as_deref(), Some("101"));
        assert_eq!(told.says("error.type").as_deref(), Some("connection_terminated"));
    }
}

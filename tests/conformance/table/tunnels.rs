//! Rows 57 to 60: upgrades, expectations, early answers, pipelining.

use super::super::case::{
    Act, After, Case, Described, Exchange, Level, NEXT, Outcome, Received, Saw, Say, any, ask,
    case, passed, passed_and_closed, refused, request, send, told,
};
use super::super::message::Framing;
use Level::{Must, Strict};

const ASK: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const STAYS: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n";

pub(crate) fn upgrades() -> Vec<Case> {
    let asked = || request("GET /chat HTTP/1.1").has("Upgrade", "websocket");
    let switched = |received| Outcome {
        told: vec![told(&[101]).has("Upgrade", "websocket").body("pong")],
        after: After::Closed,
        origin: Saw::Requests(vec![received]),
        upstream: None,
    };
    let acts =
        vec![Act::Send(SWITCH.into()), Act::Expect(b"ping"), Act::Send(b"pong".into()), Act::Close];
    let client = vec![Say::Bytes(ASK.into()), Say::AwaitRequests(1), Say::Bytes(b"ping".into())];
    let tunnel = Exchange::of(client).act(acts).wants(switched(asked()));
    // What a client sends before the 101 is its next request, if there is no 101.
    let hidden = [ASK, NEXT].concat();
    let stays = Exchange::of(vec![Say::Bytes(hidden)]).act(vec![Act::Send(STAYS.into())]);
    let stayed = Outcome { told: vec![told(&[426])], ..passed(asked()) };
    let stays = stays
        .wants(stayed)
        .allows(Outcome { told: vec![told(&[426])], ..passed_and_closed(asked()) });
    let mut cases = vec![
        case(57, Strict, "RFC 9110 §7.8", "a tunnel begins with the origin's 101", tunnel),
        case(
            57,
            Must,
            "RFC 9110 §7.8",
            "without a 101 it stays HTTP, and what follows waits",
            stays,
        ),
    ];
    for (level, name, text) in not_offered() {
        let plain = any().lacks("Upgrade");
        let exchange = send(&text);
        let is_old = text.contains("HTTP/1.0");
        let passes = |received| if is_old { passed_and_closed(received) } else { passed(received) };
        let exchange = exchange.wants(passes(plain));
        // An origin that is asked in HTTP/1.0 as well ignores it by the same rule.
        let exchange = exchange.allows(passes(request("GET / HTTP/1.0")));
        let exchange = if level == Strict {
            exchange.allows(passes(any())).allows(refused(&[400, 501]))
        } else {
            exchange
        };
        cases.push(case(57, level, "RFC 9110 §7.8", name, exchange));
    }
    let unasked =
        ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").act(vec![Act::Body, Act::Send(SWITCH.into())]);
    let unasked = unasked.wants(Outcome { told: vec![told(&[502])], ..Outcome::default() });
    let unasked = unasked.allows(Outcome { told: vec![told(&[502])], ..passed_and_closed(any()) });
    cases.push(case(67, Must, "RFC 9110 §7.8", "a 101 that nobody asked for is a 502", unasked));
    cases
}

fn not_offered() -> Vec<(Level, &'static str, String)> {
    let lines = "Host: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n";
    vec![
        (Must, "Upgrade in HTTP/1.0 is ignored", format!("GET / HTTP/1.0\r\n{lines}\r\n")),
        (
            Strict,
            "Upgrade of a request with a body is not offered",
            format!("POST / HTTP/1.1\r\n{lines}Content-Length: 5\r\n\r\nhello"),
        ),
        (
            Strict,
            "h2c is not offered",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
                .to_owned(),
        ),
    ]
}

pub(crate) fn expectations() -> Vec<Case> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let origin = vec![
        Act::Continue,
        Act::Body,
        Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()),
    ];
    let waits = vec![Say::Bytes(head.into()), Say::Answer, Say::Bytes([b"hello", NEXT].concat())];
    let went_on = |statuses: &[u16]| Outcome {
        told: statuses.iter().map(|status| told(&[*status])).collect(),
        ..passed(any().body("hello"))
    };
    let waited = Exchange::of(waits).act(origin).wants(went_on(&[100, 200]));
    let denied = Exchange::of(vec![
        Say::Bytes(head.into()),
        Say::Answer,
        Say::IfContinued(b"hello"),
        Say::Bytes(NEXT.into()),
    ]);
    let denied =
        denied.act(vec![Act::Send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".into())]);
    let denied = denied.wants(Outcome {
        told: vec![told(&[401])],
        after: After::Closed,
        origin: Saw::NothingWhole,
        upstream: None,
    });
    // A proxy may ask for the body itself, or take what follows for the body that was announced.
    let denied = denied
        .allows(Outcome { told: vec![told(&[100]), told(&[401])], ..passed(any().body("hello")) });
    let denied = denied.allows(Outcome {
        told: vec![told(&[401]), told(&[400])],
        after: After::Closed,
        ..passed(any().body("GET /"))
    });
    let name = "a final answer before the body is sent ends the connection";
    let denied = case(58, Strict, "RFC 9110 §10.1.1", name, denied);
    let eager = send(format!("{head}hello")).wants(went_on(&[200])).allows(went_on(&[100, 200]));
    let old = send(format!("{}hello", head.replace("HTTP/1.1", "HTTP/1.0")));
    let old = old.act(vec![
        Act::Continue,
        Act::Body,
        Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()),
    ]);
    let old = old.wants(passed_and_closed(any().body("hello")));
    let other = send("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n").refused(&[417]);
    vec![
        case(58, Must, "RFC 9110 §10.1.1", "a client that waits for the 100 gets one", waited),
        denied,
        case(58, Must, "RFC 9110 §10.1.1", "a client that does not wait is answered", eager),
        case(58, Must, "RFC 9110 §15.2", "a client of HTTP/1.0 gets no 100", old),
        case(
            58,
            Strict,
            "RFC 9110 §10.1.1",
            "any other expectation is a 417",
            other.allows(passed(any())),
        ),
    ]
}

pub(crate) fn early_answers() -> Vec<Case> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhello";
    let early = vec![Act::Send(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n".into())];
    let ended = Outcome {
        told: vec![told(&[413])],
        after: After::Closed,
        origin: Saw::NothingWhole,
        upstream: None,
    };
    let smuggled = format!("{}{}", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100));
    let client = vec![
        Say::Bytes(head.into()),
        Say::AwaitRequests(1),
        Say::Answer,
        Say::Bytes(smuggled.into_bytes()),
        Say::Finish,
    ];
    let early_answer = Exchange::of(client).act(early).wants(ended);
    // Whoever reads the whole body before it asks the origin has nothing to drain.
    let early_answer = early_answer.allows(Outcome {
        told: vec![told(&[400, 408])],
        after: After::Closed,
        origin: Saw::Nothing,
        upstream: None,
    });
    let early_answer = early_answer.allows(super::super::case::dropped());
    let name = "the rest of a body that was answered early is no request";
    let received = |line: &str| -> Received { request(line).framed(Framing::Empty) };
    let three = ["/1", "/2", "/3"];
    let text = three.map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).concat();
    let turns = send(text).wants(Outcome {
        told: vec![told(&[200]), told(&[200]), told(&[200])],
        after: After::Open,
        origin: Saw::Requests(three.map(|path| received(&format!("GET {path} HTTP/1.1"))).into()),
        upstream: None,
    });
    let bad = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n";
    let bad = send(bad).wants(Outcome {
        told: vec![told(&[200]), told(&[400])],
        after: After::Closed,
        origin: Saw::Requests(vec![received("GET /1 HTTP/1.1")]),
        upstream: None,
    });
    vec![
        case(59, Must, "RFC 9112 §9.3", name, early_answer),
        case(
            60,
            Must,
            "RFC 9112 §9.3.2",
            "pipelined requests go on one at a time, in order",
            turns,
        ),
        case(60, Must, "RFC 9112 §9.3.2", "a bad request behind a good one", bad),
    ]
}

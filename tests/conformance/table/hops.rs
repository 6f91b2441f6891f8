//! Rows 52 to 56: what ends at each hop, what each hop adds, and how far a request may go.

use super::super::case::{
    After, Case, Described, Level, Outcome, Received, answer, answered, any, case, passed,
    passed_and_closed, refused, request, send, tells, told,
};
use Level::{Must, Should, Strict};

fn get(lines: impl AsRef<str>) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.as_ref())
}

fn hello() -> Received {
    any().body("hello")
}

pub(crate) fn connection_options() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("what Connection names", "Connection: X-Custom\r\nX-Custom: 1\r\n"),
        ("what Connection names, in any case", "connection: x-cUSTOM\r\nX-Custom: 1\r\n"),
        ("what comes before Connection", "X-Custom: 1\r\nConnection: X-Custom\r\n"),
        ("what a list in Connection names", "Connection: keep-alive, X-Custom\r\nX-Custom: 1\r\n"),
        (
            "what a second Connection names",
            "Connection: keep-alive\r\nConnection: X-Custom\r\nX-Custom: 1\r\n",
        ),
    ] {
        let exchange = send(get(lines)).passes(any().lacks("X-Custom"));
        let name = format!("{name} ends here");
        cases.push(case(52, Must, "RFC 9110 §7.6.1", name, exchange));
    }
    let itself =
        send(get("Connection: keep-alive, X-Custom\r\n")).passes(any().lacks("Connection"));
    let name = "Connection itself ends here";
    let itself = itself.allows(passed(any().has("Connection", "keep-alive")));
    cases.push(case(52, Must, "RFC 9110 §7.6.1", name, itself));
    let said =
        "HTTP/1.1 200 OK\r\nConnection: X-Custom\r\nX-Custom: 1\r\nContent-Length: 2\r\n\r\nok";
    let answer = answer(said).wants(tells(told(&[200]).lacks("X-Custom").body("ok")));
    let name = "what Connection names in an answer ends here";
    cases.push(case(52, Must, "RFC 9110 §7.6.1", name, answer));
    cases.extend(protected());
    cases
}

/// `Connection` names what it must not remove.
fn protected() -> Vec<Case> {
    let kept = any().has("Host", "a").has("X-Forwarded-For", "127.0.0.1");
    let mut cases = Vec::new();
    for option in ["Host", "X-Forwarded-For", "Via", "X-Request-ID"] {
        let exchange = send(get(format!("Connection: {option}\r\n"))).passes(kept.clone());
        let name = format!("Connection: {option} takes nothing away");
        cases.push(case(52, Strict, "RFC 9110 §7.6.1", name, exchange.allows(refused(&[400]))));
    }
    let post =
        |lines: &str, body: &str| send(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}"));
    let length = post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello");
    let coding = "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n";
    let coding = post(coding, "5\r\nhello\r\n0\r\n\r\n");
    let closing = "Connection: close, X-Forwarded-For, Host, Content-Length\r\n\
                   Connection: X-Request-ID, X-Custom\r\n\
                   X-Custom: 1\r\nContent-Length: 5\r\n";
    let closing = post(closing, "hello");
    let closing = closing.wants(passed_and_closed(Received {
        parts: kept.lacks("X-Custom").body("hello").parts,
        line: None,
    }));
    for (name, exchange) in [
        ("Connection: Content-Length takes no framing away", length.passes(hello())),
        ("Connection: Transfer-Encoding takes no framing away", coding.passes(hello())),
        ("Connection: close and all of these", closing),
    ] {
        cases.push(case(52, Must, "RFC 9110 §7.6.1", name, exchange));
    }
    cases
}

pub(crate) fn hop_by_hop() -> Vec<Case> {
    let mut cases = Vec::new();
    for (level, name, value) in [
        (Should, "Keep-Alive", "timeout=5"),
        (Should, "Proxy-Connection", "keep-alive"),
        (Should, "TE", "gzip"),
        (Should, "Upgrade", "echo"),
        (Strict, "Trailer", "X-Sum"),
        (Strict, "Proxy-Authorization", "Basic eDp5"),
        (Strict, "HTTP2-Settings", "AAMAAABkAAQ"),
    ] {
        let exchange = send(get(format!("{name}: {value}\r\n"))).passes(any().lacks(name));
        let exchange = if level == Strict { exchange.allows(passed(any())) } else { exchange };
        let name = format!("{name} ends here");
        cases.push(case(53, level, "RFC 9110 §7.6.1", name, exchange));
    }
    for (level, name, value) in [
        (Should, "Keep-Alive", "timeout=5"),
        (Should, "Proxy-Connection", "keep-alive"),
        (Strict, "Proxy-Authenticate", "Basic"),
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{name}: {value}\r\nContent-Length: 2\r\n\r\nok");
        let exchange = answer(said).wants(tells(told(&[200]).lacks(name)));
        let exchange =
            if level == Strict { exchange.allows(tells(told(&[200]))) } else { exchange };
        let name = format!("{name} of an answer ends here");
        cases.push(case(53, level, "RFC 9110 §7.6.1", name, exchange));
    }
    for (name, lines) in [
        ("X-Forwarded-For of a client", "X-Forwarded-For: 1.2.3.4\r\n"),
        (
            "two X-Forwarded-For of a client",
            "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n",
        ),
        ("X-Forwarded-For in lower case", "x-forwarded-for: 1.2.3.4\r\n"),
        (
            "a hundred addresses in X-Forwarded-For",
            &format!("X-Forwarded-For: {}1.1.1.1\r\n", "1.2.3.4, ".repeat(99)),
        ),
    ] {
        let exchange = send(get(lines)).passes(any().has("X-Forwarded-For", "127.0.0.1"));
        cases.push(case(54, Strict, "RFC 7239 §8.1", format!("{name} is replaced"), exchange));
    }
    for (name, line) in [
        ("Forwarded", "Forwarded: for=1.2.3.4\r\n"),
        ("X-Real-IP", "X-Real-IP: 1.2.3.4\r\n"),
        ("X-Forwarded-Host", "X-Forwarded-Host: evil\r\n"),
        ("X-Forwarded-Proto", "X-Forwarded-Proto: https\r\n"),
        ("X-Forwarded-Anything", "X-Forwarded-Anything: 1\r\n"),
    ] {
        let received = match name {
            "Forwarded" => any().has(name, "for=127.0.0.1*"),
            "X-Forwarded-Host" => any().has(name, "a"),
            "X-Forwarded-Proto" => any().has(name, "http"),
            _ => any().lacks(name),
        };
        let exchange = send(get(line)).passes(received).allows(passed(any()));
        let name = format!("{name} of a client does not pass");
        cases.push(case(54, Strict, "RFC 7239 §8.1", name, exchange));
    }
    cases
}

pub(crate) fn distance() -> Vec<Case> {
    let hops = |method: &str, value: &str| {
        send(format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\n\r\n"))
    };
    let ends_here = Outcome { after: After::Open, ..answered(&[200, 204]) };
    let options = hops("OPTIONS", "0").wants(ends_here);
    let options = options.allows(answered(&[405, 501])).allows(refused(&[405, 501]));
    let traced = hops("TRACE", "0").refused(&[405]).allows(answered(&[200, 405, 501]));
    let fewer = hops("OPTIONS", "5").passes(request("OPTIONS / HTTP/1.1").has("Max-Forwards", "4"));
    let bad = hops("OPTIONS", "x").refused(&[400]).allows(passed(any()));
    let plain = hops("GET", "0").passes(request("GET / HTTP/1.1"));
    let trace = send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").refused(&[405]);
    let trace = trace.allows(answered(&[405, 501])).allows(passed(any()));
    let mut cases = vec![
        case(55, Must, "RFC 9110 §7.6.2", "OPTIONS with Max-Forwards: 0 ends here", options),
        case(55, Must, "RFC 9110 §7.6.2", "TRACE with Max-Forwards: 0 ends here", traced),
        case(55, Must, "RFC 9110 §7.6.2", "OPTIONS with Max-Forwards: 5 goes on with 4", fewer),
        case(55, Strict, "RFC 9110 §7.6.2", "OPTIONS with Max-Forwards: x", bad),
        case(55, Strict, "RFC 9110 §7.6.2", "a GET with Max-Forwards: 0 goes on", plain),
        case(55, Strict, "RFC 9110 §9.3.8", "TRACE is not offered", trace.allows(refused(&[501]))),
    ];
    let via = send(get("")).passes(any().has("Via", "1.1 *"));
    let longer = send(get("Via: 1.0 fred\r\n")).passes(any().has("Via", "1.0 fred, 1.1 *"));
    let old = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let old = send(old).wants(passed_and_closed(any().has("Via", "1.0 *")));
    let circle = send(get("Via: 1.1 cloudaps\r\n".repeat(8))).refused(&[508]);
    let circle = circle.allows(passed(any()));
    cases.extend([
        case(56, Must, "RFC 9110 §7.6.3", "a request goes on with Via", via),
        case(56, Must, "RFC 9110 §7.6.3", "Via is continued", longer),
        case(56, Must, "RFC 9110 §7.6.3", "Via tells the version that was received", old),
        case(56, Strict, "RFC 9110 §7.6.3", "a request that has been here eight times", circle),
    ]);
    cases
}

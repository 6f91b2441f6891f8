//! Rows 1 to 12: lines, the request line and its target.

use super::super::case::{
    Case, Described, Exchange, Level, any, case, passed, passed_and_closed, refused, request, send,
};
use Level::{Must, Should, Strict};

/// A request line with the usual header.
fn line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: a\r\n\r\n"].concat()
}

pub(crate) fn lines() -> Vec<Case> {
    let mut cases = line_feeds();
    cases.extend(carriage_returns());
    for (name, text) in [
        ("two spaces after the method", "GET  / HTTP/1.1"),
        ("two spaces after the target", "GET /  HTTP/1.1"),
        ("tabs for spaces", "GET\t/\tHTTP/1.1"),
        ("a space at the end", "GET / HTTP/1.1 "),
        ("a space before the method", " GET / HTTP/1.1"),
    ] {
        let exchange = send(line(text)).refused(&[400]);
        let exchange = exchange.allows(passed(request("GET / HTTP/1.1")));
        cases.push(case(3, Strict, "RFC 9112 §3", name, exchange));
    }
    let inside = send(line("GET /a b HTTP/1.1")).refused(&[400]);
    cases.push(case(3, Should, "RFC 9112 §3", "a space in the target", inside));
    cases.extend(empty_lines());
    for (name, before) in [
        ("a space before the first header", " X: 1\r\n"),
        ("a tab before the first header", "\tX: 1\r\n"),
        ("a space before a first header that frames", " Transfer-Encoding: chunked\r\n"),
    ] {
        let text = format!("GET / HTTP/1.1\r\n{before}Host: a\r\n\r\n");
        let dropped = any().lacks("X").lacks("Transfer-Encoding");
        let exchange = send(text).refused(&[400]).allows(passed(dropped));
        cases.push(case(5, Must, "RFC 9112 §2.2", name, exchange));
    }
    cases
}

fn line_feeds() -> Vec<Case> {
    [
        ("a bare LF ends every line", "GET / HTTP/1.1\nHost: a\n\n"),
        ("a bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        ("a bare LF ends a header line", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n"),
        ("a bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ]
    .into_iter()
    .map(|(name, text)| {
        let exchange = send(text).refused(&[400]).allows(passed(request("GET / HTTP/1.1")));
        case(1, Strict, "RFC 9112 §2.2", name, exchange)
    })
    .collect()
}

fn carriage_returns() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text, value) in [
        ("a bare CR in a value", "X: a\rb\r\n", "a b"),
        ("a bare CR at the end of a value", "X: a\r\r\n", "a"),
        ("a bare CR and what looks like a header", "X: a\rContent-Length: 5\r\n", "a Content-*"),
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{text}\r\n");
        let exchange = send(text).refused(&[400]).allows(passed(any().has("X", value)));
        cases.push(case(2, Must, "RFC 9112 §2.2", name, exchange));
    }
    for (name, text) in [
        ("a bare CR in the target", "GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bare CR before a header name", "GET / HTTP/1.1\r\nHost: a\r\n\rX: 1\r\n\r\n"),
        ("a bare CR in a header name", "GET / HTTP/1.1\r\nHost: a\r\nX\rY: 1\r\n\r\n"),
    ] {
        cases.push(case(2, Must, "RFC 9112 §2.2", name, send(text).refused(&[400])));
    }
    cases
}

fn empty_lines() -> Vec<Case> {
    let text = line("GET / HTTP/1.1");
    let one = send([b"\r\n", text.as_slice()].concat()).passes(request("GET / HTTP/1.1"));
    let many = send([b"\r\n".repeat(50).as_slice(), &text].concat()).refused(&[400]);
    let many = many.allows(passed(request("GET / HTTP/1.1")));
    vec![
        case(4, Should, "RFC 9112 §2.2", "one empty line before a request is ignored", one),
        case(4, Strict, "RFC 9112 §2.2", "fifty empty lines before a request", many),
    ]
}

pub(crate) fn versions() -> Vec<Case> {
    let later = send(line("GET / HTTP/1.2")).passes(request("GET / HTTP/1.1"));
    let mut cases = vec![case(6, Should, "RFC 9110 §2.5", "HTTP/1.2 is taken as 1.1", later)];
    for version in ["HTTP/2.0", "HTTP/9.9", "HTTP/3.0"] {
        let exchange = send(line(format!("GET / {version}"))).refused(&[505]);
        let exchange = exchange.allows(refused(&[400]));
        cases.push(case(6, Strict, "RFC 9110 §2.5", version, exchange));
    }
    for version in
        ["http/1.1", "HTTP/1.10", "HTTP/01.1", "HTTP/1", "HTTP/1,1", "HTTP/ 1.1", "HTP/1.1"]
    {
        let exchange = send(line(format!("GET / {version}"))).refused(&[400]);
        cases.push(case(6, Should, "RFC 9112 §2.3", version, exchange.allows(refused(&[505]))));
    }
    // Nothing but the line, as HTTP/0.9 had it.
    let oldest = Exchange::of(vec![super::super::case::Say::Bytes(b"GET /\r\n".to_vec())]);
    let oldest = oldest.refused(&[400]);
    cases.push(case(6, Strict, "RFC 9112 §2.3", "no version at all (HTTP/0.9)", oldest));
    cases
}

pub(crate) fn targets() -> Vec<Case> {
    let mut cases = absolute();
    for text in ["GET b:80", "GET *", "POST *", "GET admin", "GET ?x", "GET //"] {
        let exchange = send(line(format!("{text} HTTP/1.1")));
        // Two slashes are an empty first segment, which is a path.
        let exchange = if text == "GET //" {
            exchange.passes(request("GET // HTTP/1.1"))
        } else {
            exchange.refused(&[400])
        };
        // A form that stands in the grammar, but not for this method.
        let is_form = ["GET b:80", "GET *", "POST *"].contains(&text);
        let level = if is_form { Strict } else { Should };
        cases.push(case(8, level, "RFC 9112 §3.2", text, exchange));
    }
    let asterisk = send(line("OPTIONS * HTTP/1.1")).passes(request("OPTIONS * HTTP/1.1"));
    cases.push(case(8, Should, "RFC 9112 §3.2.4", "OPTIONS * passes", asterisk));
    let connect = send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").refused(&[405, 501]);
    let connect = connect.allows(refused(&[400]));
    cases.push(case(9, Strict, "RFC 9110 §9.3.6", "CONNECT is not offered", connect));
    for target in ["a", "a:", "a:0x50"] {
        let text = format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let exchange = send(text).refused(&[400]).allows(refused(&[405, 501]));
        let name = format!("CONNECT {target}, without a port");
        cases.push(case(9, Must, "RFC 9110 §9.3.6", name, exchange));
    }
    let (line_rule, user_rule) = ("RFC 9112 §3", "RFC 9110 §4.2.4");
    for (rule, name, target) in [
        (line_rule, "a fragment", b"/#x".as_slice()),
        (line_rule, "a control character", b"/\x01"),
        (line_rule, "NUL", b"/\0"),
        (line_rule, "DEL", b"/\x7f"),
        (line_rule, "a raw octet above ASCII", b"/\xc3\xa9"),
        (user_rule, "userinfo", b"http://u@a/"),
        (user_rule, "userinfo with a password", b"http://u:p@a/"),
    ] {
        let text = line([b"GET ", target, b" HTTP/1.1"].concat());
        let exchange = send(text).refused(&[400]);
        cases.push(case(10, Should, rule, name, exchange));
    }
    cases
}

/// A client sends the same host in both places; one that does not may be refused.
fn absolute() -> Vec<Case> {
    let equal = send("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n");
    let equal = equal.passes(request("GET /x HTTP/1.1").has("Host", "a"));
    let equal = equal.allows(passed(request("GET http://a/x HTTP/1.1").has("Host", "a")));
    let name = "an absolute URI and the same Host";
    let equal = case(7, Must, "RFC 9112 §3.2.2", name, equal);
    let options = send(line("OPTIONS http://b HTTP/1.1"));
    let options = options.passes(request("OPTIONS * HTTP/1.1").has("Host", "b"));
    let options = options.allows(passed(any().has("Host", "b"))).allows(refused(&[400]));
    let name = "OPTIONS http://b goes on as OPTIONS *";
    let options = case(7, Strict, "RFC 9112 §3.2.4", name, options);
    let others = [
        ("GET http://b/x", "GET /x"),
        ("GET HTTP://b/x", "GET /x"),
        ("GET http://b", "GET /"),
        ("GET http://b?x", "GET /?x"),
    ];
    let others = others.into_iter().map(|(text, inner)| {
        let exchange = send(line(format!("{text} HTTP/1.1")));
        let exchange = exchange.passes(request(format!("{inner} HTTP/1.1")).has("Host", "b"));
        let whole = request(format!("{text} HTTP/1.1")).has("Host", "b");
        let exchange = exchange.allows(passed(whole)).allows(refused(&[400]));
        case(7, Must, "RFC 9112 §3.2.2", format!("{text} with Host: a goes to b"), exchange)
    });
    [equal, options].into_iter().chain(others).collect()
}

pub(crate) fn sizes_and_methods() -> Vec<Case> {
    let path = format!("/{}", "x".repeat(7980));
    let long = send(line(format!("GET {path} HTTP/1.1")));
    let long = long.passes(request(format!("GET {path} HTTP/1.1")));
    let longer = send(line(format!("GET /{} HTTP/1.1", "x".repeat(100_000)))).refused(&[414]);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let head = send(head).refused(&[431]).allows(refused(&[400, 413, 494]));
    let mut cases = vec![
        case(11, Should, "RFC 9112 §3", "a request line of 8000 octets passes", long),
        case(11, Must, "RFC 9112 §3", "a target of 100 000 octets is a 414", longer),
        case(11, Must, "RFC 9110 §5.4", "a head of 100 000 octets is a 4xx", head),
    ];
    for method in ["PURGE", "M-SEARCH", "get", "GETT", "x!#$%&'*+-.^_`|~1"] {
        let exchange = send(line(format!("{method} / HTTP/1.1")));
        let exchange = exchange.passes(request(format!("{method} / HTTP/1.1")));
        let exchange = exchange.allows(refused(&[400, 405, 501]));
        let name = format!("the method {method} passes");
        cases.push(case(12, Strict, "RFC 9110 §9.1", name, exchange));
    }
    for (name, method) in [
        ("a method with a bracket", b"G(T".as_slice()),
        ("a method with a control character", b"G\x01T"),
        ("a method with a raw octet", b"G\xc9T"),
        ("a method with a colon", b"GET:"),
        ("no method", b""),
    ] {
        let exchange = send(line([method, b" / HTTP/1.1"].concat())).refused(&[400]);
        cases.push(case(12, Should, "RFC 9112 §3.1", name, exchange));
    }
    cases
}

pub(crate) fn hosts() -> Vec<Case> {
    let mut cases = Vec::new();
    let host = |lines: &str| send(format!("GET / HTTP/1.1\r\n{lines}\r\n"));
    for (row, name, lines) in [
        (13, "no Host", ""),
        (14, "two Hosts that differ", "Host: a\r\nHost: b\r\n"),
        (14, "two Hosts that are equal", "Host: a\r\nHost: a\r\n"),
        (15, "a Host with a space", "Host: a b\r\n"),
        (15, "a Host with a path", "Host: a/x\r\n"),
        (15, "a Host with a query", "Host: a?x\r\n"),
        (15, "a Host with userinfo", "Host: u@a\r\n"),
        (15, "a Host with a port of letters", "Host: a:x\r\n"),
        (15, "a Host with an open bracket", "Host: [::1\r\n"),
        (15, "a Host with two ports", "Host: a:1:2\r\n"),
    ] {
        cases.push(case(row, Must, "RFC 9112 §3.2", name, host(lines).refused(&[400])));
    }
    for (row, name, lines) in [
        (15, "a list of Hosts (a comma is legal in a name)", "Host: a,b\r\n"),
        (15, "a port above 65535", "Host: a:99999\r\n"),
        (15, "a percent-encoded Host", "Host: %61\r\n"),
        (16, "an empty Host", "Host:\r\n"),
    ] {
        let exchange = host(lines).refused(&[400]).allows(passed(any()));
        cases.push(case(row, Strict, "RFC 9112 §3.2", name, exchange));
    }
    let empty_port = host("Host: a:\r\n").passes(any().has("Host", "a"));
    let empty_port = empty_port.allows(passed(any().has("Host", "a:"))).allows(refused(&[400]));
    let name = "an empty port is left out";
    cases.push(case(15, Strict, "RFC 9110 §4.2.3", name, empty_port));
    let old = send("GET / HTTP/1.0\r\n\r\n");
    let old = old.wants(passed_and_closed(request("GET / HTTP/1.1").has("Host", "*")));
    let old = old.allows(passed_and_closed(request("GET / HTTP/1.0")));
    cases.push(case(17, Must, "RFC 9112 §3.2", "HTTP/1.0 needs no Host", old));
    cases
}

//! Rows 18 to 24: header lines.

use super::super::case::{
    Case, Described, Level, answer, any, bad_gateway, case, passed, refused, send, tells, told,
};
use Level::{Must, Should, Strict};

/// A GET with these header lines.
fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", lines.as_ref(), b"\r\n"].concat()
}

pub(crate) fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in [
        ("a space before the colon", get("X : 1\r\n")),
        ("a tab before the colon", get("X\t: 1\r\n")),
        ("a space before the colon of Host", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_vec()),
        ("a space before the colon of Content-Length", get("Content-Length : 0\r\n")),
    ] {
        cases.push(case(18, Must, "RFC 9112 §5.1", name, send(text).refused(&[400])));
    }
    let spaced = answer("HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 2\r\n\r\nok");
    let spaced = spaced.wants(tells(told(&[200]).has("X", "1").body("ok")));
    let name = "a space before the colon is removed from an answer";
    cases.push(case(18, Must, "RFC 9112 §5.1", name, spaced.allows(bad_gateway())));
    cases.extend(folded());
    for (name, line) in [
        ("no colon", b"X\r\n".as_slice()),
        ("no name", b": 1\r\n"),
        ("a space in the name", b"X Y: 1\r\n"),
        ("a bracket in the name", b"X(: 1\r\n"),
        ("a control character in the name", b"X\x01: 1\r\n"),
        ("a raw octet in the name", b"X\xe9: 1\r\n"),
        ("NUL in the name", b"X\0: 1\r\n"),
    ] {
        let exchange = send(get(line)).refused(&[400]);
        let left_out = any().lacks("X").lacks("X Y").lacks("X(").lacks("X\u{1}").lacks("X\u{e9}");
        let exchange = exchange.allows(passed(left_out.lacks("").lacks("X\0")));
        cases.push(case(20, Should, "RFC 9112 §2.2", name, exchange));
    }
    cases
}

fn folded() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, line) in [
        ("a folded value", "X: 1\r\n 2\r\n"),
        ("a value folded with a tab", "X: 1\r\n\t2\r\n"),
        ("a value folded twice", "X: 1\r\n  2\r\n 3\r\n"),
    ] {
        let exchange = send(get(line)).refused(&[400]).allows(passed(any().has("X", "1 *")));
        cases.push(case(19, Must, "RFC 9112 §5.2", name, exchange));
    }
    let said = "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok";
    let exchange = answer(said).wants(bad_gateway());
    let exchange = exchange.allows(tells(told(&[200]).has("X", "1 *").body("ok")));
    cases.push(case(19, Must, "RFC 9112 §5.2", "a folded value in an answer", exchange));
    cases
}

pub(crate) fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    let nul = send(get("X: a\0b\r\n")).refused(&[400]).allows(passed(any().has("X", "a b")));
    cases.push(case(21, Must, "RFC 9110 §5.5", "NUL in a value", nul));
    for (name, value) in [
        ("a control character in a value", "\x01"),
        ("DEL in a value", "\x7f"),
        ("a vertical tab in a value", "\x0b"),
    ] {
        let exchange = send(get(format!("X: a{value}b\r\n"))).refused(&[400]);
        let exchange = exchange.allows(passed(any().has("X", "a*")));
        cases.push(case(21, Strict, "RFC 9110 §5.5", name, exchange));
    }
    for (name, line, hidden) in [
        ("Content_Length is left out", "Content_Length: 5\r\n", "Content_Length"),
        ("Transfer_Encoding is left out", "Transfer_Encoding: chunked\r\n", "Transfer_Encoding"),
        ("X_Forwarded_For is left out", "X_Forwarded_For: 1.2.3.4\r\n", "X_Forwarded_For"),
    ] {
        let exchange = send(get(line)).passes(any().lacks(hidden));
        let exchange = exchange.allows(passed(any())).allows(refused(&[400]));
        cases.push(case(22, Strict, "RFC 3875 §4.1.18", name, exchange));
    }
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    let many = send(get(many)).refused(&[431]).allows(refused(&[400]));
    let many = many.allows(passed(any().has("X-0", "1").has("X-199", "1")));
    cases.push(case(23, Strict, "RFC 9110 §5.4", "two hundred header lines", many));
    let opaque =
        send(get(b"X: caf\xe9 \xc3\xa9\r\n")).passes(any().has("X", "caf\u{e9} \u{c3}\u{a9}"));
    let name = "octets above ASCII in a value pass";
    cases.push(case(24, Should, "RFC 9110 §5.5", name, opaque));
    cases
}

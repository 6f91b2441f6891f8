//! Rows 25 to 41: how the end of a request is told.

use super::super::case::{
    After, Case, Described, Exchange, Level, NEXT, Outcome, Received, Saw, Say, any, case, dropped,
    passed, passed_and_closed, refused, refused_halfway, send, told,
};
use super::super::message::Framing;
use Level::{Must, Should, Strict};

/// A POST with these header lines and this body.
fn post(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = [b"POST / HTTP/1.1\r\nHost: a\r\n", lines.as_ref(), b"\r\n"].concat();
    [head.as_slice(), body.as_ref()].concat()
}

const CHUNKED_HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

fn hello() -> Received {
    any().body("hello")
}

pub(crate) fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for value in ["+5", "-1", "-0", "0x5", "1_0", "5 5", "", "5.0", "5;", "5e0", "5a", "\u{665}"] {
        let exchange = send(post(format!("Content-Length: {value}\r\n"), "hello"));
        let name = format!("Content-Length `{value}`");
        cases.push(case(25, Must, "RFC 9112 §6.3", name, exchange.refused(&[400])));
    }
    // The second one is 5 to those who forget what does not fit into 64 bits.
    for value in ["18446744073709551616", "18446744073709551621", &"9".repeat(30)] {
        let exchange = send(post(format!("Content-Length: {value}\r\n"), "hello"));
        let name = format!("Content-Length `{value}`");
        let exchange = exchange.refused(&[400]).allows(refused(&[413]));
        cases.push(case(26, Must, "RFC 9110 §8.6", name, exchange));
    }
    let zeros = send(post("Content-Length: 005\r\n", "hello"));
    let zeros = zeros.passes(hello().has("Content-Length", "5"));
    let zeros = zeros.allows(passed(hello().has("Content-Length", "005")));
    let name = "Content-Length `005` is 5";
    cases.push(case(27, Strict, "RFC 9110 §8.6", name, zeros.allows(refused(&[400]))));
    cases.extend(repeated_lengths());
    let get = send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").passes(hello());
    let name = "a GET with a body is framed, not followed";
    cases.push(case(30, Must, "RFC 9112 §6.3", name, get.allows(refused(&[400, 413]))));
    cases
}

fn repeated_lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("Content-Length `5, 5`", "Content-Length: 5, 5\r\n"),
        (
            "two lines of Content-Length that are equal",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
        ),
    ] {
        let exchange = send(post(lines, "hello")).refused(&[400]);
        let exchange = exchange.allows(passed(hello().has("Content-Length", "5")));
        cases.push(case(28, Must, "RFC 9112 §6.3", name, exchange));
    }
    for (name, lines) in [
        ("Content-Length `5,6`", "Content-Length: 5,6\r\n"),
        ("Content-Length `5, 05`", "Content-Length: 5, 05\r\n"),
        ("two lines of Content-Length that differ", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("the same, the larger first", "Content-Length: 6\r\nContent-Length: 5\r\n"),
    ] {
        let exchange = send(post(lines, "hello")).refused(&[400]);
        // A list of equal numbers may be taken as one of them.
        let exchange = match name.contains("05") {
            true => exchange
                .allows(passed(hello().has("Content-Length", "5")))
                .allows(passed(hello().has("Content-Length", "05"))),
            false => exchange,
        };
        cases.push(case(29, Must, "RFC 9112 §6.3", name, exchange));
    }
    cases
}

/// A client that stops in the middle of its body: nothing whole may come of it.
pub(crate) fn truncated() -> Vec<Case> {
    let halves = [
        ("a body shorter than its Content-Length", post("Content-Length: 50\r\n", "hello")),
        ("a body without its last chunk", post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n")),
        ("a body that ends in a chunk", post("Transfer-Encoding: chunked\r\n", "9\r\nhello")),
        ("a body that ends in a size", post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0")),
    ];
    let mut cases = Vec::new();
    for (name, bytes) in halves {
        let leaves = vec![Say::Bytes(bytes.clone()), Say::Taken, Say::Leave];
        let left = Outcome { origin: Saw::NothingWhole, ..dropped() };
        let exchange = Exchange::of(leaves).wants(left);
        let title = format!("{name}, and the client leaves");
        cases.push(case(31, Must, "RFC 9112 §8", title, exchange));
        let finishes = vec![Say::Bytes(bytes), Say::Finish];
        let exchange = Exchange::of(finishes).wants(dropped());
        let exchange = exchange.allows(refused_halfway(&[400, 408]));
        let title = format!("{name}, and the client sends no more");
        cases.push(case(31, Must, "RFC 9112 §8", title, exchange));
    }
    cases
}

pub(crate) fn length_and_coding() -> Vec<Case> {
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let (length, coding) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
    let mut cases = Vec::new();
    for (name, lines, body, passes) in [
        ("both framings", format!("{length}{coding}"), CHUNKED_HELLO, "hello"),
        ("both framings, the other way round", format!("{coding}{length}"), CHUNKED_HELLO, "hello"),
        (
            "a request hidden behind the last chunk",
            format!("Content-Length: {}\r\n{coding}", smuggled.len()),
            smuggled,
            "",
        ),
    ] {
        let exchange = send(post(lines, body)).refused(&[400]);
        let exchange = exchange.allows(passed_and_closed(any().body(passes)));
        cases.push(case(32, Must, "RFC 9112 §6.3", name, exchange));
    }
    for (name, options) in [
        ("a coding in HTTP/1.0", ""),
        ("a coding in HTTP/1.0 that is kept alive", "Connection: keep-alive\r\n"),
        ("both framings in HTTP/1.0", "Content-Length: 5\r\n"),
    ] {
        let head = format!("POST / HTTP/1.0\r\nHost: a\r\n{options}{coding}\r\n");
        let exchange = send(format!("{head}{CHUNKED_HELLO}")).refused(&[400]);
        let exchange = exchange.allows(refused(&[411, 501]));
        let exchange = exchange.allows(passed_and_closed(hello()));
        cases.push(case(33, Must, "RFC 9112 §6.1", name, exchange));
    }
    cases
}

pub(crate) fn codings() -> Vec<Case> {
    let coded = |value: &str| send(post(format!("Transfer-Encoding: {value}\r\n"), CHUNKED_HELLO));
    let mut cases = Vec::new();
    for (row, value) in [
        (34, "chunked, gzip"),
        (34, "gzip"),
        (34, "identity, gzip"),
        (35, "chunked, chunked"),
        (35, "chunked,chunked"),
        (37, "xchunked"),
        (37, "identity"),
        (37, "chunked;x=1"),
        (37, "\"chunked\""),
        (37, "chunked\x0b"),
        (37, "\x0cchunked"),
        (37, "chunked\0"),
        (37, "chun ked"),
        (37, "chunked chunked"),
        (37, "\u{a0}chunked"),
    ] {
        let name = format!("Transfer-Encoding `{}`", value.escape_default());
        let exchange = coded(value).refused(&[400]).allows(refused(&[501]));
        cases.push(case(row, Must, "RFC 9112 §6.3", name, exchange));
    }
    for value in ["gzip, chunked", "foo, chunked", "identity, chunked"] {
        let exchange = coded(value).refused(&[501]).allows(refused(&[400]));
        let name = format!("Transfer-Encoding `{value}`");
        cases.push(case(36, Should, "RFC 9112 §6.1", name, exchange));
    }
    for value in [",chunked", "chunked,", "chunked, ,"] {
        let exchange = coded(value).refused(&[400]).allows(refused(&[501]));
        let exchange = exchange.allows(passed(hello()));
        let name = format!("Transfer-Encoding `{value}`");
        cases.push(case(38, Strict, "RFC 9110 §5.6.1", name, exchange));
    }
    let empty = send(post("Transfer-Encoding:\r\n", "")).refused(&[400]);
    let empty = empty.allows(refused(&[501])).allows(passed(any().body("")));
    cases.push(case(38, Strict, "RFC 9112 §6.3", "an empty Transfer-Encoding", empty));
    cases.extend(split_codings());
    for (rule, value) in [
        ("RFC 9112 §7", "cHuNkEd"),
        ("RFC 9112 §7", "CHUNKED"),
        ("RFC 9110 §5.5", "\tchunked"),
        ("RFC 9110 §5.5", "chunked \t"),
    ] {
        let exchange = coded(value).passes(hello());
        let name = format!("Transfer-Encoding `{}` is chunked", value.escape_default());
        cases.push(case(41, Must, rule, name, exchange));
    }
    cases
}

fn split_codings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, first, second) in [
        ("chunked on two lines", "chunked", "chunked"),
        ("chunked, then identity on another line", "chunked", "identity"),
        ("chunked, then gzip on another line", "chunked", "gzip"),
    ] {
        let lines = format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n");
        let exchange = send(post(lines, CHUNKED_HELLO)).refused(&[400]).allows(refused(&[501]));
        cases.push(case(39, Must, "RFC 9112 §6.3", name, exchange));
    }
    let lines = "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    let exchange = send(post(lines, CHUNKED_HELLO)).refused(&[501]).allows(refused(&[400]));
    let name = "gzip, then chunked on another line";
    cases.push(case(39, Should, "RFC 9112 §6.1", name, exchange));
    let lines = "X: 1\r\n Transfer-Encoding: chunked\r\n";
    let folds = send(post(lines, CHUNKED_HELLO)).refused(&[400]);
    // Folded into X, it frames nothing: then the body is a request that is refused.
    let folds = folds.allows(Outcome {
        told: vec![told(&[200]), told(&[400])],
        origin: Saw::Requests(vec![any().lacks("Transfer-Encoding").body("")]),
        ..refused(&[400])
    });
    cases.push(case(40, Must, "RFC 9112 §5.2", "a space before Transfer-Encoding", folds));
    for (name, lines) in [
        ("a space after Transfer-Encoding", "Transfer-Encoding : chunked\r\n"),
        ("a tab after Transfer-Encoding", "Transfer-Encoding\t: chunked\r\n"),
    ] {
        let exchange = send(post(lines, CHUNKED_HELLO)).refused(&[400]);
        cases.push(case(40, Must, "RFC 9112 §5.1", name, exchange));
    }
    let folded = send(post("Transfer-Encoding:\r\n chunked\r\n", CHUNKED_HELLO)).refused(&[400]);
    let folded = folded.allows(passed(hello()));
    cases.push(case(40, Must, "RFC 9112 §5.2", "a folded Transfer-Encoding", folded));
    cases
}

/// The origin sees the body as it was, whatever framing it comes in.
pub(crate) fn well_framed() -> Vec<Case> {
    let length = send(post("Content-Length: 5\r\n", "hello"));
    let length = length.passes(hello().framed(Framing::Length));
    let chunked = send(post("Transfer-Encoding: chunked\r\n", CHUNKED_HELLO)).passes(hello());
    let empty = send(post("Content-Length: 0\r\n", "")).passes(any().body(""));
    let absent = send(post("", "")).passes(any().body(""));
    let pipelined = [NEXT, NEXT].concat();
    let three = Exchange::of(vec![Say::Bytes([post("", ""), pipelined].concat())]);
    let three = three.wants(Outcome { after: After::Open, ..passed(any()) });
    vec![
        case(30, Must, "RFC 9112 §6.3", "a body with a Content-Length", length),
        case(41, Must, "RFC 9112 §7.1", "a chunked body", chunked),
        case(30, Must, "RFC 9112 §6.3", "a POST with an empty body", empty),
        case(30, Must, "RFC 9112 §6.3", "a POST without a word about its body", absent),
        case(60, Must, "RFC 9112 §9.3.2", "pipelined requests are answered in turn", three),
    ]
}

//! Rows 42 to 51: the chunked coding.

use super::super::case::{
    Case, Described, Exchange, Level, NEXT, Play, Received, Say, any, case, dropped, passed,
    passed_and_closed, refused, refused_halfway, send,
};
use super::super::message::Kind;
use super::super::stage::Stage;
use super::super::subject::{ORDINARY, SHORT, Setup};
use Level::{Must, Should, Strict};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunked(body: impl AsRef<[u8]>) -> Exchange {
    send([HEAD, body.as_ref()].concat())
}

fn hello() -> Received {
    any().body("hello")
}

pub(crate) fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in ["0x5", "+5", "-5", "5_0", " 5", "\t5", "", "g", "5.", "5h", "5,5", "\u{ff15}"] {
        let exchange = chunked(format!("{size}\r\nhello\r\n0\r\n\r\n"));
        let exchange = exchange.wants(refused_halfway(&[400])).allows(dropped());
        let name = format!("chunk size `{}`", size.escape_default());
        cases.push(case(42, Should, "RFC 9112 §2.2", name, exchange));
    }
    // Sixteen digits and more: those who forget what does not fit see 5.
    for size in ["FFFFFFFFFFFFFFFE", "10000000000000005", "FFFFFFFFFFFFFFFFF", "8000000000000005"] {
        let exchange = chunked(format!("{size}\r\nhello\r\n0\r\n\r\n"));
        let exchange = exchange.wants(refused_halfway(&[400])).allows(dropped());
        let exchange = exchange.allows(refused_halfway(&[413]));
        let name = format!("chunk size `{size}`");
        cases.push(case(43, Must, "RFC 9112 §7.1", name, exchange));
    }
    let zeros = chunked(format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(40)));
    let zeros = zeros.wants(refused_halfway(&[400])).allows(passed(hello())).allows(dropped());
    cases.push(case(43, Strict, "RFC 9112 §7.1", "forty zeros before the size", zeros));
    for (name, body) in [
        ("hexadecimal sizes in either case", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
        ("a few zeros before the size", "00A\r\n0123456789\r\n00a\r\n0123456789\r\n000\r\n\r\n"),
    ] {
        let exchange = chunked(body).passes(any().body("01234567890123456789"));
        cases.push(case(42, Must, "RFC 9112 §7.1", name, exchange));
    }
    cases
}

pub(crate) fn extensions() -> Vec<Case> {
    let mut cases = Vec::new();
    for extension in [";ext=v", ";ext", ";a=1;b=2", ";ext=\"a;b\"", ";ext=\"a\\\"b\""] {
        let exchange = chunked(format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n"));
        let name = format!("the extension `{extension}` is ignored");
        cases.push(case(44, Must, "RFC 9112 §7.1.1", name, exchange.passes(hello())));
    }
    let refused_or_passed = |exchange: Exchange| {
        let exchange = exchange.wants(refused_halfway(&[400])).allows(dropped());
        exchange.allows(passed(hello()))
    };
    let bare = refused_or_passed(chunked("5;\r\nhello\r\n0\r\n\r\n"));
    cases.push(case(44, Strict, "RFC 9112 §7.1.1", "an extension without a name", bare));
    let long = chunked(format!("5;a={}\r\nhello\r\n0\r\n\r\n", "x".repeat(70_000)));
    let long = refused_or_passed(long).allows(refused_halfway(&[413, 431]));
    cases.push(case(45, Strict, "RFC 9112 §7.1.1", "an extension of 70 000 octets", long));
    let piece = format!("1;a={}\r\nx\r\n", "x".repeat(500)).repeat(200);
    let many = chunked(format!("{piece}0\r\n\r\n")).wants(refused_halfway(&[400]));
    let many = many.allows(dropped()).allows(refused_halfway(&[413, 431]));
    let many = many.allows(passed(any().body("x".repeat(200))));
    let name = "extensions of 100 000 octets, a few at a time";
    cases.push(case(45, Strict, "RFC 9112 §7.1.1", name, many));
    for (name, line) in [
        ("a space after the size", "5 \r\n"),
        ("a tab after the size", "5\t\r\n"),
        ("a space before an extension", "5 ;a=b\r\n"),
        ("spaces around an extension's value", "5;a = b\r\n"),
    ] {
        let exchange = refused_or_passed(chunked(format!("{line}hello\r\n0\r\n\r\n")));
        cases.push(case(46, Strict, "RFC 9112 §7.1.1", name, exchange));
    }
    for (name, line) in [
        ("LF in an extension", "5;a\nb\r\n"),
        ("CR in an extension", "5;a\rb\r\n"),
        ("NUL in an extension", "5;a\0b\r\n"),
        ("a size line that ends with LF", "5\n"),
        ("a size line with an extension that ends with LF", "5;a=b\n"),
        ("a size line with CR LF CR", "5\r\r\n"),
    ] {
        let exchange = chunked(format!("{line}hello\r\n0\r\n\r\n"));
        let exchange = exchange.wants(refused_halfway(&[400])).allows(dropped());
        cases.push(case(46, Should, "RFC 9112 §2.2", name, exchange));
    }
    cases
}

pub(crate) fn ends() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body) in [
        ("data without CRLF behind it", "5\r\nhello0\r\n\r\n"),
        ("data with another CR behind it", "5\r\nhello\rX0\r\n\r\n"),
        ("data with LF behind it", "5\r\nhello\n0\r\n\r\n"),
        ("data longer than its size", "5\r\nhello!\r\n0\r\n\r\n"),
        ("a last chunk that ends with LF", "5\r\nhello\r\n0\n\r\n"),
        ("an empty line that ends with LF", "5\r\nhello\r\n0\r\n\n"),
        ("the next request where trailers are", "5\r\nhello\r\n0\r\n"),
    ] {
        let exchange = chunked(body).wants(refused_halfway(&[400])).allows(dropped());
        let row = if name.starts_with("the next") { 50 } else { 47 };
        cases.push(case(row, Should, "RFC 9112 §2.2", name, exchange));
    }
    let short = Setup { stall: SHORT, head: SHORT, ..ORDINARY };
    let silent = Exchange::of(vec![Say::Bytes([HEAD, b"5\r\nhello\r\n0\r\n"].concat())]);
    let silent = silent.wants(refused_halfway(&[408])).allows(dropped());
    let name = "a last chunk without its empty line, then silence";
    let silent = silent.allows(refused_halfway(&[400]));
    cases.push(case(50, Strict, "RFC 9110 §15.5.9", name, silent).with(short));
    cases
}

pub(crate) fn trailers() -> Vec<Case> {
    let trailer = |lines: &str| chunked(format!("5\r\nhello\r\n0\r\n{lines}\r\n"));
    let mut cases = Vec::new();
    for (name, line, lacks) in [
        ("Content-Length in a trailer", "Content-Length: 3\r\n", "X"),
        ("Transfer-Encoding in a trailer", "Transfer-Encoding: gzip\r\n", "X"),
        ("Host in a trailer", "Host: b\r\n", "X"),
        ("Authorization in a trailer", "Authorization: x\r\n", "Authorization"),
        ("X-Forwarded-For in a trailer", "X-Forwarded-For: 1.2.3.4\r\n", "X"),
        ("any field in a trailer", "X: 1\r\n", "X"),
    ] {
        let kept = hello().has("Host", "a").has("X-Forwarded-For", "127.0.0.1").lacks(lacks);
        let name = format!("{name} is not taken for a header");
        cases.push(case(
            49,
            Must,
            "RFC 9110 §6.5.1",
            name,
            trailer(line).passes(kept).allows(refused_halfway(&[400])),
        ));
    }
    for (name, line) in [
        ("a trailer without a colon", "X\r\n"),
        ("a trailer with NUL", "X: \0\r\n"),
        ("a folded trailer", "X: 1\r\n 2\r\n"),
        ("a trailer that ends with LF", "X: 1\n"),
    ] {
        let exchange = trailer(line).wants(refused_halfway(&[400])).allows(dropped());
        // Whoever drops trailers unread passes nothing on that could be misread.
        let exchange = exchange.allows(passed(hello())).allows(passed_and_closed(hello()));
        cases.push(case(49, Strict, "RFC 9112 §7.1.2", name, exchange));
    }
    let large = trailer(&format!("X: {}\r\n", "x".repeat(100_000))).wants(refused_halfway(&[431]));
    let large = large.allows(dropped()).allows(refused_halfway(&[400, 413]));
    // Whoever drops trailers unread has no limit that they could exceed.
    let large = large.allows(passed(hello()));
    cases.push(case(49, Must, "RFC 9110 §5.4", "a trailer of 100 000 octets is a 4xx", large));
    cases
}

pub(crate) fn pieces() -> Vec<Case> {
    let every = Case {
        row: 51,
        level: Must,
        rule: "RFC 9112 §7.1",
        name: "a chunked request, split at every octet, is the same".to_owned(),
        setup: ORDINARY,
        play: Play::Scene(split_everywhere),
    };
    let flood = "1\r\nx\r\n".repeat(50_000);
    let flood = chunked(format!("{flood}0\r\n\r\n"));
    let flood = flood.passes(any().body("x".repeat(50_000)));
    let name = "fifty thousand chunks of one octet arrive";
    let flood = case(48, Must, "RFC 9112 §7.1", name, flood);
    let merged = Case {
        row: 48,
        level: Strict,
        rule: "RFC 9112 §7.1",
        name: "many small chunks do not cost the origin as many".to_owned(),
        setup: ORDINARY,
        play: Play::Scene(merge_small_chunks),
    };
    let bad = Exchange::of(vec![
        Say::Bytes(HEAD.to_vec()),
        Say::Taken,
        Say::Bytes(b"5\r\nhello\r\nx\r\n".to_vec()),
        Say::Taken,
        Say::Bytes(NEXT.to_vec()),
    ]);
    let bad = bad.wants(refused_halfway(&[400])).allows(dropped()).allows(refused(&[400]));
    let name = "a bad size after the request was passed on";
    vec![flood, merged, every, case(42, Should, "RFC 9112 §2.2", name, bad)]
}

/// One request, on as many connections as it has octets, each with a pause at another place.
fn split_everywhere(stage: &Stage) -> Result<(), String> {
    const MESSAGE: &[u8] = b"POST /x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
        X: 1\r\n\r\n5;e=\"q\"\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n";
    let running = stage.start(Vec::new());
    for at in 1..MESSAGE.len() {
        let mut client = running.client();
        client.say(&MESSAGE[..at], stage.patience);
        client.await_taken(stage.patience);
        client.say(&MESSAGE[at..], stage.patience);
        let answer = client.answer(Kind::Response, stage.patience);
        let status = answer.map_or(0, |answer| answer.status());
        if status != 200 {
            return Err(format!("split after {at} octets: {status}"));
        }
        let log = running.origin.log();
        let seen = &log.seen.last().ok_or("the origin saw nothing")?.message;
        let is_same = seen.line == "POST /x?y HTTP/1.1" && seen.body == b"hello!" && seen.is_whole;
        if !is_same || seen.values("X") != ["1"] {
            return Err(format!("split after {at} octets: the origin gets another request"));
        }
    }
    Ok(())
}

/// What arrives together goes on together: a tenth of the chunks at most.
fn merge_small_chunks(stage: &Stage) -> Result<(), String> {
    const CHUNKS: usize = 50_000;
    let running = stage.start(Vec::new());
    let mut client = running.client();
    client.say(HEAD, stage.patience);
    client.say("1\r\nx\r\n".repeat(CHUNKS).as_bytes(), stage.patience);
    client.say(b"0\r\n\r\n", stage.patience);
    let answer = client.answer(Kind::Response, stage.patience);
    if answer.map_or(0, |answer| answer.status()) != 200 {
        return Err("no answer".to_owned());
    }
    let log = running.origin.log();
    let chunks = log.seen[0].message.chunks;
    if chunks > CHUNKS / 10 { Err("passes each on as it came".to_owned()) } else { Ok(()) }
}

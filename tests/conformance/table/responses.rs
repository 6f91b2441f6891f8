//! Rows 61 to 70: what origins answer.

use super::super::case::{
    Act, After, Case, Described, Exchange, Level, NEXT, Outcome, Say, Told, Upstream, answer, any,
    ask, bad_gateway, case, passed, tells, told,
};
use super::super::message::Framing;
use super::super::subject::{ORDINARY, SHORT, Setup};
use Level::{Must, Should, Strict};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn ok() -> Told {
    told(&[200]).body("ok")
}

/// An answer that never becomes whole, and the client notices.
fn cut() -> Outcome {
    Outcome { told: vec![told(&[200])], after: After::Cut, ..Outcome::default() }
}

/// No answer at all, and the client notices.
fn gone() -> Outcome {
    Outcome { told: Vec::new(), after: After::Closed, ..Outcome::default() }
}

pub(crate) fn framing() -> Vec<Case> {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                2\r\nok\r\n0\r\n\r\n";
    let chunked = ok().framed(Framing::Chunked).lacks("Content-Length");
    let both = answer(both).wants(tells(chunked.clone()).on(Upstream::Fresh));
    let both = both.allows(bad_gateway()).allows(tells(chunked).on(Upstream::Reused));
    let mut cases =
        vec![case(61, Must, "RFC 9112 §6.3", "an answer with both framings is chunked", both)];
    for value in ["+2", "2a", "0x2", "-2", "2,3", "", "18446744073709551618"] {
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nok");
        let exchange = answer(said).wants(bad_gateway().on(Upstream::Fresh));
        let name = format!("an answer with Content-Length `{value}`");
        cases.push(case(62, Must, "RFC 9112 §6.3", name, exchange));
    }
    let two = answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok");
    let two = two.wants(bad_gateway().on(Upstream::Fresh));
    cases.push(case(62, Must, "RFC 9112 §6.3", "an answer with two lengths that differ", two));
    for (name, lines) in [
        ("an answer with Content-Length `2, 2`", "Content-Length: 2, 2\r\n"),
        ("an answer with two equal lengths", "Content-Length: 2\r\nContent-Length: 2\r\n"),
    ] {
        let exchange = answer(format!("HTTP/1.1 200 OK\r\n{lines}\r\nok")).wants(bad_gateway());
        let exchange = exchange.allows(tells(ok().has("Content-Length", "2")));
        cases.push(case(62, Strict, "RFC 9112 §6.3", name, exchange));
    }
    for value in ["gzip, chunked", "chunked, chunked", "xchunked"] {
        let said =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        let exchange = answer(said).wants(bad_gateway().on(Upstream::Fresh));
        let name = format!("an answer with Transfer-Encoding `{value}`");
        cases.push(case(62, Strict, "RFC 9112 §6.1", name, exchange));
    }
    cases
}

/// Answers that have no body, whatever their headers say.
pub(crate) fn bodiless() -> Vec<Case> {
    let mut cases = Vec::new();
    let head = |said: &str| {
        ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").act(vec![Act::Body, Act::Send(said.into())])
    };
    let empty = |status| tells(told(&[status]).body(""));
    for (name, exchange, status) in [
        ("HEAD with a length", head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), 200),
        ("HEAD with a coding", head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 200),
        ("204 with a length", answer("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"), 204),
        ("204 with a coding", answer("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"), 204),
        ("304 with a length", answer("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n"), 304),
    ] {
        let mut wanted = empty(status);
        // There it tells of the body that a GET would get.
        if name == "HEAD with a length" {
            wanted.told[0] = wanted.told[0].clone().has("Content-Length", "5");
        }
        let name = format!("{name} has no body");
        let exchange = exchange.wants(wanted);
        cases.push(case(63, Must, "RFC 9112 §6.3", name, exchange));
    }
    let poison = "HTTP/1.1 200 Poison\r\nContent-Length: 6\r\n\r\npoison";
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (name, exchange, told) in [
        (
            "HEAD with a body",
            head(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{poison}", poison.len())),
            told(&[200]),
        ),
        ("204 with a body", answer(format!("HTTP/1.1 204 No\r\n\r\n{poison}")), told(&[204])),
        ("304 with a body", answer(format!("HTTP/1.1 304 No\r\n\r\n{poison}")), told(&[304])),
        ("an answer with another behind it", answer(format!("{plain}{poison}")), ok()),
    ] {
        let exchange = exchange.wants(tells(told.clone()).on(Upstream::Fresh));
        // What came too much may also be dropped, and the connection kept.
        let exchange = exchange.allows(tells(told)).allows(bad_gateway());
        let name = format!("{name} does not answer the next request");
        cases.push(case(63, Must, "RFC 9112 §9.2", name, exchange));
    }
    for (name, said) in [
        ("a whole answer", b"HTTP/1.1 200 Poison\r\nContent-Length: 6\r\n\r\npoison".as_slice()),
        ("a 408 before closing", b"HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n"),
        ("a part of an answer", b"HTTP/1.1 200 Poi"),
    ] {
        let client = vec![
            Say::Bytes(GET.into()),
            Say::Answer,
            Say::OriginSays(said),
            Say::Bytes(NEXT.into()),
        ];
        let exchange = Exchange::of(client).wants(tells(ok()).on(Upstream::Fresh));
        let name = format!("{name} on an idle connection answers nobody");
        cases.push(case(64, Must, "RFC 9112 §9.2", name, exchange));
    }
    cases
}

pub(crate) fn truncated() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, said) in [
        ("an answer shorter than its length", "Content-Length: 50\r\n\r\nhello"),
        ("an answer without its last chunk", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("an answer that ends in a chunk", "Transfer-Encoding: chunked\r\n\r\n9\r\nhello"),
        (
            "an answer whose last chunk has no end",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ),
    ] {
        let acts =
            vec![Act::Body, Act::Send(format!("HTTP/1.1 200 OK\r\n{said}").into()), Act::Close];
        let exchange = ask(GET).act(acts).wants(cut()).allows(bad_gateway()).allows(gone());
        let name = format!("{name} is not passed off as whole");
        cases.push(case(65, Must, "RFC 9112 §8", name, exchange));
    }
    for (name, body) in [
        ("a bad chunk size", "5\r\nhello\r\nx\r\n"),
        ("an empty chunk size", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        ("data without CRLF behind it", "5\r\nhello0\r\n\r\n"),
        ("a chunk size that does not fit", "5\r\nhello\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let at_once =
            answer(format!("{head}{body}")).wants(bad_gateway()).allows(cut()).allows(gone());
        let title = format!("an answer with {name} is a 502");
        cases.push(case(65, Must, "RFC 9112 §8", title, at_once));
        let client = vec![
            Say::Bytes(GET.into()),
            Say::Begun,
            Say::OriginSays(body.as_bytes()),
            Say::Bytes(NEXT.into()),
        ];
        let later = Exchange::of(client).act(vec![Act::Body, Act::Send(head.into())]);
        let title = format!("an answer with {name} is cut if it has begun");
        let later = later.wants(cut()).allows(bad_gateway()).allows(gone());
        cases.push(case(65, Must, "RFC 9112 §8", title, later));
    }
    let acts = vec![Act::Body, Act::Send(b"HTTP/1.1 200 OK\r\nContent-Le".into()), Act::Close];
    let head = ask(GET).act(acts).wants(bad_gateway());
    cases.push(case(65, Must, "RFC 9112 §8", "an answer that ends in its head is a 502", head));
    cases
}

pub(crate) fn versions() -> Vec<Case> {
    let until_close = || {
        let said = b"HTTP/1.1 200 OK\r\n\r\nok".to_vec();
        vec![Act::Body, Act::Send(said), Act::Close]
    };
    let chunked = ask(GET).act(until_close()).wants(tells(ok().framed(Framing::Chunked)));
    let closing = Outcome { after: After::Closed, ..tells(ok()) };
    let chunked = chunked.allows(closing);
    let old = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let closes = || Outcome { after: After::Closed, ..tells(ok().framed(Framing::UntilClose)) };
    let old_client = ask(old).act(until_close()).wants(closes());
    // An origin that is asked in HTTP/1.0 does not answer in chunks.
    let by_version = Act::ByVersion {
        modern: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        old: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
    };
    let chunks = ask(old).act(vec![Act::Body, by_version, Act::Close]).wants(closes());
    let whole = Outcome { after: After::Closed, ..tells(ok().framed(Framing::Length)) };
    let chunks = chunks.allows(whole);
    let origin = answer("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let origin = origin.wants(tells(ok()).on(Upstream::Fresh));
    let kept = answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let kept = kept.wants(tells(ok()).on(Upstream::Reused));
    let closed = answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let closed = closed.wants(tells(ok()).on(Upstream::Fresh));
    vec![
        case(66, Strict, "RFC 9112 §6.3", "a body until the end is chunked for HTTP/1.1", chunked),
        case(66, Must, "RFC 9112 §6.3", "a body until the end stays so for HTTP/1.0", old_client),
        case(66, Must, "RFC 9112 §6.1", "HTTP/1.0 gets no chunks", chunks),
        case(66, Must, "RFC 9112 §9.3", "an origin of HTTP/1.0 is not asked again", origin),
        case(66, Should, "RFC 9112 §9.3", "a connection to an origin is kept", kept),
        case(66, Must, "RFC 9112 §9.6", "an origin that says close is not asked again", closed),
    ]
}

pub(crate) fn interim() -> Vec<Case> {
    let final_ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let outcome = |told: Vec<Told>| Outcome { told, ..passed(any()) };
    let sent = |said: String| {
        let client = vec![Say::Bytes([GET, NEXT].concat())];
        Exchange::of(client).act(vec![Act::Body, Act::Send(said.into())])
    };
    let one = sent(format!("{hints}{final_ok}"));
    let one = one.wants(outcome(vec![told(&[103]).has("Link", "</a>"), ok()]));
    let one = one.allows(outcome(vec![ok()]));
    let two = sent(format!("{hints}{hints}{final_ok}"));
    let two = two.wants(outcome(vec![told(&[103]), told(&[103]), ok()]));
    let two = two.allows(outcome(vec![ok()]));
    let unasked = sent(format!("HTTP/1.1 100 Continue\r\n\r\n{final_ok}"));
    let unasked = unasked.wants(outcome(vec![ok()])).allows(outcome(vec![told(&[100]), ok()]));
    let framed = sent(format!("HTTP/1.1 100 Go\r\nContent-Length: 5\r\n\r\n{final_ok}"));
    let framed = framed.wants(outcome(vec![ok()])).allows(outcome(vec![told(&[100]), ok()]));
    let framed = framed.allows(outcome(vec![told(&[502])]));
    let many = sent(format!("{}{final_ok}", hints.repeat(17)));
    let hinted = |count: usize, last: Told| {
        let mut told_all = vec![told(&[103]); count];
        told_all.push(last);
        outcome(told_all)
    };
    let many = many.wants(hinted(16, told(&[502]))).allows(hinted(17, ok()));
    let many = many.allows(outcome(vec![ok()]));
    let old = Exchange::of(vec![Say::Bytes(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n".into())]);
    let by_version = Act::ByVersion {
        modern: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        old: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    };
    let old = old.act(vec![Act::Body, by_version]);
    let old = old.wants(Outcome { after: After::Closed, ..outcome(vec![ok()]) });
    vec![
        case(67, Must, "RFC 9110 §15.2", "a 103 is passed on before the answer", one),
        case(67, Must, "RFC 9110 §15.2", "two interim answers are passed on", two),
        case(67, Must, "RFC 9110 §15.2", "a 100 that nobody asked for is dropped", unasked),
        case(67, Must, "RFC 9112 §6.3", "a 100 with a length has no body", framed),
        case(67, Strict, "RFC 9110 §15.2", "seventeen interim answers are too many", many),
        case(67, Must, "RFC 9110 §15.2", "HTTP/1.0 gets no interim answer", old),
    ]
}

pub(crate) fn malformed() -> Vec<Case> {
    let large =
        format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(100_000));
    let large = answer(large).wants(bad_gateway()).allows(tells(told(&[500])));
    let slow = ask(GET).act(vec![Act::Body, Act::Send(b"HTTP/1.1 200 OK\r\nX: ".into())]);
    let slow = slow.wants(tells(told(&[504]))).allows(bad_gateway());
    let short = Setup { first_byte: SHORT, ..ORDINARY };
    let mut cases = vec![
        case(68, Strict, "RFC 9110 §15.6.3", "an answer's head of 100 000 octets is a 502", large),
        case(68, Strict, "RFC 9110 §15.6.5", "an answer's head that stops is a 504", slow)
            .with(short),
    ];
    for line in [
        "HTTP/1.1 99 Low",
        "HTTP/1.1 1000 High",
        "HTTP/1.1 2 00 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 2xx OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/2.0 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.10 200 OK",
        "SSH-2.0-x",
        "200 OK",
    ] {
        let said = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        let exchange = answer(said).wants(bad_gateway().on(Upstream::Fresh));
        let name = format!("an answer that begins `{}`", line.escape_default());
        cases.push(case(69, Strict, "RFC 9112 §4", name, exchange));
    }
    for line in ["HTTP/1.1 200", "HTTP/1.1 200 "] {
        let said = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        let name = format!("an answer without a reason, `{line}`");
        let exchange = answer(said).wants(tells(ok()));
        cases.push(case(69, Should, "RFC 9112 §4", name, exchange));
    }
    for (level, name, line, mended) in [
        (Must, "NUL in a value", "X: a\0b\r\n", "a b"),
        (Must, "a bare CR in a value", "X: a\rb\r\n", "a b"),
        (Strict, "a control character in a value", "X: a\x01b\r\n", "a\u{1}b"),
        (Strict, "a bare LF at the end of a line", "X: a\nY: b\r\n", "a"),
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{line}Content-Length: 2\r\n\r\nok");
        let exchange = answer(said).wants(bad_gateway()).allows(tells(ok().has("X", mended)));
        cases.push(case(70, level, "RFC 9110 §5.5", format!("an answer with {name}"), exchange));
    }
    for (name, line) in [
        ("a header line without a colon", "X\r\n"),
        ("a header without a name", ": x\r\n"),
        ("a bracket in a header name", "X(: 1\r\n"),
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{line}Content-Length: 2\r\n\r\nok");
        let exchange = answer(said).wants(bad_gateway()).allows(tells(ok().lacks("X").lacks("X(")));
        cases.push(case(70, Strict, "RFC 9112 §5", format!("an answer with {name}"), exchange));
    }
    cases
}

//! Messages that are nearly right: made of lines that mean something to a proxy, then damaged.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::corpus;

/// Bytes and words that parsers disagree about, to be put where they do not belong.
const ODD: [&[u8]; 30] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\x01",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b":",
    b",",
    b";",
    b"\"",
    b"\\",
    b"=",
    b"#",
    b"0",
    b"9",
    b"f",
    b"-",
    b"_",
    b"\r\nContent-Length: 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nHost: b",
    b"\r\n ",
    b"HTTP/1.1",
];

const REQUEST_LINES: [&str; 16] = [
    "GET / HTTP/1.1",
    "GET /a?b=c HTTP/1.1",
    "POST /a HTTP/1.1",
    "PUT http://b:81/x HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "OPTIONS https://[::1] HTTP/1.1",
    "HEAD http://b?x HTTP/1.1",
    "PURGE / HTTP/1.2",
    "GET / HTTP/1.0",
    "POST / HTTP/1.0",
    "GET * HTTP/1.1",
    "CONNECT b:80 HTTP/1.1",
    "TRACE / HTTP/1.1",
    "GET / HTTP/2.0",
    "GET  / HTTP/1.1",
    "GET /a#b HTTP/1.1",
];

const STATUS_LINES: [&str; 14] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 206 ",
    "HTTP/1.1 500",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 103 Early Hints",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.0 200 OK",
    "HTTP/1.2 999 a\tb",
    "HTTP/2.0 200 OK",
    "HTTP/1.1 099 Low",
    "HTTP/1.1 2000 High",
];

/// Lines that are valid by themselves; not all of them together.
const LINES: [&str; 44] = [
    "Content-Length: 5",
    "Content-Length: 05",
    "content-length:005",
    "Transfer-Encoding: chunked",
    "TRANSFER-ENCODING:\tChunked \t",
    "Connection: close",
    "Connection: keep-alive, X",
    "Connection: X-Other , Content-Length, Host,",
    "Connection: Upgrade",
    "Connection: Cookie",
    "Upgrade: websocket",
    "Upgrade: a, h2c",
    "Expect: 100-continue",
    "Max-Forwards: 3",
    "Via: 1.0 b, 1.1 cloudaps (c)",
    "X-Forwarded-For: 192.0.2.1, 192.0.2.2",
    "X-Forwarded-For:b",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: b",
    "X-Forwarded-Prefix: /b",
    "X-Real-IP: 192.0.2.1",
    "Forwarded: for=b",
    "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate: a=1",
    "X-Request-Id: abc-1",
    "X-Request-Id: not fit",
    "TE: trailers",
    "Trailer: X",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic b",
    "HTTP2-Settings: AAA",
    "Close: x",
    "Date: Sun, 06 Nov 1994 08:49:37 GMT",
    "Content_Length: 6",
    "transfer_encoding: chunked",
    "X-Other:y",
    "X-Other: ",
    "X: \u{e9} y",
    "X:",
    "Cookie: a=b; c=d",
    "Cookie: a=b;own=c; own2=d",
    "cookie: own=e",
    "Set-Cookie: a=b",
];

/// Lines with something wrong in them, or in the company that they are in.
const ODD_LINES: [&str; 20] = [
    "Host: b",
    "Host:",
    "Host : b",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length : 5",
    "Content-Length: 9223372036854775808",
    "Content-Length:",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding: \u{b}chunked",
    "Expect: b",
    "Max-Forwards: -1",
    "Upgrade: ,",
    "no colon",
    ": no name",
];

const HOSTS: [&str; 9] = [
    "Host: a",
    "Host: a:80",
    "host:[::1]:8",
    "Host: a:",
    "Host: a:65536",
    "Host: a:000080",
    "Host: a,b",
    "Host: u@a",
    "X-Not-A-Host: a",
];

const SIZES: [&str; 16] = [
    "0005",
    "5;a",
    "5;a=b;c",
    "5;a=\"b\\\"c\"",
    "5 ",
    "0x5",
    "+5",
    "",
    "5;",
    "5;a=",
    "5; a",
    "7fffffffffffffff",
    "8000000000000000",
    "00000000000000005",
    "5;\"a\"",
    "g",
];

/// A request head and what follows it, perhaps damaged.
pub(crate) fn request() -> impl Strategy<Value = Vec<u8>> {
    let host = prop_oneof![8 => Just("Host: a"), 2 => select(&HOSTS[..])];
    let lines = (prop::collection::vec(line(), 0..7), host, any::<Index>());
    let head = (select(&REQUEST_LINES[..]), lines).prop_map(|(first, (mut lines, host, at))| {
        lines.insert(at.index(lines.len() + 1), host);
        write_head(first, &lines)
    });
    damaged(head)
}

/// A response head and what follows it, perhaps damaged.
pub(crate) fn response() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(line(), 0..7);
    let head = (select(&STATUS_LINES[..]), lines);
    damaged(head.prop_map(|(first, lines)| write_head(first, &lines)))
}

/// A chunked body and what follows it, perhaps damaged.
pub(crate) fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 1..20)
            .prop_map(|data| [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat()),
        1 => select(&SIZES[..]).prop_map(|size| format!("{size}\r\nhello\r\n").into_bytes()),
    ];
    let trailers = prop::collection::vec(line(), 0..2);
    let body = (prop::collection::vec(chunk, 0..5), trailers).prop_map(|(chunks, trailers)| {
        let mut wire = chunks.concat();
        wire.extend_from_slice(&write_head("0", &trailers));
        wire
    });
    damaged(body)
}

fn line() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => select(&LINES[..]), 1 => select(&ODD_LINES[..])]
}

fn write_head(first: &str, lines: &[&str]) -> Vec<u8> {
    let mut wire = first.as_bytes().to_vec();
    for line in lines {
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(line.as_bytes());
    }
    wire.extend_from_slice(b"\r\n\r\n");
    wire
}

/// What can happen to a message.
#[derive(Clone, Debug)]
enum Damage {
    Insert(&'static [u8]),
    Overwrite(&'static [u8]),
    Delete {
        most: usize,
    },
    Double {
        most: usize,
    },
    Cut,
    /// Nothing, but another message follows.
    Append,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => select(&ODD[..]).prop_map(Damage::Insert),
        4 => select(&ODD[..]).prop_map(Damage::Overwrite),
        2 => (1_usize..9).prop_map(|most| Damage::Delete { most }),
        2 => (1_usize..40).prop_map(|most| Damage::Double { most }),
        1 => Just(Damage::Cut),
        1 => Just(Damage::Append),
    ]
}

/// One of those that are kept, perhaps damaged.
pub(crate) fn kept(folder: &str) -> impl Strategy<Value = Vec<u8>> {
    let inputs = corpus::inputs(folder).into_iter().map(|(_, input)| input);
    damaged(select(inputs.collect::<Vec<_>>()))
}

/// The message as it is, as often as not; else with a few things done to it.
fn damaged(message: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damages =
        prop_oneof![Just(Vec::new()), prop::collection::vec((damage(), any::<Index>()), 1..4),];
    (message, damages).prop_map(|(mut message, damages)| {
        for (damage, place) in damages {
            let at = place.index(message.len() + 1);
            do_damage(&mut message, &damage, at);
        }
        message
    })
}

fn do_damage(message: &mut Vec<u8>, damage: &Damage, at: usize) {
    let end = |len: usize| (at + len).min(message.len());
    match *damage {
        Damage::Insert(odd) => drop(message.splice(at..at, odd.iter().copied())),
        Damage::Overwrite(odd) => drop(message.splice(at..end(odd.len()), odd.iter().copied())),
        Damage::Delete { most } => drop(message.drain(at..end(most))),
        Damage::Double { most } => {
            let twice = message[at..end(most)].to_vec();
            drop(message.splice(at..at, twice));
        }
        Damage::Cut => message.truncate(at),
        Damage::Append => message.extend_from_slice(b"GET /next HTTP/1.1\r\nHost: b\r\n\r\n"),
    }
}

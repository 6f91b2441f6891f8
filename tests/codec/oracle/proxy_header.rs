//! The oracle of what a proxy says about a connection before its first request.

use crate::proxy_protocol::{self, Header, Malformed};
use crate::reference::Outcome;
use crate::reference::proxy_header::{ProxyHeader, Source, read};

use super::arrival;
use super::verdict::show;

/// Any bytes as the header of the PROXY protocol, and what follows it.
pub(crate) fn proxy_header(input: &[u8]) {
    let whole = proxy_protocol::parse(input);
    check(input, whole);
    for ends in arrival::ways(input) {
        // However it arrives, nothing is said before it is known, and then always the same.
        let said = ends.iter().map(|&end| (proxy_protocol::parse(&input[..end]), end));
        for (said, end) in said {
            check(&input[..end], said);
            assert!(said == Ok(None) || said == whole, "{said:?} after {end}: {}", show(input));
        }
    }
}

fn check(input: &[u8], said: Result<Option<Header>, Malformed>) {
    let reference = read(input);
    let is_same = match (said, &reference) {
        (Ok(Some(header)), Outcome::Read(reference)) => told(header) == *reference,
        (Ok(None), Outcome::Incomplete) | (Err(_), Outcome::Refused(_)) => true,
        // What no end can mend may be refused at once.
        (Err(_), Outcome::Incomplete) => !completions(input).any(|whole| is_read(&whole)),
        _ => false,
    };
    assert!(is_same, "said: {said:?}, reference: {reference:?}, input: {}", show(input));
}

fn told(header: Header) -> ProxyHeader {
    let source = match header.source {
        proxy_protocol::Source::Client(address) => Source::Client(address),
        proxy_protocol::Source::Proxy => Source::Proxy,
        proxy_protocol::Source::Unknown => Source::Unknown,
    };
    ProxyHeader { source, len: header.len }
}

fn is_read(input: &[u8]) -> bool {
    matches!(read(input), Outcome::Read(_))
}

/// What might have followed: the rest of a binary header, first with one length, then with another.
fn completions(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const ENDS: [&[u8]; 3] = [b"", b"\x21\x11\0\x0c", b"\x20\0\0\0"];
    ENDS.into_iter().map(move |end| {
        let fixed = end.get(input.len().saturating_sub(12)..).unwrap_or_default();
        [input, fixed, &[0; proxy_protocol::HEADER_MAX]].concat()
    })
}

//! The request as it goes on: a new head, made of what the client sent and may pass.

use std::net::IpAddr;
use std::ops::Range;

use super::cookie::{CookieName, push_without};
use super::fields::{Fate, Fields, push_line};
use super::name::Name;
use super::syntax::{elements, push_address, push_decimal};
use super::trace::{SpanPlace, TraceBegun, TraceOnward};
use super::{Framing, Hops, Method, RequestHead, RequestId, Version};

/// Addresses in an `X-Forwarded-For` that we send, our own included. Beyond any real chain of
/// proxies; the oldest go first, since nobody we trust wrote them.
pub(super) const FORWARDED_FOR_MAX: usize = 30;

/// What becomes of the client's own `X-Forwarded-*`, `X-Real-IP` and `Forwarded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// They are replaced: anybody may have written them.
    Overwrite,
    /// They are continued: the client is a proxy that we trust.
    Append,
    /// They pass as they are, and we add none.
    Transparent,
}

/// How the client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear text.
    Http,
    /// Over TLS.
    Https,
}

/// The client, in the words of the headers that tell of it. Made once per connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What every request says about it; `Forwarded` is left open for the host.
    lines: Vec<u8>,
    scheme: Scheme,
    /// Where in `lines` the address is.
    address: Range<usize>,
    /// The same as a node of `Forwarded` (RFC 7239 §6), where IPv6 is in brackets and quotes.
    node: Range<usize>,
}

/// Bytes that a [`Peer`] writes about a client with an IPv4 address.
const LINES_USUAL: usize = 104;

/// What is added to a request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// What becomes of what the client says about itself.
    pub forwarding: Forwarding,
    /// The client.
    pub peer: &'a Peer,
    /// The id of the request: [`RequestHead::request_id`], or a new one.
    pub request_id: &'a RequestId,
    /// The host of an HTTP/1.0 request that names none: the address it was sent to.
    pub default_host: &'a [u8],
    /// A cookie between the client and us: it stops here, so that no endpoint can act on it, log
    /// it or hand it on.
    pub own_cookie: Option<&'a CookieName>,
    /// What the request says of its trace from here on; `None`: what it said until here.
    pub trace: Option<&'a TraceOnward>,
}

impl Peer {
    /// A client at `address` that reached us in this way.
    #[must_use]
    pub fn new(address: IpAddr, scheme: Scheme) -> Self {
        let address = address.to_canonical();
        let [before, after] = if address.is_ipv6() { ["\"[", "]\""] } else { ["", ""] };
        let mut lines = Vec::with_capacity(LINES_USUAL);
        lines.extend_from_slice(b"X-Forwarded-For: ");
        let start = lines.len();
        push_address(&mut lines, address);
        let address = start..lines.len();
        lines.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
        lines.extend_from_slice(scheme.name().as_bytes());
        lines.extend_from_slice(b"\r\nForwarded: for=");
        let node = lines.len();
        lines.extend_from_slice(before.as_bytes());
        lines.extend_from_within(address.clone());
        lines.extend_from_slice(after.as_bytes());
        let node = node..lines.len();
        lines.extend_from_slice(b";proto=");
        lines.extend_from_slice(scheme.name().as_bytes());
        Self { lines, scheme, address, node }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        &self.lines[self.address.clone()]
    }

    /// How it reached us.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn node(&self) -> &[u8] {
        &self.lines[self.node.clone()]
    }
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Appends to `out` the head that goes upstream for `head`, whose text is in `bytes`.
///
/// It does not depend on the endpoint, so a retry sends the same bytes, but for the id of a span
/// if there is one: says where that stands. The body follows framed as [`RequestHead::framing`]
/// says.
pub fn write_request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    hop: &Hop<'_>,
) -> Option<SpanPlace> {
    let own_cookie = hop.own_cookie.filter(|name| has_cookie(head, bytes, name));
    let line = push_request_line(out, head, bytes, hop);
    let host = if line.is_empty() { Fate::Stop } else { Fate::Pass };
    head.fields.copy(out, bytes, line, |name| match name {
        Name::Cookie if own_cookie.is_some() => Fate::Stop,
        Name::Host => host,
        _ => fate(name, head, hop),
    });
    if let Some(name) = own_cookie {
        push_without(out, &head.fields, bytes, name);
    }
    push_framing(out, head);
    if head.asks_upgrade() {
        push_upgrade(out, head.fields.values(bytes, Name::Upgrade));
    }
    if let Hops::Left(left) = head.hops() {
        out.extend_from_slice(b"Max-Forwards: ");
        push_decimal(out, left - 1);
        out.extend_from_slice(b"\r\n");
    }
    match hop.forwarding {
        Forwarding::Overwrite => push_own_forwarding(out, head, bytes, hop),
        Forwarding::Append => push_forwarding(out, head, bytes, hop),
        Forwarding::Transparent => {}
    }
    let place = hop.trace.map(|trace| trace.push(out));
    push_way(out, &head.fields, bytes, head.version(), hop.request_id);
    place
}

#[inline(never)]
fn has_cookie(head: &RequestHead, bytes: &[u8], name: &CookieName) -> bool {
    head.cookie(bytes, name).is_some()
}

/// Ends a head with what tells its way: ourselves in `Via`, after whoever is there already, with
/// the version we received (RFC 9110 §7.6.3), and the request's id.
pub(super) fn push_way(
    out: &mut Vec<u8>,
    fields: &Fields,
    bytes: &[u8],
    received: Version,
    id: &RequestId,
) {
    if fields.has(Name::Via) {
        push_list(out, b"Via", fields.values(bytes, Name::Via));
    } else {
        out.extend_from_slice(b"Via: ");
    }
    out.extend_from_slice(match received {
        Version::Http10 => b"1.0 cloudaps\r\nX-Request-Id: ",
        Version::Http11 => b"1.1 cloudaps\r\nX-Request-Id: ",
    });
    id.push(out);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Begins a line called `name` with what there is already, as one list to be continued.
#[inline(never)]
pub(super) fn push_list<'b>(
    out: &mut Vec<u8>,
    name: &[u8],
    values: impl Iterator<Item = &'b [u8]>,
) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    for value in values.filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}

/// Offers, or accepts, a switch to these protocols (RFC 9110 §7.8).
#[inline(never)]
pub(super) fn push_upgrade<'b>(out: &mut Vec<u8>, protocols: impl Iterator<Item = &'b [u8]>) {
    push_line(out, b"Connection", b"upgrade");
    for protocol in protocols.filter(|protocol| !protocol.is_empty()) {
        push_line(out, b"Upgrade", protocol);
    }
}

/// The request line and `Host`. Where both are what we would write, with the other headers behind
/// them, they are left to be copied with those.
fn push_request_line(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    hop: &Hop<'_>,
) -> Range<usize> {
    if let Some(line) = head.plain_line(bytes) {
        return line;
    }
    out.extend_from_slice(head.method_token(bytes));
    out.push(b' ');
    out.extend_from_slice(head.target().prefix);
    out.extend_from_slice(head.path(bytes));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    push_line(out, b"Host", head.host(bytes).unwrap_or(hop.default_host));
    0..0
}

/// Whether headers of this name go on as they came. A `Connection` line can remove only what we do
/// not know: not the framing, not the host, nothing that we add (RFC 9110 §7.6.1).
fn fate(name: Name, head: &RequestHead, hop: &Hop<'_>) -> Fate {
    let forwarding = hop.forwarding;
    let passes = match name {
        Name::TraceParent if hop.trace.is_some() => false,
        Name::TraceState if hop.trace.is_some_and(|trace| trace.begun == TraceBegun::Here) => false,
        Name::Accept | Name::Cookie | Name::Other | Name::TraceParent | Name::TraceState => {
            return Fate::PassUnlessListed;
        }
        Name::Date | Name::Host => true,
        Name::ContentLength => head.length_is_plain(),
        Name::Expect => head.expects_continue(),
        Name::MaxForwards => head.method() != Method::Options,
        Name::Forwarded | Name::XForwardedFor => forwarding == Forwarding::Transparent,
        Name::XForwardedHost | Name::XForwardedProto | Name::XForwardedOther => {
            forwarding != Forwarding::Overwrite
        }
        Name::Connection
        | Name::Disguised
        | Name::HopByHop
        | Name::TransferEncoding
        | Name::Upgrade
        | Name::Via
        | Name::XRequestId => false,
    };
    if passes { Fate::Pass } else { Fate::Stop }
}

fn push_framing(out: &mut Vec<u8>, head: &RequestHead) {
    match head.framing() {
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        // It has passed with the other headers.
        Framing::Length(_) if head.length_is_plain() => {}
        Framing::Length(length) => push_content_length(out, length),
        // Methods that usually have a body say so when they have none (RFC 9110 §8.6).
        Framing::Empty if matches!(head.method(), Method::Post | Method::Put | Method::Patch) => {
            push_content_length(out, 0);
        }
        Framing::Empty | Framing::UntilClose => {}
    }
}

pub(super) fn push_content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    push_decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// What [`push_forwarding`] says when nothing that the client says counts: the same for all its
/// requests but for the host, which is valid and so needs no escape between quotes.
fn push_own_forwarding(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    out.extend_from_slice(&hop.peer.lines);
    if let Some(host) = head.host(bytes) {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\"\r\nX-Forwarded-Host: ");
        out.extend_from_slice(host);
    }
    out.extend_from_slice(b"\r\n");
}

/// Continues what the client says.
fn push_forwarding(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    let appends = hop.forwarding == Forwarding::Append;
    let known = |name| appends && head.fields.values(bytes, name).next().is_some();
    push_forwarded_for(out, head, bytes, hop);
    if !known(Name::XForwardedProto) {
        push_line(out, b"X-Forwarded-Proto", hop.peer.scheme.name().as_bytes());
    }
    if let Some(host) = head.host(bytes).filter(|_| !known(Name::XForwardedHost)) {
        push_line(out, b"X-Forwarded-Host", host);
    }
    let before = head.fields.values(bytes, Name::Forwarded).filter(|_| appends);
    push_list(out, b"Forwarded", before);
    push_forwarded_element(out, head, bytes, hop);
}

fn push_forwarded_for(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    let appends = hop.forwarding == Forwarding::Append;
    let before = || {
        let lines = head.fields.values(bytes, Name::XForwardedFor).filter(|_| appends);
        lines.flat_map(elements).filter(|element| !element.is_empty())
    };
    let too_many = (before().count() + 1).saturating_sub(FORWARDED_FOR_MAX);
    push_list(out, b"X-Forwarded-For", before().skip(too_many));
    out.extend_from_slice(hop.peer.address());
    out.extend_from_slice(b"\r\n");
}

/// `for=192.0.2.1;proto=http;host="a:80"` (RFC 7239 §4).
fn push_forwarded_element(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    out.extend_from_slice(b"for=");
    out.extend_from_slice(hop.peer.node());
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(hop.peer.scheme.name().as_bytes());
    if let Some(host) = head.host(bytes) {
        // A valid host has no character that would need an escape between quotes.
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.push(b'"');
    }
    out.extend_from_slice(b"\r\n");
}

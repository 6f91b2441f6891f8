//! The request as it goes on: a new head, made of what the client sent and may pass.

use std::net::IpAddr;

use super::cookie::{CookieName, push_without};
use super::fields::{Field, push_line};
use super::name::Name;
use super::request::PSEUDONYM;
use super::syntax::{elements, push_decimal};
use super::{Framing, Hops, Method, RequestHead, RequestId, Version};

/// Addresses in an `X-Forwarded-For` that we send, our own included. Beyond any real chain of
/// proxies; the oldest go first, since nobody we trust wrote them.
const FORWARDED_FOR_MAX: usize = 30;

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

/// The client's address as text. Made once per connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    address: String,
    /// The same as a node of `Forwarded` (RFC 7239 §6), where IPv6 is in brackets and quotes.
    node: String,
}

/// What is added to a request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// What becomes of what the client says about itself.
    pub forwarding: Forwarding,
    /// The client.
    pub peer: &'a Peer,
    /// How the client reached us.
    pub scheme: Scheme,
    /// The id of the request: [`RequestHead::request_id`], or a new one.
    pub request_id: &'a RequestId,
    /// The host of an HTTP/1.0 request that names none: the address it was sent to.
    pub default_host: &'a [u8],
    /// A cookie between the client and us: it stops here, so that no endpoint can act on it, log
    /// it or hand it on.
    pub own_cookie: Option<&'a CookieName>,
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let node = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        Self { address: address.to_string(), node }
    }
}

impl Peer {
    /// The address, without a port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Scheme {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Http => b"http",
            Self::Https => b"https",
        }
    }
}

/// Appends to `out` the head that goes upstream for `head`, whose text is in `bytes`.
///
/// It does not depend on the endpoint, so a retry sends the same bytes. The body follows framed
/// as [`RequestHead::framing`] says.
pub fn write_request(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    push_request_line(out, head, bytes);
    push_line(out, b"Host", head.host(bytes).unwrap_or(hop.default_host));
    let own_cookie = hop.own_cookie.filter(|name| head.cookie(bytes, name).is_some());
    head.fields.copy(out, bytes, |field| match field.name {
        Name::Cookie if own_cookie.is_some() => false,
        _ => passes(field, head, bytes, hop.forwarding),
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
    if hop.forwarding != Forwarding::Transparent {
        push_forwarding(out, head, bytes, hop);
    }
    push_list(out, b"Via", head.fields.values(bytes, Name::Via));
    push_via(out, head.version());
    push_line(out, b"X-Request-Id", hop.request_id.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Ends a `Via` line with ourselves, who received `version` (RFC 9110 §7.6.3).
pub(super) fn push_via(out: &mut Vec<u8>, version: Version) {
    out.extend_from_slice(match version {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
    });
    out.extend_from_slice(PSEUDONYM);
    out.extend_from_slice(b"\r\n");
}

/// Begins a line called `name` with what there is already, as one list to be continued.
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
pub(super) fn push_upgrade<'b>(out: &mut Vec<u8>, protocols: impl Iterator<Item = &'b [u8]>) {
    push_line(out, b"Connection", b"upgrade");
    for protocol in protocols.filter(|protocol| !protocol.is_empty()) {
        push_line(out, b"Upgrade", protocol);
    }
}

fn push_request_line(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8]) {
    out.extend_from_slice(head.method_token(bytes));
    out.push(b' ');
    out.extend_from_slice(head.target().prefix);
    out.extend_from_slice(head.path(bytes));
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Whether a header goes on as it came. A `Connection` line can remove only what we do not know:
/// not the framing, not the host, nothing that we add (RFC 9110 §7.6.1).
fn passes(field: &Field, head: &RequestHead, bytes: &[u8], forwarding: Forwarding) -> bool {
    match field.name {
        Name::Cookie | Name::Other => !head.fields.lists(bytes, field),
        Name::Date => true,
        Name::Expect => head.expects_continue(),
        Name::MaxForwards => head.method() != Method::Options,
        Name::Forwarded | Name::XForwardedFor => forwarding == Forwarding::Transparent,
        Name::XForwardedHost | Name::XForwardedProto | Name::XForwardedOther => {
            forwarding != Forwarding::Overwrite
        }
        Name::Connection
        | Name::ContentLength
        | Name::Disguised
        | Name::HopByHop
        | Name::Host
        | Name::TransferEncoding
        | Name::Upgrade
        | Name::Via
        | Name::XRequestId => false,
    }
}

fn push_framing(out: &mut Vec<u8>, head: &RequestHead) {
    match head.framing() {
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
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

fn push_forwarding(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    let appends = hop.forwarding == Forwarding::Append;
    let known = |name| appends && head.fields.values(bytes, name).next().is_some();
    push_forwarded_for(out, head, bytes, hop);
    if !known(Name::XForwardedProto) {
        push_line(out, b"X-Forwarded-Proto", hop.scheme.name());
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
    out.extend_from_slice(hop.peer.address.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `for=192.0.2.1;host="a:80";proto=http` (RFC 7239 §4).
fn push_forwarded_element(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], hop: &Hop<'_>) {
    out.extend_from_slice(b"for=");
    out.extend_from_slice(hop.peer.node.as_bytes());
    if let Some(host) = head.host(bytes) {
        // A valid host has no character that would need an escape between quotes.
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.push(b'"');
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(hop.scheme.name());
    out.extend_from_slice(b"\r\n");
}

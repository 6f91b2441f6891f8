//! The response as it goes back: a new head, made of what the server sent and may pass.

use super::cookie::{SetCookie, push_set_cookie};
use super::fields::{Fate, push_line};
use super::forward::{push_content_length, push_upgrade, push_way};
use super::name::Name;
use super::{Framing, Method, Persistence, RequestId, ResponseHead, Terms, Version};

/// What the response answers.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The method of the request.
    pub method: Method,
    /// The version the client speaks.
    pub version: Version,
    /// Whether the client's connection should outlive the response.
    pub persistence: Persistence,
    /// The id of the request.
    pub request_id: &'a RequestId,
    /// The time, for a response without a `Date` (RFC 9110 §6.6.1); see [`super::date`].
    pub date: Option<&'a [u8]>,
    /// A cookie that the client is given besides those of the response.
    pub cookie: Option<SetCookie<'a>>,
}

/// How the response must be delivered, now that its head has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Delivery {
    /// How to frame the body.
    pub framing: Framing,
    /// Whether the client's connection outlives it.
    pub persistence: Persistence,
}

/// What becomes of a line of `Content-Length` that is exactly what we would write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthLine {
    /// It passes with its neighbours.
    Kept,
    /// The response that we write has another framing.
    Dropped,
}

/// What to do with an interim response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interim {
    /// Pass it on, and read the next.
    Forward,
    /// Drop it, and read the next.
    Swallow,
}

/// What to do with an interim response of that `status` to a request (RFC 9110 §15.2).
#[must_use]
pub fn interim(request: &Terms, status: u16) -> Interim {
    match (request.version, status) {
        (Version::Http10, _) => Interim::Swallow,
        (Version::Http11, 100) if !request.expects_continue => Interim::Swallow,
        (Version::Http11, _) => Interim::Forward,
    }
}

/// Appends to `out` the head that goes downstream for the interim response `head`.
pub fn write_interim(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    push_head(out, head, bytes, LengthLine::Dropped);
    out.extend_from_slice(b"\r\n");
}

/// Appends to `out` the head that goes downstream for `head`, which switches protocols.
pub fn write_switch(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    bytes: &[u8],
    id: &RequestId,
    cookie: Option<SetCookie<'_>>,
) {
    push_head(out, head, bytes, LengthLine::Dropped);
    push_upgrade(out, head.fields.values(bytes, Name::Upgrade));
    if let Some(cookie) = cookie {
        push_set_cookie(out, cookie);
    }
    push_way(out, &head.fields, bytes, head.version(), id);
}

/// Appends to `out` the head that goes downstream for the final response `head`, whose text is in
/// `bytes`. Tells how the body has to follow.
pub fn write_response(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    bytes: &[u8],
    reply: &Reply<'_>,
) -> Delivery {
    let delivery = delivery(head, reply);
    let length = length_line(head, delivery.framing);
    push_head(out, head, bytes, length);
    if length == LengthLine::Dropped {
        push_framing(out, head, delivery.framing);
    }
    push_connection(out, reply.version, delivery.persistence);
    if let Some(date) = reply.date.filter(|_| !head.fields.has(Name::Date)) {
        push_line(out, b"Date", date);
    }
    if let Some(cookie) = reply.cookie {
        push_set_cookie(out, cookie);
    }
    push_way(out, &head.fields, bytes, head.version(), reply.request_id);
    delivery
}

/// Whether the response says its length as we would, and still has that length.
fn length_line(head: &ResponseHead, framing: Framing) -> LengthLine {
    let is_due = match framing {
        Framing::Length(_) => true,
        // After HEAD and in a 304 it tells about the body that is not there (RFC 9110 §8.6); a
        // 204 must not have one.
        Framing::Empty => head.status() != 204,
        Framing::Chunked | Framing::UntilClose => false,
    };
    if is_due && head.length_is_plain { LengthLine::Kept } else { LengthLine::Dropped }
}

fn delivery(head: &ResponseHead, reply: &Reply<'_>) -> Delivery {
    let framing = match (head.framing(), reply.version) {
        (Framing::Chunked | Framing::UntilClose, Version::Http10) => Framing::UntilClose,
        (Framing::UntilClose, Version::Http11) => Framing::Chunked,
        (framing, _) => framing,
    };
    let persistence = match framing {
        Framing::UntilClose => Persistence::Close,
        Framing::Empty | Framing::Length(_) | Framing::Chunked => reply.persistence,
    };
    Delivery { framing, persistence }
}

/// The status line and what passes of the headers. The version is always our own, which need not
/// be the server's (RFC 9110 §6.2).
fn push_head(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], length: LengthLine) {
    let line = head.plain_line(bytes).unwrap_or_else(|| {
        let (status, reason) = head.status_and_reason(bytes);
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status);
        out.push(b' ');
        out.extend_from_slice(reason);
        out.extend_from_slice(b"\r\n");
        0..0
    });
    head.fields.copy(out, bytes, line, |name| match name {
        Name::ContentLength if length == LengthLine::Kept => Fate::Pass,
        _ => fate(name),
    });
}

/// Whether headers of this name go back as they came.
fn fate(name: Name) -> Fate {
    match name {
        Name::Accept
        | Name::Cookie
        | Name::Disguised
        | Name::Other
        | Name::TraceParent
        | Name::TraceState => Fate::PassUnlessListed,
        Name::Date
        | Name::Expect
        | Name::Forwarded
        | Name::Host
        | Name::MaxForwards
        | Name::XForwardedFor
        | Name::XForwardedHost
        | Name::XForwardedOther
        | Name::XForwardedProto => Fate::Pass,
        Name::Connection
        | Name::ContentLength
        | Name::HopByHop
        | Name::TransferEncoding
        | Name::Upgrade
        | Name::Via
        | Name::XRequestId => Fate::Stop,
    }
}

fn push_framing(out: &mut Vec<u8>, head: &ResponseHead, framing: Framing) {
    match framing {
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Length(length) => push_content_length(out, length),
        // As in `length_line`.
        Framing::Empty => {
            if let Some(length) = head.declared_length.filter(|_| head.status() != 204) {
                push_content_length(out, length);
            }
        }
        Framing::UntilClose => {}
    }
}

/// Says only what the client would not assume by itself (RFC 9112 §9.3).
fn push_connection(out: &mut Vec<u8>, version: Version, persistence: Persistence) {
    match (version, persistence) {
        (_, Persistence::Close) => push_line(out, b"Connection", b"close"),
        (Version::Http10, Persistence::KeepAlive) => push_line(out, b"Connection", b"keep-alive"),
        (Version::Http11, Persistence::KeepAlive) => {}
    }
}

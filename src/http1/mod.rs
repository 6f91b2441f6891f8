//! The HTTP/1.1 codec of the proxy: bytes in, decisions and bytes out. Pure: no IO, async, clock
//! or randomness, and no allocation per message once the caller's buffers have grown.
//!
//! Where RFC 9112 lets a recipient choose between repairing and refusing, we refuse: a message that
//! two parsers can read in two ways is how requests get smuggled past a proxy. What passes goes on
//! in canonical form, so that the next parser has nothing left to guess. The parser is ours because
//! strictness cannot be added to a lenient one: each line would have to be read twice.
//!
//! Heads ([`RequestHead`], [`ResponseHead`]) hold offsets, not borrows: they are reused from one
//! message to the next, and the text they tell about stays in the caller's buffer.

mod accept;
mod body;
pub mod chunked;
mod class;
mod client_address;
mod cookie;
mod date;
mod fields;
mod forward;
mod framing;
mod host;
mod method;
mod name;
mod refusal;
mod reply;
mod request;
mod request_id;
mod response;
mod syntax;
mod target;
mod trace;

pub use accept::Form;
pub use body::{Body, Decoded};
pub use client_address::client_address;
pub use cookie::{CookieName, HeaderName, InvalidName, SetCookie};
pub use date::date;
pub use forward::{Forwarding, Hop, Peer, Scheme, write_request};
pub use framing::Framing;
pub use method::Method;
pub use refusal::Refusal;
pub use reply::{Delivery, Interim, Reply, interim, write_interim, write_response, write_switch};
pub use request::{Hops, RequestHead, Terms};
pub use request_id::{InvalidRequestId, RequestId};
pub use response::ResponseHead;
pub use syntax::{push_address, push_decimal};
pub use trace::{SpanId, SpanPlace, TraceBegun, TraceFlags, TraceId, TraceOnward, TraceParent};

/// How much of a head we are willing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, from its first line to its empty line; also of a trailer section.
    pub head: usize,
    /// Header lines in a head; also in a trailer section.
    pub headers: usize,
    /// Bytes of a request target.
    pub target: usize,
}

impl Default for Limits {
    /// Twice what the common servers behind us accept (8 KiB per line, 100 headers, 32 KiB in
    /// all), so that it is the server's own limit that its users meet.
    fn default() -> Self {
        Self { head: 64 * 1024, headers: 100, target: 16 * 1024 }
    }
}

/// Whether a message, or a part of one, has been read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing is wrong yet; more bytes are needed.
    Incomplete,
    /// The end has been read.
    Complete,
}

/// The version a message speaks. A later 1.x counts as 1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no interim responses, closes unless asked not to.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// Whether a connection outlives the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// The connection can carry another message.
    #[default]
    KeepAlive,
    /// The connection ends with this message.
    Close,
}

#[cfg(test)]
mod tests;

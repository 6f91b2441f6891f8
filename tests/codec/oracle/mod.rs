//! What must hold for any bytes at all. Each oracle takes an input, and panics if the codec and
//! the reference disagree on it, or if the codec breaks a promise of its own.
//!
//! The tests feed them with what they generate and with the corpus, the fuzzers with what they
//! find. The crate that includes this file provides the codec as `crate::http1`, the reader of
//! PROXY headers as `crate::proxy_protocol`, and the reference as `crate::reference`.

mod arrival;
mod chunked;
pub(crate) mod client;
mod forwarded;
mod proxy_header;
mod request;
mod response;
mod returned;
mod verdict;

pub(crate) use chunked::chunked_body;
pub(crate) use client::client_address_of;
pub(crate) use proxy_header::proxy_header;
pub(crate) use request::request_head;
pub(crate) use response::response_head;

use crate::http1::{self, Limits};
use crate::reference::Bounds;
use crate::reference::framing::{Framing, Version};
use crate::reference::head::Field;

/// The usual limits, and some that a short input can reach.
const LIMITS: [Limits; 2] = [
    Limits { head: 64 * 1024, headers: 100, target: 16 * 1024 },
    Limits { head: 160, headers: 5, target: 24 },
];

/// Limits that what we write ourselves cannot reach: it may be longer than what we read.
const ROOMY: Limits = Limits { head: usize::MAX, headers: usize::MAX, target: usize::MAX };

fn bounds(limits: &Limits) -> Bounds {
    Bounds { head: limits.head, headers: limits.headers, target: limits.target }
}

fn framing(framing: http1::Framing) -> Framing {
    match framing {
        http1::Framing::Empty => Framing::Empty,
        http1::Framing::Length(length) => Framing::Length(length),
        http1::Framing::Chunked => Framing::Chunked,
        http1::Framing::UntilClose => Framing::UntilClose,
    }
}

fn version(version: http1::Version) -> Version {
    match version {
        http1::Version::Http10 => Version::Http10,
        http1::Version::Http11 => Version::Http11,
    }
}

fn closes(persistence: http1::Persistence) -> bool {
    persistence == http1::Persistence::Close
}

/// The fields of a head of the codec, in the reference's form.
fn fields<'b>(headers: impl Iterator<Item = (&'b [u8], &'b [u8])>) -> Vec<Field<'b>> {
    headers.map(|(name, value)| Field { name, value }).collect()
}

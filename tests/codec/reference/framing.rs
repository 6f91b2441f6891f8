//! Where a body ends: RFC 9112 §6.3, and where it lets us choose, the strict side.

use super::grammar::{is_same, number};
use super::head::Head;
use super::{Broken, require};

/// The version of a message; a later minor one counts as 1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What the framing headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) length: Option<u64>,
    pub(crate) is_chunked: bool,
}

/// RFC 9112 §2.3: `HTTP-name "/" DIGIT "." DIGIT`, case-sensitive.
pub(crate) fn version(text: &[u8]) -> Result<Version, Broken> {
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = *text else {
        return Err("9112 §2.3: the version is HTTP/d.d");
    };
    require(major.is_ascii_digit() && minor.is_ascii_digit(), "9112 §2.3: digits")?;
    require(major == b'1', "only HTTP/1.x is spoken here")?;
    Ok(if minor == b'0' { Version::Http10 } else { Version::Http11 })
}

/// Reads the two headers: at most one length, and no coding but one `chunked`.
pub(crate) fn declared(head: &Head<'_>) -> Result<Declared, Broken> {
    let lengths = head.values("content-length");
    require(lengths.len() <= 1, "9112 §6.3: one Content-Length, also if they are the same")?;
    let length = match lengths.first() {
        Some(value) => Some(number(value).ok_or("9110 §8.6: Content-Length is a number")?),
        None => None,
    };
    let codings = head.values("transfer-encoding");
    let is_chunked = codings.len() == 1 && is_same(codings[0], "chunked");
    require(codings.is_empty() || is_chunked, "9112 §6.1: no transfer coding but chunked")?;
    Ok(Declared { length, is_chunked })
}

impl Declared {
    pub(crate) fn of_request(self, version: Version) -> Result<Framing, Broken> {
        if self.is_chunked {
            require(version == Version::Http11, "9112 §6.1: HTTP/1.0 has no Transfer-Encoding")?;
            require(self.length.is_none(), "9112 §6.1: one framing")?;
            return Ok(Framing::Chunked);
        }
        Ok(self.length.map_or(Framing::Empty, Framing::Length))
    }

    /// `to_head` tells whether the request was a HEAD.
    pub(crate) fn of_response(self, status: u16, to_head: ToHead) -> Framing {
        let never_has_one = status < 200 || status == 204 || status == 304;
        match (self.is_chunked, self.length) {
            _ if never_has_one || to_head == ToHead::Yes => Framing::Empty,
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        }
    }
}

/// Whether a response answers a HEAD request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToHead {
    Yes,
    No,
}

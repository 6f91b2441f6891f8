//! The PROXY protocol, versions 1 and 2: how a proxy in front of us that does not speak HTTP says
//! who the client is, once, before the client's first byte.
//!
//! Pure: bytes in, a verdict out. It is as strict as the specification lets a receiver be, because
//! whoever may write this header is believed: what could be read in two ways is refused. Nothing
//! here guesses whether a header is present; the caller knows from whom one must come.
//!
//! The specification: <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>.

mod crc32c;
mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

pub use v2::HEADER_MAX;

/// A header that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who has connected to the proxy.
    pub source: Source,
    /// Bytes of the header. What follows is the client's.
    pub len: usize,
}

/// Who has connected to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client at this address.
    Client(SocketAddr),
    /// The proxy itself, to see whether we are there (`LOCAL`).
    Proxy,
    /// A client of which the proxy can tell no address that we could use.
    Unknown,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They begin with neither signature.
    #[error("it does not begin with a signature of the PROXY protocol")]
    Signature,
    /// A line of version 1 that has no end where it must have one.
    #[error("the line of version 1 does not end with CRLF within 107 bytes")]
    Line,
    /// A line of version 1 that is not: PROXY, protocol, two addresses, two ports.
    #[error("the line of version 1 is not what the protocol allows")]
    Grammar,
    /// A version or command that does not exist.
    #[error("the version or command does not exist")]
    Command,
    /// An address family or transport that does not exist.
    #[error("the address family or transport does not exist")]
    Family,
    /// A length that is too short for its addresses, or longer than we read.
    #[error("the length does not fit the addresses, or is too long")]
    Length,
    /// Extensions that do not fill the header exactly.
    #[error("the extensions do not fill the header exactly")]
    Extensions,
    /// A checksum that is not the header's.
    #[error("the checksum is wrong")]
    Checksum,
}

impl Source {
    /// The client's address, an IPv4 one as what it is however it was written.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Client(address) => Some(address.ip().to_canonical()),
            Self::Proxy | Self::Unknown => None,
        }
    }
}

/// Reads the header that begins with the first of `bytes`; `None` if all is well and more bytes
/// are needed. However the bytes are cut into pieces, the outcome is the same.
///
/// # Errors
///
/// [`Malformed`] as soon as no byte that may follow could make a header of these.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if begins(bytes, v2::SIGNATURE) {
        return v2::parse(bytes);
    }
    if begins(bytes, v1::SIGNATURE) {
        return v1::parse(bytes);
    }
    Err(Malformed::Signature)
}

/// Whether `bytes` begin with `signature`, or may once there are more of them.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let known = bytes.len().min(signature.len());
    bytes[..known] == signature[..known]
}

#[cfg(test)]
mod tests;

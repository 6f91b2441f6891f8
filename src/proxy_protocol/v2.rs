//! Version 2: a binary header that tells its own length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc32c::Crc32c;
use super::{Header, Malformed, Source};

/// What every header begins with, chosen so that no server takes it for a request.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;

/// The longest header that is read. The length would allow 64 KiB; the addresses take 232 bytes,
/// and what load balancers append to them (names, ids, a client's certificate) some hundreds.
pub const HEADER_MAX: usize = 4096;

/// The extension that holds a checksum of the whole header (§2.2.4).
const CRC32C: u8 = 0x03;

/// Which addresses a header has.
#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    Inet,
    Inet6,
    Unix,
}

/// What the header is about.
#[derive(Clone, Copy)]
enum Command {
    /// The proxy's own connection: whatever addresses there are must be ignored.
    Local,
    /// A client's.
    Proxy,
}

impl Family {
    /// Families are numbered, and a receiver must refuse other numbers; so are transports.
    const fn of(byte: u8) -> Result<Self, Malformed> {
        match (byte >> 4, byte & 0x0f) {
            (0, 0..=2) => Ok(Self::Unspecified),
            (1, 0..=2) => Ok(Self::Inet),
            (2, 0..=2) => Ok(Self::Inet6),
            (3, 0..=2) => Ok(Self::Unix),
            _ => Err(Malformed::Family),
        }
    }

    /// Bytes that source, destination and their ports take.
    const fn len(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Inet => 12,
            Self::Inet6 => 36,
            Self::Unix => 216,
        }
    }

    fn source(self, addresses: &[u8]) -> Source {
        let read = match self {
            Self::Inet => {
                address::<4>(addresses).map(|(ip, port)| (Ipv4Addr::from(ip).into(), port))
            }
            Self::Inet6 => {
                address::<16>(addresses).map(|(ip, port)| (Ipv6Addr::from(ip).into(), port))
            }
            // A path says nothing to whoever reads a forwarded address.
            Self::Unspecified | Self::Unix => None,
        };
        let client = |(ip, port): (IpAddr, u16)| Source::Client(SocketAddr::new(ip, port));
        read.map_or(Source::Unknown, client)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some(&kind) = bytes.get(SIGNATURE.len()) else { return Ok(None) };
    let command = match kind {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Err(Malformed::Command),
    };
    let Some(&family) = bytes.get(SIGNATURE.len() + 1) else { return Ok(None) };
    let family = match command {
        Command::Local => Family::Unspecified,
        Command::Proxy => Family::of(family)?,
    };
    let Some(&length) = bytes.get(FIXED - 2..).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let len = FIXED + usize::from(u16::from_be_bytes(length));
    if len > HEADER_MAX || len < FIXED + family.len() {
        return Err(Malformed::Length);
    }
    let Some(header) = bytes.get(..len) else { return Ok(None) };
    let source = match command {
        Command::Local => Source::Proxy,
        Command::Proxy => {
            check_extensions(header, FIXED + family.len())?;
            family.source(&header[FIXED..])
        }
    };
    Ok(Some(Header { source, len }))
}

/// The source's address and port: both addresses come first, then both ports.
fn address<const LENGTH: usize>(addresses: &[u8]) -> Option<([u8; LENGTH], u16)> {
    let ip = addresses.first_chunk()?;
    let port = addresses.get(2 * LENGTH..)?.first_chunk()?;
    Some((*ip, u16::from_be_bytes(*port)))
}

/// Walks over the extensions, each a type, a length and a value, and checks the checksum if one is
/// among them.
fn check_extensions(header: &[u8], start: usize) -> Result<(), Malformed> {
    let mut at = start;
    let mut checksum = None;
    while at < header.len() {
        let [kind, high, low] = header.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(
            // Not even the fixed part of one is left.
            Malformed::Extensions,
        )?;
        let (value, length) = (at + 3, usize::from(u16::from_be_bytes([high, low])));
        at = value + length;
        if at > header.len() {
            return Err(Malformed::Extensions);
        }
        // A second one could only contradict the first.
        if kind == CRC32C && (length != 4 || checksum.replace(value).is_some()) {
            return Err(Malformed::Extensions);
        }
    }
    checksum.map_or(Ok(()), |value| check_sum(header, value))
}

/// The checksum is taken over the whole header, with zeros where it stands itself.
fn check_sum(header: &[u8], at: usize) -> Result<(), Malformed> {
    let mut sum = Crc32c::new();
    sum.add(&header[..at]);
    sum.add(&[0; 4]);
    sum.add(&header[at + 4..]);
    if header[at..at + 4] == sum.get().to_be_bytes() { Ok(()) } else { Err(Malformed::Checksum) }
}

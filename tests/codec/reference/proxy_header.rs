//! The header of the PROXY protocol: §2 of its specification, by taking whole headers apart.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::client::ipv4;
use super::{Broken, Outcome, require};

/// The longest line of version 1, CRLF included (§2.1).
const LINE_MAX: usize = 107;

/// The longest header of version 2 that is read.
const HEADER_MAX: usize = 4096;

/// What every header of version 2 begins with (§2.2).
const SIGNATURE: [u8; 12] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];

/// The kind of extension that holds the checksum, and how long that is (§2.2.4).
const CHECKSUM: (u8, usize) = (3, 4);

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    pub(crate) source: Source,
    pub(crate) len: usize,
}

/// Whom it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Client(SocketAddr),
    Proxy,
    Unknown,
}

pub(crate) fn read(input: &[u8]) -> Outcome<ProxyHeader> {
    for (signature, read) in [(&SIGNATURE[..], binary as fn(&[u8]) -> _), (b"PROXY ", line)] {
        if input.starts_with(signature) {
            return read(input);
        }
        if signature.starts_with(input) {
            return Outcome::Incomplete;
        }
    }
    Outcome::Refused("§2: a header begins with a signature")
}

/// §2.1: `PROXY`, a protocol, two addresses and two ports, between single spaces.
fn line(input: &[u8]) -> Outcome<ProxyHeader> {
    let window = &input[..input.len().min(LINE_MAX)];
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return match window.len() == LINE_MAX {
            true => Outcome::Refused("§2.1: a line has at most 107 bytes"),
            false => Outcome::Incomplete,
        };
    };
    Outcome::of(line_source(&input[..end]).map(|source| ProxyHeader { source, len: end + 1 }))
}

fn line_source(line: &[u8]) -> Result<Source, Broken> {
    let line = line.strip_suffix(b"\r").ok_or("§2.1: a line ends with CRLF")?;
    let text = std::str::from_utf8(line).map_err(|_| "§2.1: a line is text")?;
    require(!text.contains(|c: char| c < ' ' || c == '\u{7f}'), "no control characters")?;
    let words: Vec<&str> = text.split(' ').collect();
    let protocol = *words.get(1).ok_or("§2.1: a protocol")?;
    if protocol == "UNKNOWN" {
        return Ok(Source::Unknown);
    }
    let [_, _, source, destination, source_port, destination_port] = words[..] else {
        return Err("§2.1: two addresses and two ports");
    };
    let address = |text: &str| match protocol {
        "TCP4" => ipv4(text).map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let address = |text| address(text).ok_or("§2.1: an address of the protocol's family");
    let port = |text| port(text).ok_or("§2.1: a port, without a sign or leading zeros");
    address(destination)?;
    port(destination_port)?;
    Ok(Source::Client(SocketAddr::new(address(source)?, port(source_port)?)))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port: &u16| port.to_string() == text)
}

/// §2.2: sixteen bytes, and then as many as the last two of those say.
fn binary(input: &[u8]) -> Outcome<ProxyHeader> {
    let Some(&[kind, family, high, low]) = input.get(12..16).and_then(<[u8]>::first_chunk) else {
        return Outcome::Incomplete;
    };
    let len = 16 + 256 * usize::from(high) + usize::from(low);
    if len > HEADER_MAX {
        return Outcome::Refused("a header is within its limit");
    }
    let Some(header) = input.get(..len) else { return Outcome::Incomplete };
    let source = match kind {
        0x20 => Ok(Source::Proxy),
        0x21 => binary_source(header, family),
        _ => Err("§2.2: version 2, LOCAL or PROXY"),
    };
    Outcome::of(source.map(|source| ProxyHeader { source, len }))
}

fn binary_source(header: &[u8], family: u8) -> Result<Source, Broken> {
    require(family & 0x0f <= 2, "§2.2: the transport exists")?;
    let (addresses, ip_len) = match family >> 4 {
        0 => (0, 0),
        1 => (12, 4),
        2 => (36, 16),
        3 => (216, 0),
        _ => return Err("§2.2: the family exists"),
    };
    let rest = header.get(16 + addresses..).ok_or("§2.2: the addresses are there")?;
    extensions(header, rest)?;
    let (ip, port) = (&header[16..16 + ip_len], 16 + 2 * ip_len);
    let ip = match ip_len {
        4 => IpAddr::from(<[u8; 4]>::try_from(ip).expect("four bytes")),
        16 => IpAddr::from(<[u8; 16]>::try_from(ip).expect("sixteen bytes")),
        _ => return Ok(Source::Unknown),
    };
    let port = 256 * u16::from(header[port]) + u16::from(header[port + 1]);
    Ok(Source::Client(SocketAddr::new(ip, port)))
}

/// §2.2.x: a kind, a length and a value each, to the end of the header; at most one checksum.
fn extensions(header: &[u8], mut rest: &[u8]) -> Result<(), Broken> {
    let mut sums = Vec::new();
    while !rest.is_empty() {
        require(rest.len() >= 3, "§2.2: an extension has a kind and a length")?;
        let len = 256 * usize::from(rest[1]) + usize::from(rest[2]);
        let value = rest.get(3..3 + len).ok_or("§2.2: an extension is within the header")?;
        if rest[0] == CHECKSUM.0 {
            require(len == CHECKSUM.1, "§2.2.4: the checksum has four bytes")?;
            sums.push((header.len() - rest.len() + 3, value));
        }
        rest = &rest[3 + len..];
    }
    require(sums.len() <= 1, "§2.2.4: one checksum")?;
    for (at, value) in sums {
        let mut blank = header.to_vec();
        blank[at..at + CHECKSUM.1].fill(0);
        require(crc32c(&blank).to_be_bytes() == value, "§2.2.4: the checksum is right")?;
    }
    Ok(())
}

/// RFC 3720 §12.1, as it is written there: the bits of each byte from the lowest on, divided by
/// the polynomial.
fn crc32c(bytes: &[u8]) -> u32 {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    let rest = bits.fold(u32::MAX, |rest, bit| {
        let shifted = rest << 1;
        if rest >> 31 == u32::from(bit) { shifted } else { shifted ^ 0x1edc_6f41 }
    });
    !rest.reverse_bits()
}

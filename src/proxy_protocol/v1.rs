//! Version 1: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Header, Malformed, Source};

/// What every line begins with; all of them have something after it.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line that there can be, CRLF included (§2.1 of the specification).
const LINE_MAX: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let window = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return if window.len() == LINE_MAX { Err(Malformed::Line) } else { Ok(None) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(Malformed::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Grammar)?;
    let source = source(line).ok_or(Malformed::Grammar)?;
    Ok(Some(Header { source, len: end + 1 }))
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`, word for word between single spaces.
fn source(line: &str) -> Option<Source> {
    if line.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let mut words = line.split(' ').skip(1);
    let source = match words.next()? {
        "TCP4" => addresses::<Ipv4Addr>(&mut words)?,
        "TCP6" => addresses::<Ipv6Addr>(&mut words)?,
        // Whatever follows must be ignored.
        "UNKNOWN" => return Some(Source::Unknown),
        _ => return None,
    };
    words.next().is_none().then_some(Source::Client(source))
}

/// The source out of the two addresses and ports, all of which must be valid.
fn addresses<'a, A: FromStr + Into<IpAddr>>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Option<SocketAddr> {
    let (source, destination) = (words.next()?.parse::<A>(), words.next()?.parse::<A>());
    let (source_port, destination_port) = (port(words.next()?), port(words.next()?));
    let (source, _) = (source.ok()?, destination.ok()?);
    let (port, _) = (source_port?, destination_port?);
    Some(SocketAddr::new(source.into(), port))
}

/// A decimal number without a sign and without leading zeros, which `u16::from_str` would take.
fn port(word: &str) -> Option<u16> {
    let is_canonical = word == "0" || !word.starts_with(['0', '+']);
    if is_canonical { word.parse().ok() } else { None }
}

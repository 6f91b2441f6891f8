//! Host and port, as in the `Host` header and in a URI (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

use super::syntax::decimal;

/// What is known about a valid host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// Length of the canonical text: an empty port (`a:`) is cut off.
    pub(super) len: usize,
    /// A port is given.
    pub(super) port: Option<u16>,
}

/// Checks `text`: a name or an address, then at most a port.
///
/// Names may have letters, digits and `-._~`. RFC 3986 would also allow percent-encoding and the
/// delimiters `!$&'()*+,;=`; no name that resolves has one, and a list (`a,b`) is made of them.
pub(super) fn authority(text: &[u8]) -> Option<Authority> {
    let host_len = match text.first()? {
        b'[' => bracketed_len(text)?,
        _ => text.iter().take_while(|&&byte| is_name_byte(byte)).count(),
    };
    let (host, port) = text.split_at(host_len);
    if host.is_empty() {
        return None;
    }
    match port {
        [] | [b':'] => Some(Authority { len: host_len, port: None }),
        [b':', digits @ ..] if digits.len() <= 5 => {
            let port = u16::try_from(decimal(digits)?).ok()?;
            Some(Authority { len: text.len(), port: Some(port) })
        }
        _ => None,
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn bracketed_len(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|&byte| byte == b']')?;
    let address = str::from_utf8(&text[1..end]).ok()?;
    address.parse::<Ipv6Addr>().ok().map(|_| end + 1)
}

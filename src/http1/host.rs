//! Host and port, as in the `Host` header and in a URI (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

use super::class::Class;

/// What is known about a valid host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// Length of the canonical text: an empty port (`a:`) is cut off.
    pub(super) len: usize,
    /// A port is given.
    pub(super) has_port: bool,
}

/// Checks `text`: a name or an address, then at most a port.
pub(super) fn authority(text: &[u8]) -> Option<Authority> {
    let host_len = match text.first()? {
        b'[' => bracketed_len(text)?,
        _ => Class::HOST.len(text),
    };
    let (host, port) = text.split_at(host_len);
    if host.is_empty() {
        return None;
    }
    match port {
        [] | [b':'] => Some(Authority { len: host_len, has_port: false }),
        [b':', digits @ ..] if is_port(digits) => {
            Some(Authority { len: text.len(), has_port: true })
        }
        _ => None,
    }
}

/// At most five digits, and no number that a port cannot have.
fn is_port(digits: &[u8]) -> bool {
    let is_in_range = digits.len() < 5 || (digits.len() == 5 && digits <= b"65535".as_slice());
    is_in_range && digits.iter().all(u8::is_ascii_digit)
}

fn bracketed_len(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|&byte| byte == b']')?;
    let address = str::from_utf8(&text[1..end]).ok()?;
    address.parse::<Ipv6Addr>().ok().map(|_| end + 1)
}

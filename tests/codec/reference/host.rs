//! Host and port: RFC 9110 §7.2 and RFC 3986 §3.2.2, for hosts that can exist.

use std::net::Ipv6Addr;

/// The whole of `text` as a host with at most a port; an empty port is left out. Percent-encoding
/// and the delimiters of RFC 3986 are refused: no name that resolves has one.
pub(crate) fn host(text: &[u8]) -> Option<&[u8]> {
    let colon = match text.strip_prefix(b"[") {
        Some(inside) => {
            let end = inside.iter().position(|&byte| byte == b']')?;
            std::str::from_utf8(&inside[..end]).ok()?.parse::<Ipv6Addr>().ok()?;
            end + 2
        }
        None => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (name, port) = text.split_at(colon);
    if !text.starts_with(b"[") && !is_name(name) {
        return None;
    }
    match port {
        b"" | b":" => Some(name),
        _ if is_port(port.strip_prefix(b":")?) => Some(text),
        _ => None,
    }
}

fn is_name(text: &[u8]) -> bool {
    let is_unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    !text.is_empty() && text.iter().all(is_unreserved)
}

fn is_port(text: &[u8]) -> bool {
    let is_short = (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_short && String::from_utf8_lossy(text).parse::<u16>().is_ok()
}

//! Who sent a request that came through proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::grammar::{list, strip};

/// Addresses that are looked at.
const NODES_MAX: usize = 30;

/// The right-most address of the lines that is not trusted, as far as each to its right is; the
/// last trusted one that is known, if that names nobody. Where the peer is not trusted it is the
/// client itself.
pub(crate) fn client(lines: &[&[u8]], peer: IpAddr, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let nodes: Vec<&[u8]> =
        lines.iter().flat_map(|line| list(line)).filter(|node| !strip(node).is_empty()).collect();
    let mut known = vec![peer];
    for node in nodes.iter().rev().take(NODES_MAX) {
        if !is_trusted(known[known.len() - 1]) {
            break;
        }
        let Some(address) = address(node) else { break };
        known.push(address);
    }
    known[known.len() - 1]
}

/// An IPv4 address or an IPv6 address; with a port, for which an IPv6 address needs brackets.
fn address(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let address = match text.strip_prefix('[') {
        Some(inside) => {
            let (inside, port) = inside.split_once(']')?;
            require_port(port)?;
            IpAddr::V6(ipv6(inside)?)
        }
        None => match (ipv6(text), text.split_once(':')) {
            (Some(address), _) => IpAddr::V6(address),
            (None, Some((address, port))) => {
                require_digits(port)?;
                IpAddr::V4(ipv4(address)?)
            }
            (None, None) => IpAddr::V4(ipv4(text)?),
        },
    };
    // RFC 4291 §2.5.5.2: an IPv4-mapped address is that of an IPv4 node.
    Some(match address {
        IpAddr::V6(mapped) if mapped.segments()[..6] == [0, 0, 0, 0, 0, 0xffff] => {
            let [.., a, b, c, d] = mapped.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        address => address,
    })
}

/// Nothing, or a colon and a port.
fn require_port(text: &str) -> Option<()> {
    if text.is_empty() { Some(()) } else { require_digits(text.strip_prefix(':')?) }
}

/// Digits that make a number of 16 bits.
fn require_digits(text: &str) -> Option<()> {
    let digits = text.trim_start_matches('0');
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && digits.len() <= 5 && format!("0{digits}").parse::<u32>().ok()? < 65_536)
        .then_some(())
}

/// RFC 3986 §3.2.2: four decimal octets, without leading zeros.
pub(crate) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let octet = |word: &str| word.parse().ok().filter(|octet: &u8| octet.to_string() == word);
    let octets: Vec<u8> = text.split('.').map(octet).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

/// RFC 4291 §2.2, without a zone: that names an interface of somebody else's machine.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

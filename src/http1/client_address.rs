//! Who sent a request that came through proxies: what `X-Forwarded-For` is worth.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::RequestHead;
use super::forward::FORWARDED_FOR_MAX;
use super::name::Name;
use super::syntax::elements;

/// The client's address: the right-most one that no trusted proxy has.
///
/// Each proxy appends whom it got the request from. So what stands right of an address vouches for
/// it, and nothing left of the first one that is not a proxy of ours can be believed: anybody may
/// have sent it (RFC 7239 §7.4 and §8.1; nginx calls it `real_ip_recursive`). Where a trusted proxy
/// wrote no address (`unknown`, a name, garbage), it is itself the last that we know of.
///
/// `peer` is who is at the other end of the connection. If it is not trusted, no header is read.
#[must_use]
pub fn client_address(
    head: &RequestHead,
    bytes: &[u8],
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    let lines = head.fields.values(bytes, Name::XForwardedFor).rev();
    let mut nodes = lines
        .flat_map(|line| elements(line).rev())
        .filter(|node| !node.is_empty())
        .take(FORWARDED_FOR_MAX);
    while is_trusted(client) {
        let Some(address) = nodes.next().and_then(node_address) else { break };
        client = address;
    }
    client
}

/// `192.0.2.1`, `2001:db8::1` and `[2001:db8::1]`, each with or without a port; an IPv6 address
/// needs the brackets for one. None has a zone: that names an interface of somebody else's machine.
fn node_address(node: &[u8]) -> Option<IpAddr> {
    if node.contains(&b'%') {
        return None;
    }
    let text = std::str::from_utf8(node).ok()?;
    let address = text.parse::<IpAddr>().ok().or_else(|| decorated(text))?;
    Some(address.to_canonical())
}

fn decorated(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => text.parse::<SocketAddr>().ok().map(|address| address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::http1::Limits;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    /// Everything in 10.0.0.0/8 and fd00::/8.
    fn is_trusted(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        }
    }

    fn from(peer: IpAddr, lines: &[&str]) -> String {
        let lines: String =
            lines.iter().map(|line| format!("X-Forwarded-For: {line}\r\n")).collect();
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}Forwarded: for=192.0.2.99\r\n\r\n");
        let mut head = RequestHead::default();
        let _ = head.parse(text.as_bytes(), &Limits::default()).unwrap();
        client_address(&head, text.as_bytes(), peer, is_trusted).to_string()
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        let peer = "192.0.2.7".parse().unwrap();
        assert_eq!(from(peer, &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(from(peer, &[]), "192.0.2.7");
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_the_client() {
        for (lines, client) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["192.0.2.1, 10.0.0.2, 10.0.0.3"], "192.0.2.1"),
            (&["192.0.2.1,10.0.0.2", "10.0.0.3"], "192.0.2.1"),
            // What a client has sent stands left of what our proxies know.
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (&["10.0.0.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&["203.0.113.9", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (&["' or 1=1, 192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(from(PEER, lines), client, "{lines:?}");
        }
    }

    #[test]
    fn an_address_may_have_a_port_and_ipv6_brackets() {
        for (line, client) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, [fd00::2]:80, ::ffff:10.0.0.2", "192.0.2.1"),
        ] {
            assert_eq!(from(PEER, &[line]), client, "{line}");
        }
    }

    #[test]
    fn where_there_is_no_address_the_last_one_known_counts() {
        for (line, client) in [
            ("", "10.0.0.1"),
            (", ,", "10.0.0.1"),
            ("unknown", "10.0.0.1"),
            ("_hidden", "10.0.0.1"),
            ("192.0.2.1 10.0.0.2", "10.0.0.1"),
            ("\"192.0.2.1\"", "10.0.0.1"),
            ("192.0.2.256", "10.0.0.1"),
            ("[192.0.2.1]", "10.0.0.1"),
            ("fe80::1%eth0", "10.0.0.1"),
            ("[fe80::1%1]:80", "10.0.0.1"),
            ("192.0.2.1, \u{e4}, 10.0.0.3", "10.0.0.3"),
            // Nobody but proxies of ours: one of them has asked.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ] {
            assert_eq!(from(PEER, &[line]), client, "{line}");
        }
    }

    #[test]
    fn no_more_addresses_are_looked_at_than_we_would_send() {
        let hops = vec!["10.0.0.2"; FORWARDED_FOR_MAX].join(", ");
        assert_eq!(from(PEER, &[&format!("192.0.2.1, {hops}")]), "10.0.0.2");
        let fewer = vec!["10.0.0.2"; FORWARDED_FOR_MAX - 1].join(", ");
        assert_eq!(from(PEER, &[&format!("192.0.2.1, {fewer}")]), "192.0.2.1");
    }
}

//! The oracle of whom a request is taken to be from.

use std::net::{IpAddr, Ipv4Addr};

use crate::http1::{Progress, RequestHead, client_address};
use crate::reference::client::client;
use crate::reference::grammar::{is_value, strip};

use super::LIMITS;
use super::verdict::show;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Any lines of text as those of `X-Forwarded-For`.
pub(crate) fn client_address_of(input: &[u8]) {
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    if lines.len() > LIMITS[0].headers - 1 || !lines.iter().all(|line| is_value(line)) {
        return; // No request has them.
    }
    let text = request_of(&lines);
    let mut head = RequestHead::default();
    if head.parse(&text, &LIMITS[0]) != Ok(Progress::Complete) {
        let is_long = text.len() > LIMITS[0].head;
        assert!(is_long, "refused: {}", show(&text));
        return;
    }
    let values: Vec<&[u8]> = lines.iter().map(|line| strip(line)).collect();
    for (who, is_trusted) in TRUST {
        let found = client_address(&head, &text, PEER, is_trusted);
        let wanted = client(&values, PEER, is_trusted);
        assert_eq!(found, wanted, "{who} trusted, input: {}", show(input));
    }
}

/// A request with these lines.
pub(crate) fn request_of(lines: &[&[u8]]) -> Vec<u8> {
    let mut text = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for line in lines {
        text.extend_from_slice(b"X-Forwarded-For:");
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

type IsTrusted = fn(IpAddr) -> bool;

/// Whom one may trust.
const TRUST: [(&str, IsTrusted); 4] = [
    ("nobody is", |_| false),
    ("everybody is", |_| true),
    ("the peer is", |address| address == PEER),
    ("half of the networks are", |address| match address {
        IpAddr::V4(address) => address.octets()[0] % 2 == 0,
        IpAddr::V6(address) => address.octets()[1] % 2 == 0,
    }),
];

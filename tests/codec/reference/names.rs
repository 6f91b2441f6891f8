//! Which headers a proxy may not treat as cargo.

use super::grammar::is_same;

/// RFC 9110 §7.6.1: they are about one connection. `Close` is reserved, so that it can be removed
/// like what else `Connection` names (RFC 9112 §9.6); `HTTP2-Settings` was the second half of an
/// upgrade that nobody may offer (RFC 9113 §3.1).
pub(crate) const HOP_BY_HOP: [&str; 11] = [
    "close",
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// What tells where a body ends.
pub(crate) const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// What else a proxy reads or writes.
const OURS: [&str; 9] = [
    "date",
    "expect",
    "forwarded",
    "host",
    "max-forwards",
    "via",
    "x-forwarded-for",
    "x-real-ip",
    "x-request-id",
];

/// The rest of this family tells about the client.
const FAMILY: &str = "x-forwarded-";

/// What a proxy does with a header of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something of its own.
    Known,
    /// What it would do with a known one, if a CGI server took `_` for `-`.
    Disguised,
    /// Nothing: it passes, unless `Connection` names it.
    Cargo,
}

pub(crate) fn kind(name: &[u8]) -> Kind {
    if is_known(name) {
        return Kind::Known;
    }
    let dashes: Vec<u8> = name.iter().map(|&b| if b == b'_' { b'-' } else { b }).collect();
    if is_known(&dashes) { Kind::Disguised } else { Kind::Cargo }
}

fn is_known(name: &[u8]) -> bool {
    let mut known = HOP_BY_HOP.iter().chain(&FRAMING).chain(&OURS);
    let of_family = name.get(..FAMILY.len()).is_some_and(|start| is_same(start, FAMILY));
    of_family || known.any(|each| is_same(name, each))
}

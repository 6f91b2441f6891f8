//! The header names that a proxy acts on. All others are cargo.

/// A header name that means something to a proxy, or [`Name::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Connection,
    ContentLength,
    Date,
    Expect,
    Forwarded,
    Host,
    MaxForwards,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// What else a server may take for the truth about the client: `X-Forwarded-*`, `X-Real-IP`.
    XForwardedOther,
    XRequestId,
    /// About one connection only, and nothing that we need to read (RFC 9110 §7.6.1).
    HopByHop,
    /// One of the above with `_` for `-`. Servers that hand headers on as CGI variables take the
    /// two for the same, so `Content_Length` would get past every check made on `Content-Length`.
    Disguised,
    Other,
}

const X_FORWARDED: &[u8] = b"x-forwarded-";

impl Name {
    /// What `token` names, in any case.
    pub(super) fn of(token: &[u8]) -> Self {
        let known = known(token);
        if known != Self::Other && token.contains(&b'_') { Self::Disguised } else { known }
    }
}

fn known(token: &[u8]) -> Name {
    let candidates: &[(&[u8], Name)] = match token.len() {
        2 => &[(b"te", Name::HopByHop)],
        3 => &[(b"via", Name::Via)],
        4 => &[(b"host", Name::Host), (b"date", Name::Date)],
        6 => &[(b"expect", Name::Expect)],
        7 => &[(b"trailer", Name::HopByHop), (b"upgrade", Name::Upgrade)],
        9 => &[(b"forwarded", Name::Forwarded), (b"x-real-ip", Name::XForwardedOther)],
        10 => &[(b"connection", Name::Connection), (b"keep-alive", Name::HopByHop)],
        12 => &[(b"x-request-id", Name::XRequestId), (b"max-forwards", Name::MaxForwards)],
        14 => &[(b"content-length", Name::ContentLength), (b"http2-settings", Name::HopByHop)],
        15 => &[(b"x-forwarded-for", Name::XForwardedFor)],
        16 => &[(b"x-forwarded-host", Name::XForwardedHost), (b"proxy-connection", Name::HopByHop)],
        17 => &[
            (b"transfer-encoding", Name::TransferEncoding),
            (b"x-forwarded-proto", Name::XForwardedProto),
        ],
        18 => &[(b"proxy-authenticate", Name::HopByHop)],
        19 => &[(b"proxy-authorization", Name::HopByHop)],
        25 => &[(b"proxy-authentication-info", Name::HopByHop)],
        _ => &[],
    };
    match candidates.iter().find(|(lower, _)| folds_to(token, lower)) {
        Some(&(_, name)) => name,
        None if starts_with_x_forwarded(token) => Name::XForwardedOther,
        None => Name::Other,
    }
}

fn starts_with_x_forwarded(token: &[u8]) -> bool {
    token.get(..X_FORWARDED.len()).is_some_and(|start| folds_to(start, X_FORWARDED))
}

/// Whether `token` is `lower` in some case, and with `_` for any `-`.
fn folds_to(token: &[u8], lower: &[u8]) -> bool {
    let folds = |(&byte, &lower): (&u8, &u8)| {
        byte.to_ascii_lowercase() == lower || (byte == b'_' && lower == b'-')
    };
    token.len() == lower.len() && token.iter().zip(lower).all(folds)
}

//! The header names that a proxy acts on. All others are cargo.

/// A header name that means something to a proxy, or [`Name::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Connection,
    ContentLength,
    Cookie,
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
        match candidate(token) {
            Some((lower, name)) if is_same(token, lower) => name,
            Some((lower, _)) if is_disguise(token, lower) => Self::Disguised,
            Some(_) => of_family(token),
            None => Self::Other,
        }
    }
}

/// The only known name that `token` can be, judged by its length and first letter.
fn candidate(token: &[u8]) -> Option<(&'static [u8], Name)> {
    let first = token.first()?.to_ascii_lowercase();
    Some(match (token.len(), first) {
        (2, b't') => (b"te", Name::HopByHop),
        (3, b'v') => (b"via", Name::Via),
        (4, b'd') => (b"date", Name::Date),
        (4, b'h') => (b"host", Name::Host),
        // Reserved, because it is an option of `Connection` (RFC 9112 §9.6).
        (5, b'c') => (b"close", Name::HopByHop),
        (6, b'c') => (b"cookie", Name::Cookie),
        (6, b'e') => (b"expect", Name::Expect),
        (7, b't') => (b"trailer", Name::HopByHop),
        (7, b'u') => (b"upgrade", Name::Upgrade),
        (9, b'f') => (b"forwarded", Name::Forwarded),
        (9, b'x') => (b"x-real-ip", Name::XForwardedOther),
        (10, b'c') => (b"connection", Name::Connection),
        (10, b'k') => (b"keep-alive", Name::HopByHop),
        (12, b'm') => (b"max-forwards", Name::MaxForwards),
        (12, b'x') => (b"x-request-id", Name::XRequestId),
        (14, b'c') => (b"content-length", Name::ContentLength),
        (14, b'h') => (b"http2-settings", Name::HopByHop),
        (15, b'x') => (b"x-forwarded-for", Name::XForwardedFor),
        (16, b'p') => (b"proxy-connection", Name::HopByHop),
        (16, b'x') => (b"x-forwarded-host", Name::XForwardedHost),
        (17, b't') => (b"transfer-encoding", Name::TransferEncoding),
        (17, b'x') => (b"x-forwarded-proto", Name::XForwardedProto),
        (18, b'p') => (b"proxy-authenticate", Name::HopByHop),
        (19, b'p') => (b"proxy-authorization", Name::HopByHop),
        (25, b'p') => (b"proxy-authentication-info", Name::HopByHop),
        (13.., b'x') => (X_FORWARDED, Name::XForwardedOther),
        _ => return None,
    })
}

/// What `token` names if it is none of the names that are known in full.
fn of_family(token: &[u8]) -> Name {
    match token.get(..X_FORWARDED.len()) {
        Some(start) if is_same(start, X_FORWARDED) => Name::XForwardedOther,
        Some(start) if is_disguise(start, X_FORWARDED) => Name::Disguised,
        _ => Name::Other,
    }
}

/// Whether `token` is `lower` in some case.
///
/// Setting one bit makes a letter lower-case, and makes no other `tchar` one that stands in a name
/// here. Eight bytes are compared at once, some of them twice where the length is no multiple.
fn is_same(token: &[u8], lower: &[u8]) -> bool {
    const CASE: u64 = u64::from_le_bytes([0x20; 8]);
    let differs = |token: &[u8; 8], lower: &[u8; 8]| {
        (u64::from_le_bytes(*token) | CASE) ^ u64::from_le_bytes(*lower)
    };
    if token.len() != lower.len() {
        // Only the first and the last eight of a longer one would be compared.
        return false;
    }
    let ((eights, _), (lower_eights, _)) = (token.as_chunks(), lower.as_chunks());
    match (token.last_chunk(), lower.last_chunk()) {
        (Some(last), Some(lower_last)) => {
            let pairs = eights.iter().zip(lower_eights);
            let bits = pairs.fold(0, |bits, (token, lower)| bits | differs(token, lower));
            bits | differs(last, lower_last) == 0
        }
        _ => token.iter().zip(lower).all(|(&byte, &lower)| byte | 0x20 == lower),
    }
}

/// Whether `token` is `lower` but for `_` in place of some `-`.
fn is_disguise(token: &[u8], lower: &[u8]) -> bool {
    let alike = |(&byte, &lower): (&u8, &u8)| {
        byte.to_ascii_lowercase() == lower || (byte == b'_' && lower == b'-')
    };
    token.len() == lower.len() && token.iter().zip(lower).all(alike)
}

//! The header names that a proxy acts on. All others are cargo.

/// A header name that means something to a proxy, or [`Name::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Accept,
    Connection,
    ContentLength,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    MaxForwards,
    TraceParent,
    TraceState,
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

/// A set of names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names(u32);

/// The names in the order of their numbers.
const ALL: [Name; 22] = [
    Name::Accept,
    Name::Connection,
    Name::ContentLength,
    Name::Cookie,
    Name::Date,
    Name::Expect,
    Name::Forwarded,
    Name::Host,
    Name::MaxForwards,
    Name::TraceParent,
    Name::TraceState,
    Name::TransferEncoding,
    Name::Upgrade,
    Name::Via,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedProto,
    Name::XForwardedOther,
    Name::XRequestId,
    Name::HopByHop,
    Name::Disguised,
    Name::Other,
];

impl Names {
    pub(super) fn add(&mut self, name: Name) {
        self.0 |= 1 << name as u32;
    }

    pub(super) fn contains(self, name: Name) -> bool {
        self.0 & (1 << name as u32) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Name> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let name = *ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(name)
        })
    }
}

/// Every name that is known in full. No two of them have the same length and first letter.
const KNOWN: [(&[u8], Name); 28] = [
    (b"te", Name::HopByHop),
    (b"via", Name::Via),
    (b"date", Name::Date),
    (b"host", Name::Host),
    // Reserved, because it is an option of `Connection` (RFC 9112 §9.6).
    (b"close", Name::HopByHop),
    (b"accept", Name::Accept),
    (b"cookie", Name::Cookie),
    (b"expect", Name::Expect),
    (b"trailer", Name::HopByHop),
    (b"upgrade", Name::Upgrade),
    (b"forwarded", Name::Forwarded),
    (b"x-real-ip", Name::XForwardedOther),
    (b"connection", Name::Connection),
    (b"keep-alive", Name::HopByHop),
    (b"tracestate", Name::TraceState),
    (b"traceparent", Name::TraceParent),
    (b"max-forwards", Name::MaxForwards),
    (b"x-request-id", Name::XRequestId),
    (b"content-length", Name::ContentLength),
    (b"http2-settings", Name::HopByHop),
    (b"x-forwarded-for", Name::XForwardedFor),
    (b"proxy-connection", Name::HopByHop),
    (b"x-forwarded-host", Name::XForwardedHost),
    (b"transfer-encoding", Name::TransferEncoding),
    (b"x-forwarded-proto", Name::XForwardedProto),
    (b"proxy-authenticate", Name::HopByHop),
    (b"proxy-authorization", Name::HopByHop),
    (b"proxy-authentication-info", Name::HopByHop),
];

/// What the names of the rest of a family begin with.
const X_FORWARDED: &[u8] = b"x-forwarded-";

/// Longer names are not in [`SHAPES`].
const SHAPE_MAX: usize = 32;

/// What a token of some length and first letter can be: one of [`KNOWN`], counted from 1, or
/// [`FAMILY`]. Most tokens can be nothing, and are not looked at any further.
const SHAPES: [[u8; 32]; SHAPE_MAX] = {
    let mut shapes = [[0; 32]; SHAPE_MAX];
    let mut len = X_FORWARDED.len() + 1;
    while len < SHAPE_MAX {
        shapes[len][letter(b'x')] = FAMILY;
        len += 1;
    }
    let mut at = 0;
    while at < KNOWN.len() {
        let (lower, _) = KNOWN[at];
        let shape = &mut shapes[lower.len()][letter(lower[0])];
        assert!(*shape == 0 || *shape == FAMILY, "two known names have the same shape");
        at += 1;
        *shape = at as u8;
    }
    shapes
};
const FAMILY: u8 = u8::MAX;

/// The number of a letter, the same in upper and lower case.
const fn letter(byte: u8) -> usize {
    byte as usize % 32
}

impl Name {
    /// What the token `token` names, in any case.
    #[inline]
    pub(super) fn of(token: &[u8]) -> Self {
        let shape = match token {
            [] => 0,
            [first, ..] if token.len() < SHAPE_MAX => SHAPES[token.len()][letter(*first)],
            _ => FAMILY,
        };
        if shape == 0 { Self::Other } else { Self::of_shape(token, shape) }
    }

    #[inline(never)]
    fn of_shape(token: &[u8], shape: u8) -> Self {
        match KNOWN.get(usize::from(shape) - 1) {
            Some((lower, name)) if is_same(token, lower) => *name,
            Some((lower, _)) if is_disguise(token, lower) => Self::Disguised,
            _ => of_family(token),
        }
    }
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
/// here. As many bytes are compared at once as a register has, some of them twice where the length
/// is no multiple.
fn is_same(token: &[u8], lower: &[u8]) -> bool {
    if token.len() != lower.len() {
        // Only the first and the last of a longer one would be compared.
        return false;
    }
    let eight = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes) | u64::from_le_bytes([0x20; 8]);
    let four = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) | u32::from_le_bytes([0x20; 4]);
    if let (Some(last), Some(lower_last)) = (token.last_chunk(), lower.last_chunk()) {
        let mut pairs = token.as_chunks().0.iter().zip(lower.as_chunks().0);
        return eight(last) == eight(lower_last)
            && pairs.all(|(each, lower)| eight(each) == eight(lower));
    }
    if let (Some(last), Some(lower_last)) = (token.last_chunk(), lower.last_chunk()) {
        let mut pairs = token.as_chunks().0.iter().zip(lower.as_chunks().0);
        return four(last) == four(lower_last)
            && pairs.all(|(each, lower)| four(each) == four(lower));
    }
    token.iter().zip(lower).all(|(&byte, &lower)| byte | 0x20 == lower)
}

/// Whether `token` is `lower` but for `_` in place of some `-`.
fn is_disguise(token: &[u8], lower: &[u8]) -> bool {
    let alike = |(&byte, &lower): (&u8, &u8)| {
        byte.to_ascii_lowercase() == lower || (byte == b'_' && lower == b'-')
    };
    token.len() == lower.len() && token.iter().zip(lower).all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_added_and_nothing_else() {
        for (number, name) in ALL.into_iter().enumerate() {
            assert_eq!(name as usize, number);
            let mut names = Names::default();
            assert!(names.is_empty());
            names.add(name);
            names.add(Name::Other);
            assert!(names.contains(name) && !names.is_empty());
            assert!(
                names.iter().eq([name]
                    .into_iter()
                    .filter(|name| *name != Name::Other)
                    .chain([Name::Other]))
            );
        }
    }
}

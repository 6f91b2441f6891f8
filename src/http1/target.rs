//! The request target and its four forms (RFC 9112 §3.2).

use super::fields::Span;
use super::host::authority;
use super::{Method, Refusal};

/// Where a request wants to go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    /// The host of an absolute URI; it overrides the `Host` header.
    pub(super) authority: Option<Span>,
    /// What an absolute URI leaves out and a path begins with: `/`, or `*` with OPTIONS.
    pub(super) prefix: &'static [u8],
    /// Path and query, as they came.
    pub(super) path: Span,
}

impl Target {
    /// Reads the target that begins at `start` in the head and is made of what may stand in one.
    #[inline]
    pub(super) fn read(text: &[u8], start: usize, method: Method) -> Result<Self, Refusal> {
        let path = Span::new(start..start + text.len());
        match text {
            _ if method == Method::Connect => Err(connect(text)),
            [b'/', ..] => Ok(Self { path, ..Self::default() }),
            b"*" if method == Method::Options => Ok(Self { path, ..Self::default() }),
            _ => absolute(text, start, method).ok_or(Refusal::Target),
        }
    }
}

/// CONNECT is refused, but as malformed if that is what it is.
fn connect(text: &[u8]) -> Refusal {
    match authority(text) {
        Some(authority) if authority.has_port => Refusal::Connect,
        _ => Refusal::Target,
    }
}

fn absolute(text: &[u8], start: usize, method: Method) -> Option<Target> {
    let scheme_len = scheme_len(text)?;
    let rest = &text[scheme_len..];
    let authority_len =
        rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    // Userinfo is refused with the rest of what is not a host: it would only be there to mislead
    // (RFC 9110 §4.2.4).
    let canonical = authority(&rest[..authority_len])?;
    let authority_start = start + scheme_len;
    let path = authority_start + authority_len..start + text.len();
    let prefix: &[u8] = match rest.get(authority_len) {
        Some(b'/') => b"",
        None if method == Method::Options => b"*",
        _ => b"/",
    };
    Some(Target {
        authority: Some(Span::new(authority_start..authority_start + canonical.len)),
        prefix,
        path: Span::new(path),
    })
}

fn scheme_len(text: &[u8]) -> Option<usize> {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let found = schemes.into_iter().find(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })?;
    Some(found.len())
}

//! The codec a second time: written to be obviously right and never to be fast.
//!
//! It knows RFC 9110 and 9112, the PROXY protocol, and the choices that this program documents
//! where they leave one, and it shares no code with `src/http1` and `src/proxy_protocol`. It splits
//! whole heads at their line ends and looks at the pieces; only `chunked` reads byte by byte.

pub(crate) mod chunked;
pub(crate) mod client;
pub(crate) mod framing;
pub(crate) mod grammar;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod names;
pub(crate) mod proxy_header;
pub(crate) mod request;
pub(crate) mod response;

/// How much may be read, as in the codec's own `Limits`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) head: usize,
    pub(crate) headers: usize,
    pub(crate) target: usize,
}

/// A rule that is broken.
pub(crate) type Broken = &'static str;

/// What there is to say about some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    Incomplete,
    Refused(Broken),
    Read(T),
}

impl<T> Outcome<T> {
    /// The outcome of reading what is complete.
    pub(crate) fn of(result: Result<T, Broken>) -> Self {
        match result {
            Ok(value) => Self::Read(value),
            Err(rule) => Self::Refused(rule),
        }
    }
}

/// Fails with the rule unless it is kept.
pub(crate) fn require(kept: bool, rule: Broken) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(rule) }
}

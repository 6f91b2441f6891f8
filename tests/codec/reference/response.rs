//! The head of a response.

use super::framing::{Declared, Framing, ToHead, Version, declared, version};
use super::grammar::is_value;
use super::head::{self, Head, Side, has};
use super::{Bounds, Broken, Outcome, require};

/// A response that is read and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) version: Version,
    pub(crate) status: u16,
    pub(crate) reason: &'a [u8],
    pub(crate) framing: Framing,
    /// Whether the connection cannot be used again.
    pub(crate) closes: bool,
    pub(crate) declared_length: Option<u64>,
    pub(crate) options: Vec<&'a [u8]>,
}

pub(crate) fn read<'a>(input: &'a [u8], bounds: &Bounds, to_head: ToHead) -> Outcome<Response<'a>> {
    match head::find(input, 0, bounds) {
        Outcome::Incomplete => Outcome::Incomplete,
        Outcome::Refused(rule) => Outcome::Refused(rule),
        Outcome::Read(text) => Outcome::of(understand(text, bounds, to_head)),
    }
}

fn understand<'a>(
    text: &'a [u8],
    bounds: &Bounds,
    to_head: ToHead,
) -> Result<Response<'a>, Broken> {
    let head = head::split(text, 0, Side::Response, bounds)?;
    let StatusLine { version, status, reason } = StatusLine::read(head.line)?;
    let options = head.options()?;
    if status == 101 {
        let names_protocol = has(&options, "upgrade") && !head.elements("upgrade").is_empty();
        let switches = version == Version::Http11 && names_protocol;
        require(switches, "9110 §15.2.2: a switch of protocols names the protocol")?;
    }
    let declared = declared(&head)?;
    let framing = declared.of_response(status, to_head);
    let keeps = version == Version::Http11 || has(&options, "keep-alive");
    let says_close = has(&options, "close") || !keeps;
    Ok(Response {
        version,
        status,
        reason,
        framing,
        closes: says_close || is_doubtful(declared, version, status, framing),
        declared_length: declared.length,
        options,
        head,
    })
}

/// RFC 9112 §4: `HTTP-version SP status-code SP [ reason-phrase ]`, where some servers leave out
/// the second space with the reason.
struct StatusLine<'a> {
    version: Version,
    status: u16,
    reason: &'a [u8],
}

impl<'a> StatusLine<'a> {
    fn read(line: &'a [u8]) -> Result<Self, Broken> {
        let (first, rest) = line.split_at_checked(8).ok_or("9112 §4: a version")?;
        let rest = rest.strip_prefix(b" ").ok_or("9112 §4: a space after the version")?;
        let (code, rest) = rest.split_at_checked(3).ok_or("9112 §4: a status code")?;
        let is_code = code.iter().all(u8::is_ascii_digit) && code[0] != b'0';
        require(is_code, "9110 §15: the status is three digits, from 100 up")?;
        let status = String::from_utf8_lossy(code).parse().expect("three digits");
        let reason = match rest {
            [] => rest,
            [b' ', reason @ ..] => reason,
            _ => return Err("9112 §4: a space before the reason"),
        };
        require(is_value(reason), "9112 §4: the reason has no control characters")?;
        Ok(Self { version: version(first)?, status, reason })
    }
}

/// Whether the two sides may disagree on where this response ends.
fn is_doubtful(declared: Declared, version: Version, status: u16, framing: Framing) -> bool {
    let has_body = declared.is_chunked || declared.length.is_some_and(|length| length > 0);
    match framing {
        // A sender that announces a body where none can be may go on to send it.
        Framing::Empty => has_body && (status < 200 || status == 204),
        Framing::Length(_) => false,
        // RFC 9112 §6.1: one framing too many, or one that HTTP/1.0 does not have.
        Framing::Chunked => declared.length.is_some() || version == Version::Http10,
        Framing::UntilClose => true,
    }
}

//! The head of a response: read, checked and understood.

use std::ops::Range;

use super::fields::{BeforeColon, Fields, HEAD_CEILING, Span};
use super::framing::Declared;
use super::name::Name;
use super::request::{may_end_after, read_version};
use super::syntax::{elements, value_len};
use super::{Framing, Limits, Method, Persistence, Progress, Refusal, Version};

/// `HTTP/1.1 200`, before the reason.
const STATUS_LEN: usize = 12;
/// What nearly all responses begin with.
const USUAL_LINE: &[u8; 17] = b"HTTP/1.1 200 OK\r\n";

/// The head of a response. Made once per connection and reused for each response on it.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The bytes already looked at while the head was incomplete.
    seen: usize,
    line: Line,
    pub(super) fields: Fields,
    framing: Framing,
    persistence: Persistence,
    /// `Content-Length` as declared; also where no body follows, as after HEAD.
    pub(super) declared_length: Option<u64>,
    /// The line that declares it is what we would write.
    pub(super) length_is_plain: bool,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    version: Version,
    status: u16,
    reason: Span,
    end: usize,
}

impl ResponseHead {
    /// Forgets the response and keeps the memory. Call it before each new response.
    pub fn clear(&mut self) {
        self.seen = 0;
        self.len = 0;
        self.line = Line::default();
        self.fields.clear();
    }

    /// Reads the head that begins with the first of `bytes` and answers a request of method
    /// `request`. While it is incomplete, call again with the same bytes and more.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why this is no response to pass on. Close the connection it came from.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        request: Method,
    ) -> Result<Progress, Refusal> {
        let limit = limits.head.min(HEAD_CEILING);
        let window = &bytes[..bytes.len().min(limit)];
        if may_end_after(window, self.seen)
            && let Progress::Complete = self.read(window, limits, request)?
        {
            return Ok(Progress::Complete);
        }
        self.seen = window.len();
        if bytes.len() >= limit { Err(Refusal::HeadTooLarge) } else { Ok(Progress::Incomplete) }
    }

    /// Length of the head: the body begins there. Zero until the head is complete.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a complete head is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The status code, at least 100.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.line.status
    }

    /// The version the server speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// How the end of the body is told.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the connection may carry another request once the body has been read.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Whether another response to the same request follows (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.line.status < 200 && !self.switches()
    }

    /// Whether what follows is not HTTP (RFC 9110 §15.2.2). Only a request that asked for it
    /// ([`super::RequestHead::asks_upgrade`]) may be answered so.
    #[must_use]
    pub fn switches(&self) -> bool {
        self.line.status == 101
    }

    /// Names and values of the headers, in order.
    pub fn headers<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.fields.iter().map(|field| (field.token(bytes), field.value(bytes)))
    }

    /// The first header of that name.
    #[must_use]
    pub fn header<'b>(&self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let mut headers = self.headers(bytes);
        headers.find(|(token, _)| token.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// The three digits, and the reason, which may be empty.
    pub(super) fn status_and_reason<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        (&bytes[STATUS_LEN - 3..STATUS_LEN], self.line.reason.of(bytes))
    }

    /// Where the status line is, if it is exactly what we would write.
    pub(super) fn plain_line(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let Line { reason, end, .. } = self.line;
        let has_space = reason.range().start == STATUS_LEN + 1;
        (has_space && bytes.starts_with(b"HTTP/1.1")).then_some(0..end)
    }

    fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        request: Method,
    ) -> Result<Progress, Refusal> {
        let Some(line) = Line::read(bytes)? else { return Ok(Progress::Incomplete) };
        let read = self.fields.read(bytes, line.end, limits, BeforeColon::Spaces)?;
        let Some(len) = read else { return Ok(Progress::Incomplete) };
        if line.status == 101 && !(line.version == Version::Http11 && self.names_protocol(bytes)) {
            return Err(Refusal::SwitchingProtocols);
        }
        let mut declared = Declared::default();
        self.length_is_plain = false;
        for field in self.fields.iter() {
            match field.name {
                Name::ContentLength => {
                    declared.add_length(field.value(bytes))?;
                    self.length_is_plain = field.is_plain_length(bytes);
                }
                Name::TransferEncoding => declared.add_coding(field.value(bytes))?,
                _ => {}
            }
        }
        let (framing, agreed) = declared.of_response(line.version, line.status, request)?;
        self.persistence = match agreed {
            Persistence::KeepAlive => self.fields.options().persistence(line.version),
            Persistence::Close => Persistence::Close,
        };
        self.framing = framing;
        self.declared_length = declared.length;
        self.line = line;
        self.len = len;
        Ok(Progress::Complete)
    }

    /// Whether it says which protocol it switches to, as it must.
    fn names_protocol(&self, bytes: &[u8]) -> bool {
        let mut protocols = self.fields.values(bytes, Name::Upgrade).flat_map(elements);
        self.fields.options().upgrade && protocols.any(|protocol| !protocol.is_empty())
    }
}

impl Line {
    /// The line that the response begins with; `None` if it has not ended yet.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Refusal> {
        if bytes.first_chunk() != Some(USUAL_LINE) {
            return Self::read_unusual(bytes);
        }
        let end = USUAL_LINE.len();
        let reason = Span::new(STATUS_LEN + 1..end - 2);
        Ok(Some(Self { version: Version::Http11, status: 200, reason, end }))
    }

    /// The version, three digits, and a reason that may be empty (RFC 9112 §4).
    #[inline(never)]
    fn read_unusual(bytes: &[u8]) -> Result<Option<Self>, Refusal> {
        let Some((start, rest)) = bytes.split_first_chunk::<STATUS_LEN>() else {
            return if bytes.contains(&b'\n') { Err(Refusal::StatusLine) } else { Ok(None) };
        };
        let [version @ .., _, _, _, _] = start;
        let [_, _, _, _, _, _, _, _, status @ ..] = start;
        let (version, status) = (read_version(version)?, read_status(*status)?);
        let len = value_len(rest);
        // Without a reason the space after the code is missing too, at some servers.
        let space = match &rest[..len] {
            [] => 0,
            [b' ', ..] => 1,
            _ => return Err(Refusal::StatusLine),
        };
        match &rest[len..] {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(Refusal::LineEnd),
            _ => return Err(Refusal::StatusLine),
        }
        let reason = Span::new(STATUS_LEN + space..STATUS_LEN + len);
        Ok(Some(Self { version, status, reason, end: STATUS_LEN + len + 2 }))
    }
}

/// A space and three digits (RFC 9112 §4).
fn read_status(text: [u8; 4]) -> Result<u16, Refusal> {
    match text {
        [b' ', hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            let digit = |byte: u8| u16::from(byte - b'0');
            Ok(digit(hundreds) * 100 + digit(tens) * 10 + digit(ones))
        }
        _ => Err(Refusal::StatusLine),
    }
}

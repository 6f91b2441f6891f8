//! The header lines of a head: found by `httparse`, held as offsets, strict in what `httparse`
//! lets pass.

use std::ops::Range;

use httparse::{EMPTY_HEADER, Header, Status};

use super::name::Name;
use super::syntax::{elements, is_token};
use super::{Limits, Persistence, Refusal, Version};

/// More header lines than this are not read, whatever [`Limits::headers`] says: it sizes an array
/// on the stack (8 KiB).
const HEADERS_CEILING: usize = 256;
/// Nearly all heads fit in this many lines, and a small array is quicker to prepare.
const HEADERS_USUAL: usize = 32;
/// Longer heads than this are not read, whatever [`Limits::head`] says, so that 32 bits suffice
/// for an offset.
pub(super) const HEAD_CEILING: usize = 16 * 1024 * 1024;
/// Options in all `Connection` lines together, empty ones included. Each is compared with each
/// header name, so the number must be small; the longest list seen in practice has four.
const OPTIONS_MAX: u32 = 32;

/// A piece of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range as a span. Heads are at most [`HEAD_CEILING`] long, so it fits.
    pub(super) fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    /// Where in the head this is.
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The text of this piece of `bytes`.
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.range()]
    }
}

/// Whether spaces may stand between a header's name and its colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BeforeColon {
    /// No: a request with one is refused (RFC 9112 §5.1).
    Nothing,
    /// Yes: a proxy removes them from a response (the same section).
    Spaces,
}

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: Name,
    pub(super) token: Span,
    pub(super) value: Span,
    /// The whole line, with its CRLF.
    line: Span,
    /// The line is exactly `name: value CRLF`, so it can be copied as it is.
    plain: bool,
}

/// What the `Connection` lines ask for (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    total: u32,
}

/// The header lines of one head.
#[derive(Debug, Default)]
pub(super) struct Fields {
    all: Vec<Field>,
    options: Options,
    /// The options that may name headers. The lines they stand in can be as long as the head, so
    /// they are read once, and not again for each header.
    listed: Vec<Span>,
}

impl Fields {
    /// Forgets the lines, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.options = Options::default();
        self.listed.clear();
    }

    /// Reads the header lines that begin at `start`, and returns where the head ends; `None` if
    /// it has not ended yet.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        start: usize,
        limits: &Limits,
        before_colon: BeforeColon,
    ) -> Result<Option<usize>, Refusal> {
        let most = limits.headers.min(HEADERS_CEILING);
        let strict = BeforeColon::Nothing;
        let mut read = self.read_up_to::<HEADERS_USUAL>(bytes, start, most, strict);
        if read == Err(Refusal::HeadersTooMany) && most > HEADERS_USUAL {
            read = self.read_up_to::<HEADERS_CEILING>(bytes, start, most, strict);
        }
        if read == Err(Refusal::HeaderName) && before_colon == BeforeColon::Spaces {
            read = self.read_up_to::<HEADERS_CEILING>(bytes, start, most, before_colon);
        }
        read
    }

    /// What the `Connection` lines ask for.
    pub(super) fn options(&self) -> Options {
        self.options
    }

    /// The lines in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.all.iter()
    }

    /// The lines called `name`, as text.
    pub(super) fn values<'b>(&self, bytes: &'b [u8], name: Name) -> impl Iterator<Item = &'b [u8]> {
        let named = self.all.iter().filter(move |field| field.name == name);
        named.map(|field| field.value.of(bytes))
    }

    /// Whether a `Connection` line names this header.
    pub(super) fn lists(&self, bytes: &[u8], field: &Field) -> bool {
        let token = field.token.of(bytes);
        self.listed.iter().any(|name| name.of(bytes).eq_ignore_ascii_case(token))
    }

    /// Appends the lines that `keep` picks, in canonical form and in order.
    ///
    /// Most lines are kept and already canonical, so neighbours are copied together.
    pub(super) fn copy(&self, out: &mut Vec<u8>, bytes: &[u8], keep: impl Fn(&Field) -> bool) {
        let mut run = 0..0;
        for field in self.all.iter().filter(|field| keep(field)) {
            let line = field.line.range();
            if field.plain && line.start == run.end {
                run.end = line.end;
                continue;
            }
            out.extend_from_slice(&bytes[run]);
            run = if field.plain { line } else { 0..0 };
            if !field.plain {
                push_line(out, field.token.of(bytes), field.value.of(bytes));
            }
        }
        out.extend_from_slice(&bytes[run]);
    }

    fn read_up_to<const SLOTS: usize>(
        &mut self,
        bytes: &[u8],
        start: usize,
        most: usize,
        before_colon: BeforeColon,
    ) -> Result<Option<usize>, Refusal> {
        self.clear();
        let mut slots = [EMPTY_HEADER; SLOTS];
        let slots = &mut slots[..most.min(SLOTS)];
        let (end, found) = match find(bytes, start, slots, before_colon) {
            Ok(Some((end, found))) => (end, found),
            Ok(None) => return Ok(None),
            Err(error) => return Err(refusal(error)),
        };
        let mut at = start;
        for header in found {
            at = self.record(bytes, at, header, before_colon)?;
        }
        if &bytes[at..end] != b"\r\n" {
            return Err(Refusal::LineEnd);
        }
        Ok(Some(end))
    }

    /// Takes down one line, and returns where the next begins. `httparse` has vouched for the name
    /// and the value; what stands between and after them is looked at here.
    fn record(
        &mut self,
        bytes: &[u8],
        start: usize,
        header: &Header<'_>,
        before_colon: BeforeColon,
    ) -> Result<usize, Refusal> {
        let token = start..start + header.name.len();
        let value_start = offset_of(header.value, bytes);
        let value = value_start..value_start + header.value.len();
        let plain = value.start == token.end + 2
            && bytes.get(token.end..value.start) == Some(b": ")
            && bytes.get(value.end..value.end + 2) == Some(b"\r\n");
        let end = match plain {
            true => value.end + 2,
            false => end_of_odd_line(bytes, token.end, &value, before_colon)?,
        };
        if offset_of(header.name.as_bytes(), bytes) != start {
            return Err(Refusal::HeaderName);
        }
        let name = Name::of(header.name.as_bytes());
        if name == Name::Connection {
            self.add_options(bytes, header.value)?;
        }
        let (token, value, line) = (Span::new(token), Span::new(value), Span::new(start..end));
        self.all.push(Field { name, token, value, line, plain });
        Ok(end)
    }

    /// Takes in a `Connection` line.
    fn add_options(&mut self, bytes: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let options = &mut self.options;
        for option in elements(value) {
            options.total += 1;
            if options.total > OPTIONS_MAX {
                return Err(Refusal::ConnectionOptionsTooMany);
            }
            if option.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else if is_token(option) {
                let start = offset_of(option, bytes);
                self.listed.push(Span::new(start..start + option.len()));
            }
        }
        Ok(())
    }
}

impl Options {
    /// What they mean for a connection that speaks `version` (RFC 9112 §9.3).
    pub(super) fn persistence(self, version: Version) -> Persistence {
        match version {
            _ if self.close => Persistence::Close,
            Version::Http10 if !self.keep_alive => Persistence::Close,
            Version::Http10 | Version::Http11 => Persistence::KeepAlive,
        }
    }
}

/// Appends one header line.
pub(super) fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

type Found<'h, 'b> = Result<Option<(usize, &'h [Header<'b>])>, httparse::Error>;

/// The header lines from `start` on, and where the head ends; `None` if it has not ended yet.
fn find<'h, 'b>(
    bytes: &'b [u8],
    start: usize,
    slots: &'h mut [Header<'b>],
    before_colon: BeforeColon,
) -> Found<'h, 'b> {
    if before_colon == BeforeColon::Nothing {
        return Ok(match httparse::parse_headers(&bytes[start..], slots)? {
            Status::Complete((len, found)) => Some((start + len, found)),
            Status::Partial => None,
        });
    }
    let mut response = httparse::Response::new(slots);
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    Ok(match config.parse_response(&mut response, bytes)? {
        Status::Complete(end) => Some((end, response.headers)),
        Status::Partial => None,
    })
}

/// Where a line ends that is not exactly `name: value CRLF`, if it is still one that we accept.
fn end_of_odd_line(
    bytes: &[u8],
    token_end: usize,
    value: &Range<usize>,
    before_colon: BeforeColon,
) -> Result<usize, Refusal> {
    let colon = match before_colon {
        BeforeColon::Nothing => token_end,
        BeforeColon::Spaces => skip_spaces(bytes, token_end),
    };
    if bytes.get(colon) != Some(&b':') || skip_spaces(bytes, colon + 1) < value.start {
        return Err(Refusal::HeaderName);
    }
    let text_end = skip_spaces(bytes, value.end);
    match bytes.get(text_end..text_end + 2) {
        Some(b"\r\n") => Ok(text_end + 2),
        _ => Err(Refusal::LineEnd),
    }
}

fn refusal(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::HeaderValue => Refusal::HeaderValue,
        httparse::Error::NewLine => Refusal::LineEnd,
        httparse::Error::TooManyHeaders => Refusal::HeadersTooMany,
        httparse::Error::Status | httparse::Error::Version => Refusal::StatusLine,
        httparse::Error::HeaderName | httparse::Error::Token => Refusal::HeaderName,
    }
}

fn skip_spaces(bytes: &[u8], start: usize) -> usize {
    let spaces = bytes[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    start + spaces.count()
}

/// Where `part` begins in `whole`, of which it is a slice.
fn offset_of(part: &[u8], whole: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

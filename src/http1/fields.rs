//! The header lines of a head, held as offsets into it.

use std::ops::Range;

use super::name::Name;
use super::syntax::{is_token, token_len, trim, value_len};
use super::{Limits, Persistence, Refusal, Version};

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
    pub(super) plain: bool,
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
    /// Which names there are.
    names: Names,
    options: Options,
    /// The options that may name headers. The lines they stand in can be as long as the head, so
    /// they are read once, and not again for each header.
    listed: Vec<Span>,
}

/// A set of names.
#[derive(Clone, Copy, Debug, Default)]
struct Names(u32);

impl Names {
    fn add(&mut self, name: Name) {
        self.0 |= 1 << name as u32;
    }

    fn contains(self, name: Name) -> bool {
        self.0 & (1 << name as u32) != 0
    }
}

impl Fields {
    /// Forgets the lines, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.names = Names::default();
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
        self.clear();
        let mut at = start;
        loop {
            match &bytes[at..] {
                [b'\r', b'\n', ..] => return Ok(Some(at + 2)),
                [] | [b'\r'] => return Ok(None),
                _ if self.all.len() == limits.headers => return Err(Refusal::HeadersTooMany),
                _ => {}
            }
            let Some(field) = Field::read(bytes, at, before_colon)? else { return Ok(None) };
            if field.name == Name::Connection {
                self.add_options(bytes, field.value)?;
            }
            at = field.line.end as usize;
            self.names.add(field.name);
            self.all.push(field);
        }
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
    pub(super) fn values<'b>(
        &self,
        bytes: &'b [u8],
        name: Name,
    ) -> impl DoubleEndedIterator<Item = &'b [u8]> {
        // Most names that are asked for are not there.
        let candidates = if self.has(name) { &self.all[..] } else { &[] };
        let named = candidates.iter().filter(move |field| field.name == name);
        named.map(|field| field.value.of(bytes))
    }

    /// Whether there is a line called `name`.
    pub(super) fn has(&self, name: Name) -> bool {
        self.names.contains(name)
    }

    /// Whether a `Connection` line names this header.
    pub(super) fn lists(&self, bytes: &[u8], field: &Field) -> bool {
        let token = field.token.of(bytes);
        self.listed.iter().any(|name| name.of(bytes).eq_ignore_ascii_case(token))
    }

    /// Appends the lines that `keep` picks, in canonical form and in order, to what stands in
    /// `first`, which is copied as it is.
    ///
    /// Most lines are kept and already canonical, so neighbours are copied together.
    pub(super) fn copy(
        &self,
        out: &mut Vec<u8>,
        bytes: &[u8],
        first: Range<usize>,
        keep: impl Fn(&Field) -> bool,
    ) {
        let mut run = first;
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

    /// Takes in a `Connection` line.
    fn add_options(&mut self, bytes: &[u8], value: Span) -> Result<(), Refusal> {
        let mut start = value.range().start;
        for piece in value.of(bytes).split(|&byte| byte == b',') {
            let option = trimmed(bytes, start..start + piece.len());
            start += piece.len() + 1;
            let options = &mut self.options;
            options.total += 1;
            if options.total > OPTIONS_MAX {
                return Err(Refusal::ConnectionOptionsTooMany);
            }
            let text = &bytes[option.clone()];
            match text.len() {
                5 if text.eq_ignore_ascii_case(b"close") => options.close = true,
                10 if text.eq_ignore_ascii_case(b"keep-alive") => options.keep_alive = true,
                7 if text.eq_ignore_ascii_case(b"upgrade") => options.upgrade = true,
                _ if is_token(text) => self.listed.push(Span::new(option)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Field {
    /// Reads the line that begins at `start`: a token, a colon, the value, CRLF (RFC 9112 §5).
    /// `None` if it has not ended yet.
    fn read(
        bytes: &[u8],
        start: usize,
        before_colon: BeforeColon,
    ) -> Result<Option<Self>, Refusal> {
        let token = start..start + token_len(&bytes[start..]);
        let Some(colon) = colon(bytes, &token, before_colon)? else { return Ok(None) };
        let text = colon + 1..colon + 1 + value_len(&bytes[colon + 1..]);
        match &bytes[text.end..] {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            [b'\r' | b'\n', ..] => return Err(Refusal::LineEnd),
            _ => return Err(Refusal::HeaderValue),
        }
        let value = trimmed(bytes, text.clone());
        let plain =
            colon == token.end && value == (colon + 2..text.end) && bytes[colon + 1] == b' ';
        Ok(Some(Self {
            name: Name::of(&bytes[token.clone()]),
            token: Span::new(token),
            value: Span::new(value),
            line: Span::new(start..text.end + 2),
            plain,
        }))
    }
}

/// Where the colon is that ends the name `token`; `None` if that is not known yet.
fn colon(
    bytes: &[u8],
    token: &Range<usize>,
    before_colon: BeforeColon,
) -> Result<Option<usize>, Refusal> {
    let at = match before_colon {
        BeforeColon::Nothing => token.end,
        BeforeColon::Spaces => token.end + spaces_len(&bytes[token.end..]),
    };
    match bytes.get(at) {
        Some(b':') if !token.is_empty() => Ok(Some(at)),
        Some(b'\n') if token.is_empty() => Err(Refusal::LineEnd),
        Some(_) => Err(Refusal::HeaderName),
        None => Ok(None),
    }
}

/// The part of `text` between the spaces and tabs around it.
fn trimmed(bytes: &[u8], text: Range<usize>) -> Range<usize> {
    // Nearly every value has one space before it, and none after it.
    if let [b' ', first, .., last] = &bytes[text.clone()]
        && !matches!(first, b' ' | b'\t')
        && !matches!(last, b' ' | b'\t')
    {
        return text.start + 1..text.end;
    }
    let start = text.start + spaces_len(&bytes[text.clone()]);
    start..start + trim(&bytes[start..text.end]).len()
}

fn spaces_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
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

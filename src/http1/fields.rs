//! The header lines of a head, held as offsets into it.

use std::ops::Range;

use super::class::Class;
use super::name::{Name, Names};
use super::syntax::{is_token, text_len, trim, value_len};
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

/// One header line. What stands in it is found from where its parts end, so that noting a line is
/// a few stores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    start: u32,
    colon: u32,
    /// Where the next line begins.
    end: u32,
    pub(super) name: Name,
    shape: Shape,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// Exactly `name: value CRLF`, so it can be copied as it is.
    #[default]
    Plain,
    /// With other blanks around its parts.
    Other,
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
    /// [`Shape::Plain`] if all lines are.
    shape: Shape,
    /// Where the lines are, all together.
    lines: Span,
    options: Options,
    /// The options that may name headers. The lines they stand in can be as long as the head, so
    /// they are read once, and not again for each header.
    listed: Vec<Span>,
}

/// What comes next in a head.
enum Next {
    Field(Field),
    /// Nothing but the empty line.
    End,
    /// What has not arrived yet.
    Missing,
}

/// What becomes of the lines of one name, on the way to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They pass.
    Pass,
    /// They pass unless a `Connection` line names them.
    PassUnlessListed,
    /// They stop here.
    Stop,
}

impl Fields {
    /// Forgets the lines, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.names = Names::default();
        self.shape = Shape::Plain;
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
            let field = match Field::read_plain(bytes, at) {
                Some(field) => field,
                None => match Field::read_any(bytes, at, before_colon)? {
                    Next::Field(field) => {
                        self.shape = field.shape;
                        field
                    }
                    Next::End => break,
                    Next::Missing => return Ok(None),
                },
            };
            if self.all.len() == limits.headers {
                return Err(Refusal::HeadersTooMany);
            }
            at = field.end as usize;
            self.names.add(field.name);
            self.all.push(field);
        }
        self.lines = Span::new(start..at);
        if self.has(Name::Connection) {
            self.read_options(bytes)?;
        }
        Ok(Some(at + 2))
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
        named.map(|field| field.value(bytes))
    }

    /// Whether there is a line called `name`.
    pub(super) fn has(&self, name: Name) -> bool {
        self.names.contains(name)
    }

    /// Whether a `Connection` line names this header.
    pub(super) fn lists(&self, bytes: &[u8], field: &Field) -> bool {
        let token = field.token(bytes);
        self.listed.iter().any(|name| name.of(bytes).eq_ignore_ascii_case(token))
    }

    /// Appends the lines that pass, in canonical form and in order, to what stands in `first`,
    /// which is copied as it is.
    pub(super) fn copy(
        &self,
        out: &mut Vec<u8>,
        bytes: &[u8],
        first: Range<usize>,
        fate: impl Fn(Name) -> Fate,
    ) {
        let (mut stopped, mut checked) = (Names::default(), Names::default());
        for name in self.names.iter() {
            match fate(name) {
                Fate::Pass => {}
                Fate::PassUnlessListed if self.listed.is_empty() => {}
                Fate::PassUnlessListed => checked.add(name),
                Fate::Stop => stopped.add(name),
            }
        }
        let lines = self.lines.range();
        let is_whole = stopped.is_empty() && checked.is_empty() && self.shape == Shape::Plain;
        if is_whole && first.end == lines.start {
            // Most heads pass as they are.
            return out.extend_from_slice(&bytes[first.start..lines.end]);
        }
        let passes = |field: &&Field| {
            let is_stopped = stopped.contains(field.name)
                || (checked.contains(field.name) && self.lists(bytes, field));
            !is_stopped
        };
        copy_each(out, bytes, first, self.all.iter().filter(passes));
    }

    fn read_options(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        for at in 0..self.all.len() {
            if self.all[at].name == Name::Connection {
                self.add_options(bytes, self.all[at].value_range(bytes))?;
            }
        }
        Ok(())
    }

    /// Takes in a `Connection` line.
    fn add_options(&mut self, bytes: &[u8], value: Range<usize>) -> Result<(), Refusal> {
        let mut start = value.start;
        for piece in bytes[value].split(|&byte| byte == b',') {
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
    /// Reads the line that begins at `start` if it is written as nearly all are; `None` says
    /// nothing about others.
    #[inline]
    fn read_plain(bytes: &[u8], start: usize) -> Option<Self> {
        let line = &bytes[start..];
        let token = Class::TOKEN.len(line);
        let (b": ", text) = line[token..].split_first_chunk()? else { return None };
        let (value, end) = text.split_at(text_len(text));
        // In a value without a control character only the space is not above the space.
        let is_trimmed = *value.first()? > b' ' && *value.last()? > b' ';
        if token == 0 || !is_trimmed || end.first_chunk() != Some(b"\r\n") {
            return None;
        }
        let colon = start + token;
        Some(Self {
            start: start as u32,
            colon: colon as u32,
            end: (colon + 2 + value.len() + 2) as u32,
            name: Name::of(&line[..token]),
            shape: Shape::Plain,
        })
    }

    /// Reads what begins at `start`: a line, which is a token, a colon, the value and CRLF, or the
    /// empty line (RFC 9112 §5).
    #[inline(never)]
    fn read_any(bytes: &[u8], start: usize, before_colon: BeforeColon) -> Result<Next, Refusal> {
        match &bytes[start..] {
            [b'\r', b'\n', ..] => return Ok(Next::End),
            [] | [b'\r'] => return Ok(Next::Missing),
            _ => {}
        }
        let token = start..start + Class::TOKEN.len(&bytes[start..]);
        let Some(colon) = colon(bytes, &token, before_colon)? else { return Ok(Next::Missing) };
        let end = colon + 1 + value_len(&bytes[colon + 1..]);
        match &bytes[end..] {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(Next::Missing),
            [b'\r' | b'\n', ..] => return Err(Refusal::LineEnd),
            _ => return Err(Refusal::HeaderValue),
        }
        Ok(Next::Field(Self {
            start: start as u32,
            colon: colon as u32,
            end: end as u32 + 2,
            name: Name::of(&bytes[token]),
            shape: Shape::Other,
        }))
    }

    /// Its name, as it is written.
    pub(super) fn token<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let token = &bytes[self.start as usize..self.colon as usize];
        match self.shape {
            Shape::Plain => token,
            Shape::Other => trim(token),
        }
    }

    /// Its value, without the blanks around it.
    pub(super) fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.value_range(bytes)]
    }

    /// Where that is.
    pub(super) fn value_range(&self, bytes: &[u8]) -> Range<usize> {
        let end = self.end as usize - 2;
        match self.shape {
            Shape::Plain => self.colon as usize + 2..end,
            Shape::Other => trimmed(bytes, self.colon as usize + 1..end),
        }
    }

    /// Whether the line is exactly `name: value CRLF`.
    pub(super) fn is_plain(&self) -> bool {
        self.shape == Shape::Plain
    }

    /// Whether the line is what we would write for the length in its value, but for the case of its
    /// name: what has leading zeros is octal to some readers.
    pub(super) fn is_plain_length(&self, bytes: &[u8]) -> bool {
        let digits = self.value(bytes);
        self.is_plain() && (digits.first() != Some(&b'0') || digits.len() == 1)
    }

    /// Where the line is, with its CRLF.
    fn line(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Appends these lines to what stands in `first`. Most are already canonical, so neighbours are
/// copied together.
#[inline(never)]
fn copy_each<'f>(
    out: &mut Vec<u8>,
    bytes: &[u8],
    first: Range<usize>,
    fields: impl Iterator<Item = &'f Field>,
) {
    let mut run = first;
    for field in fields {
        let line = field.line();
        if field.is_plain() && line.start == run.end {
            run.end = line.end;
            continue;
        }
        out.extend_from_slice(&bytes[run]);
        run = if field.is_plain() { line } else { 0..0 };
        if !field.is_plain() {
            push_line(out, field.token(bytes), field.value(bytes));
        }
    }
    out.extend_from_slice(&bytes[run]);
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

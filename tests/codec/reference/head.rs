//! A head as lines: the first one, and the fields.

use super::grammar::{is_blank, is_same, is_token, is_value, list, strip, strip_end};
use super::{Bounds, Broken, Outcome, require};

/// No limit can be set higher.
const HEAD_CEILING: usize = 16 * 1024 * 1024;

/// Options in all `Connection` lines together, empty ones included.
const OPTIONS_MAX: usize = 32;

const EMPTY_LINE: &[u8] = b"\r\n";

/// Which end of the connection a head comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// A head that has come to its end, not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// The first line, without its CRLF.
    pub(crate) line: &'a [u8],
    pub(crate) fields: Vec<Field<'a>>,
    /// Bytes from the start of the input, empty lines included.
    pub(crate) len: usize,
}

/// One header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The part of the input that holds a whole head, from its first to its empty line.
pub(crate) fn find<'a>(input: &'a [u8], skipped: usize, bounds: &Bounds) -> Outcome<&'a [u8]> {
    let limit = bounds.head.min(HEAD_CEILING);
    let window = &input[..input.len().min(limit)];
    let message = &window[skipped.min(window.len())..];
    match message.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(end) => Outcome::Read(&message[..end + 4]),
        None if input.len() >= limit => Outcome::Refused("the head is within its limit"),
        None => Outcome::Incomplete,
    }
}

/// Takes apart what [`find`] found after `skipped` bytes.
pub(crate) fn split<'a>(
    text: &'a [u8],
    skipped: usize,
    side: Side,
    bounds: &Bounds,
) -> Result<Head<'a>, Broken> {
    let mut lines = lines(text);
    require(lines.pop() == Some(b"".as_slice()), "a head ends with an empty line")?;
    let (&line, rest) = lines.split_first().ok_or("a head has a first line")?;
    require(rest.len() <= bounds.headers, "there are no more headers than the limit")?;
    let fields: Result<Vec<_>, _> = rest.iter().map(|line| field(line, side)).collect();
    Ok(Head { line, fields: fields?, len: skipped + text.len() })
}

/// The lines of a text that ends with CRLF. Bare CRs and LFs stay in them, to be refused there.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut start) = (Vec::new(), 0);
    for at in 0..text.len() {
        if text[at..].starts_with(EMPTY_LINE) {
            lines.push(&text[start..at]);
            start = at + EMPTY_LINE.len();
        }
    }
    lines
}

/// RFC 9112 §5: `field-name ":" OWS field-value OWS`.
fn field(line: &[u8], side: Side) -> Result<Field<'_>, Broken> {
    let folded = line.first().is_some_and(|&byte| is_blank(byte));
    require(!folded, "9112 §2.2, §5.2: no line of a head begins with a blank")?;
    let colon = line.iter().position(|&byte| byte == b':').ok_or("9112 §5: a field has a colon")?;
    let name = match side {
        Side::Request => &line[..colon],
        // RFC 9112 §5.1: a proxy removes blanks before the colon from a response.
        Side::Response => strip_end(&line[..colon]),
    };
    let value = strip(&line[colon + 1..]);
    require(is_token(name), "9110 §5.1: a field name is a token")?;
    require(is_value(value), "9110 §5.5: a field value has no control characters")?;
    Ok(Field { name, value })
}

impl<'a> Head<'a> {
    /// The values of the fields of that name, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self.fields.iter().filter(|field| is_same(field.name, name));
        named.map(|field| field.value).collect()
    }

    /// The non-empty elements of the fields of that name, as one list.
    pub(crate) fn elements(&self, name: &str) -> Vec<&'a [u8]> {
        let all = self.values(name).into_iter().flat_map(list);
        all.filter(|element| !element.is_empty()).collect()
    }

    /// The connection options, of which there may not be too many.
    pub(crate) fn options(&self) -> Result<Vec<&'a [u8]>, Broken> {
        let count = self.values("connection").into_iter().flat_map(list).count();
        require(count <= OPTIONS_MAX, "Connection has few options")?;
        Ok(self.elements("connection"))
    }
}

/// Whether one of the options is called so.
pub(crate) fn has(options: &[&[u8]], name: &str) -> bool {
    options.iter().any(|option| is_same(option, name))
}

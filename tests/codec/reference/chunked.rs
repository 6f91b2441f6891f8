//! The chunked coding (RFC 9112 §7.1), by recursive descent.

use super::grammar::{is_token, is_value_byte};
use super::{Bounds, Broken};

/// More digits are zeros that nobody sends, or do not fit in 64 bits.
const DIGITS_MAX: usize = 16;
/// What the extensions of one body may take, from after the first `;` of a line to before its LF.
const EXTENSIONS_MAX: usize = 64 * 1024;

/// A body, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    pub(crate) data: Vec<u8>,
    pub(crate) end: End,
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The body is whole and took this many bytes.
    Complete(usize),
    Incomplete,
    Refused(Broken),
}

pub(crate) fn read(input: &[u8], bounds: &Bounds) -> Chunked {
    let mut reader = Reader {
        rest: input,
        data: Vec::new(),
        extensions: EXTENSIONS_MAX,
        trailers: bounds.head,
        trailer_lines: bounds.headers,
    };
    let end = match reader.body() {
        Ok(()) => End::Complete(input.len() - reader.rest.len()),
        Err(Stop::Incomplete) => End::Incomplete,
        Err(Stop::Refused(rule)) => End::Refused(rule),
    };
    Chunked { data: reader.data, end }
}

enum Stop {
    Incomplete,
    Refused(Broken),
}

struct Reader<'a> {
    rest: &'a [u8],
    data: Vec<u8>,
    /// Bytes that extensions may still have.
    extensions: usize,
    /// Bytes and lines that the trailer section may still have.
    trailers: usize,
    trailer_lines: usize,
}

impl Reader<'_> {
    /// `chunked-body = *chunk last-chunk trailer-section CRLF`
    fn body(&mut self) -> Result<(), Stop> {
        loop {
            let size = self.size()?;
            if size == 0 {
                return self.trailers();
            }
            self.chunk_data(size)?;
            self.expect(b'\r', "9112 §7.1: CRLF after the data")?;
            self.expect(b'\n', "9112 §7.1: CRLF after the data")?;
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF`
    fn size(&mut self) -> Result<u64, Stop> {
        let mut digits = String::new();
        while self.peek()?.is_ascii_hexdigit() {
            digits.push(char::from(self.next()?));
            refuse_unless(digits.len() <= DIGITS_MAX, "a chunk size has at most 16 digits")?;
        }
        let size = i64::from_str_radix(&digits, 16);
        let size = size.map_err(|_| Stop::Refused("9112 §7.1: a size, within 63 bits"))?;
        let after = self.next()?;
        match after {
            b'\r' => {}
            b';' => self.extensions()?,
            _ => return Err(Stop::Refused("9112 §7.1: CRLF or an extension after the size")),
        }
        self.expect(b'\n', "9112 §7.1: a size line ends with CRLF")?;
        Ok(size.unsigned_abs())
    }

    fn chunk_data(&mut self, size: u64) -> Result<(), Stop> {
        let here = self.rest.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        let (data, rest) = self.rest.split_at(here);
        self.data.extend_from_slice(data);
        self.rest = rest;
        if here as u64 == size { Ok(()) } else { Err(Stop::Incomplete) }
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )` without blanks, after the first `;`,
    /// up to and including the CR.
    fn extensions(&mut self) -> Result<(), Stop> {
        loop {
            let mut after = self.extension_token()?;
            if after == b'=' {
                after = self.extension_value()?;
            }
            match after {
                b';' => {}
                b'\r' => return Ok(()),
                _ => return Err(Stop::Refused("9112 §7.1.1: an extension is malformed")),
            }
        }
    }

    /// The byte after a token.
    fn extension_token(&mut self) -> Result<u8, Stop> {
        let first = self.extension_byte()?;
        refuse_unless(is_token(&[first]), "9112 §7.1.1: a token")?;
        loop {
            let byte = self.extension_byte()?;
            if !is_token(&[byte]) {
                return Ok(byte);
            }
        }
    }

    /// The byte after a token or a quoted string.
    fn extension_value(&mut self) -> Result<u8, Stop> {
        if self.peek()? != b'"' {
            return self.extension_token();
        }
        self.extension_byte()?;
        loop {
            match self.extension_byte()? {
                b'"' => return self.extension_byte(),
                b'\\' => {
                    let escaped = self.extension_byte()?;
                    refuse_unless(is_value_byte(escaped), "9110 §5.6.4: a quoted pair")?;
                }
                byte => refuse_unless(is_value_byte(byte), "9110 §5.6.4: quoted text")?,
            }
        }
    }

    /// `*( field-line CRLF ) CRLF`
    fn trailers(&mut self) -> Result<(), Stop> {
        loop {
            let mut byte = self.trailer_byte()?;
            if byte == b'\r' {
                break;
            }
            self.trailer_lines = self.trailer_lines.checked_sub(1).ok_or(TOO_MANY_TRAILERS)?;
            refuse_unless(is_token(&[byte]), "9112 §7.1.2: a field name")?;
            while byte != b':' {
                refuse_unless(is_token(&[byte]), "9112 §7.1.2: a field name")?;
                byte = self.trailer_byte()?;
            }
            while byte != b'\r' {
                refuse_unless(is_value_byte(byte), "9110 §5.5: a field value")?;
                byte = self.trailer_byte()?;
            }
            refuse_unless(self.trailer_byte()? == b'\n', "9112 §2.2: a line ends with CRLF")?;
        }
        refuse_unless(self.trailer_byte()? == b'\n', "9112 §7.1: the body ends with CRLF")
    }

    fn extension_byte(&mut self) -> Result<u8, Stop> {
        let byte = self.next()?;
        self.extensions = self.extensions.checked_sub(1).ok_or(TOO_LONG_EXTENSIONS)?;
        Ok(byte)
    }

    fn trailer_byte(&mut self) -> Result<u8, Stop> {
        let byte = self.next()?;
        self.trailers = self.trailers.checked_sub(1).ok_or(TOO_LONG_TRAILERS)?;
        Ok(byte)
    }

    fn expect(&mut self, expected: u8, rule: Broken) -> Result<(), Stop> {
        let byte = self.next()?;
        refuse_unless(byte == expected, rule)
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.rest.first().copied().ok_or(Stop::Incomplete)
    }

    fn next(&mut self) -> Result<u8, Stop> {
        let byte = self.peek()?;
        self.rest = &self.rest[1..];
        Ok(byte)
    }
}

const TOO_LONG_EXTENSIONS: Stop = Stop::Refused("9112 §7.1.1: extensions are within their limit");
const TOO_LONG_TRAILERS: Stop = Stop::Refused("the trailers are within the limit of a head");
const TOO_MANY_TRAILERS: Stop = Stop::Refused("the trailers are as few as headers");

fn refuse_unless(kept: bool, rule: Broken) -> Result<(), Stop> {
    if kept { Ok(()) } else { Err(Stop::Refused(rule)) }
}

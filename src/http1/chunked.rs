//! The chunked coding (RFC 9112 §7.1): a strict incremental decoder, and what it takes to encode.
//!
//! Extensions and trailers are checked and dropped: no recipient may depend on them, and each is
//! a place where two parsers may disagree.

use std::ops::{Deref, Range};

use super::class::Class;
use super::syntax::{LENGTH_MAX, hex_digit, is_value_byte};
use super::{Decoded, Limits, Progress, Refusal};

/// What follows the data of each chunk.
pub const END: &[u8] = b"\r\n";
/// The last chunk, without trailers.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// Sixteen digits fill 64 bits; more of them are zeros that nobody sends.
const DIGITS_MAX: u8 = 16;
/// Bytes of extensions in all chunks of one body. They cost the sender little and us a check each
/// (RFC 9112 §7.1.1 asks for a limit).
const EXTENSIONS_MAX: u32 = 64 * 1024;

/// Takes the chunked coding off one body.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    state: State,
    /// The size being read, then how much of the chunk is still to come.
    left: u64,
    extension_room: u32,
    trailer_room: usize,
    trailer_lines_room: usize,
}

/// What the next byte is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        digits: u8,
    },
    Extension(Extension),
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    Trailer(Trailer),
    Done,
    /// What came was malformed, and what follows means nothing.
    Refused(Refusal),
}

/// Where in `;name=value` or `;name="quoted"` we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    NameStart,
    Name,
    ValueStart,
    Token,
    Quoted,
    Escaped,
    Unquoted,
}

/// Where in the trailer section we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trailer {
    LineStart,
    Name,
    Value,
    LineFeed,
    LastLineFeed,
}

impl Decoder {
    /// A decoder at the start of a body. `limits` are for its trailers.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: State::Size { digits: 0 },
            left: 0,
            extension_room: EXTENSIONS_MAX,
            trailer_room: limits.head,
            trailer_lines_room: limits.headers,
        }
    }

    /// Takes the framing out of `buf`. The data of several chunks is moved together, behind the
    /// first of them; with one chunk in `buf` nothing moves.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what is malformed. The connection cannot be used any more.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, Refusal> {
        let mut at = 0;
        let mut data = 0..0;
        while at < buf.len() && self.state != State::Done {
            if self.state == State::Data {
                at = self.take_data(buf, at, &mut data);
                continue;
            }
            match self.after(buf[at]) {
                Ok(state) => self.state = state,
                Err(refusal) => {
                    self.state = State::Refused(refusal);
                    return Err(refusal);
                }
            }
            at += 1;
        }
        let progress = if self.is_done() { Progress::Complete } else { Progress::Incomplete };
        Ok(Decoded { data, consumed: at, progress })
    }

    /// Whether the last chunk and the trailers have been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Adds what `buf` has of the current chunk to `data`; returns where it ends.
    fn take_data(&mut self, buf: &mut [u8], at: usize, data: &mut Range<usize>) -> usize {
        let here = buf.len() - at;
        let len = usize::try_from(self.left).map_or(here, |left| left.min(here));
        if data.start == data.end {
            *data = at..at;
        } else {
            buf.copy_within(at..at + len, data.end);
        }
        data.end += len;
        self.left -= len as u64;
        if self.left == 0 {
            self.state = State::DataReturn;
        }
        at + len
    }

    /// The state after `byte`, which is not data.
    fn after(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size { digits }, _) => self.after_size(digits, byte),
            (State::Extension(extension), _) => self.after_extension(extension, byte),
            (State::SizeLineFeed, b'\n') if self.left == 0 => {
                Ok(State::Trailer(Trailer::LineStart))
            }
            (State::SizeLineFeed, b'\n') => Ok(State::Data),
            (State::SizeLineFeed, _) => Err(Refusal::ChunkSize),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::Size { digits: 0 }),
            (State::Trailer(trailer), _) => self.after_trailer(trailer, byte),
            (State::DataReturn | State::DataLineFeed, _) => Err(Refusal::ChunkEnd),
            (State::Refused(refusal), _) => Err(refusal),
            (State::Data | State::Done, _) => unreachable!("decode() takes no framing there"),
        }
    }

    fn after_size(&mut self, digits: u8, byte: u8) -> Result<State, Refusal> {
        if let Some(digit) = hex_digit(byte).filter(|_| digits < DIGITS_MAX) {
            self.left = self.left << 4 | u64::from(digit);
            return Ok(State::Size { digits: digits + 1 });
        }
        match byte {
            _ if digits == 0 || self.left > LENGTH_MAX => Err(Refusal::ChunkSize),
            b'\r' => Ok(State::SizeLineFeed),
            b';' => Ok(State::Extension(Extension::NameStart)),
            _ => Err(Refusal::ChunkSize),
        }
    }

    /// RFC 9112 §7.1.1, without the spaces that it calls bad.
    fn after_extension(&mut self, state: Extension, byte: u8) -> Result<State, Refusal> {
        use Extension::{Escaped, Name, NameStart, Quoted, Token, Unquoted, ValueStart};
        let room = self.extension_room.checked_sub(1);
        self.extension_room = room.ok_or(Refusal::ChunkExtensionsTooLong)?;
        Ok(State::Extension(match (state, byte) {
            (Name | Token | Unquoted, b'\r') => return Ok(State::SizeLineFeed),
            (Name | Token | Unquoted, b';') => NameStart,
            (NameStart | Name, _) if Class::TOKEN.has(byte) => Name,
            (Name, b'=') => ValueStart,
            (ValueStart, b'"') => Quoted,
            (ValueStart | Token, _) if Class::TOKEN.has(byte) => Token,
            (Quoted, b'"') => Unquoted,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if is_value_byte(byte) => Quoted,
            _ => return Err(Refusal::ChunkExtension),
        }))
    }

    /// RFC 9112 §7.1.2: lines as in a head.
    fn after_trailer(&mut self, state: Trailer, byte: u8) -> Result<State, Refusal> {
        use Trailer::{LastLineFeed, LineFeed, LineStart, Name, Value};
        let room = self.trailer_room.checked_sub(1);
        self.trailer_room = room.ok_or(Refusal::TrailersTooLarge)?;
        Ok(State::Trailer(match (state, byte) {
            (LineStart, b'\r') => LastLineFeed,
            (LineStart, _) if Class::TOKEN.has(byte) => {
                let room = self.trailer_lines_room.checked_sub(1);
                self.trailer_lines_room = room.ok_or(Refusal::TrailersTooLarge)?;
                Name
            }
            (Name, b':') => Value,
            (Name, _) if Class::TOKEN.has(byte) => Name,
            (Value, b'\r') => LineFeed,
            (Value, _) if is_value_byte(byte) => Value,
            (LineFeed, b'\n') => LineStart,
            (LastLineFeed, b'\n') => return Ok(State::Done),
            _ => return Err(Refusal::Trailer),
        }))
    }
}

/// The line before the data of a chunk. Dereferences to its bytes.
#[derive(Clone, Copy, Debug)]
pub struct SizeLine {
    text: [u8; 18],
    start: u8,
}

/// The line that begins a chunk of `len` bytes. Not for `len` 0: that chunk is [`LAST`].
#[must_use]
pub fn size_line(len: usize) -> SizeLine {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let mut text = *b"0000000000000000\r\n";
    let mut start = 16;
    let mut left = len;
    while left > 0 {
        start -= 1;
        text[start] = b"0123456789abcdef"[left & 0xf];
        left >>= 4;
    }
    SizeLine { text, start: start as u8 }
}

impl Deref for SizeLine {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text[usize::from(self.start)..]
    }
}

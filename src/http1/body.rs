//! A body as it arrives, whatever tells its end.

use std::ops::Range;

use super::chunked::Decoder;
use super::{Framing, Limits, Progress, Refusal};

/// Finds the data and the end of one body.
#[derive(Clone, Copy, Debug)]
pub struct Body(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Length { left: u64 },
    Chunked(Decoder),
    UntilClose,
    Done,
}

/// What [`Body::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Where in the buffer the data is now.
    pub data: Range<usize>,
    /// How much of the buffer belongs to this body. All of it, unless the body is complete; then
    /// what follows is the next message.
    pub consumed: usize,
    /// Whether the body has ended.
    pub progress: Progress,
}

impl Body {
    /// A body from its first byte on. `limits` are for the trailers of a chunked one.
    #[must_use]
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        Self(match framing {
            Framing::Empty | Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::Chunked(Decoder::new(limits)),
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Tells data from framing in `buf`, which is what arrived since the last call. The data of
    /// several chunks is moved together within `buf`.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what is malformed. The connection cannot be used any more.
    pub fn decode(&mut self, buf: &mut [u8]) -> Result<Decoded, Refusal> {
        let len = match &mut self.0 {
            State::Chunked(decoder) => return decoder.decode(buf),
            State::Done => 0,
            State::UntilClose => buf.len(),
            State::Length { left } => {
                let len = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
                *left -= len as u64;
                if *left == 0 {
                    self.0 = State::Done;
                }
                len
            }
        };
        let progress = if self.is_done() { Progress::Complete } else { Progress::Incomplete };
        Ok(Decoded { data: 0..len, consumed: len, progress })
    }

    /// Whether the whole body has been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.0 {
            State::Done => true,
            State::Chunked(decoder) => decoder.is_done(),
            State::Length { .. } | State::UntilClose => false,
        }
    }

    /// What is left of a body whose length is known. Nothing is, of any other.
    #[must_use]
    pub const fn length_left(&self) -> u64 {
        match &self.0 {
            State::Length { left } => *left,
            State::Chunked(_) | State::UntilClose | State::Done => 0,
        }
    }

    /// So much of a body whose length is known went by without being looked at; no more than
    /// [`Body::length_left`].
    pub const fn skip(&mut self, count: u64) {
        if let State::Length { left } = &mut self.0 {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.0 = State::Done;
            }
        }
    }

    /// The sender closed its side. That ends a body without a framing of its own.
    ///
    /// # Errors
    ///
    /// [`Refusal::Truncated`] if the body should have gone on: whoever receives it must not be
    /// led to believe that it is whole (RFC 9112 §8).
    pub fn end_of_stream(&mut self) -> Result<(), Refusal> {
        if !self.is_done() && !matches!(self.0, State::UntilClose) {
            return Err(Refusal::Truncated);
        }
        self.0 = State::Done;
        Ok(())
    }
}

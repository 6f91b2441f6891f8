//! The answer's body on its way to the client.

use std::io::ErrorKind;

use super::access_log::Notes;
use super::answering::Answer;
use super::client::Client;
use super::io;
use super::pace::Pace;
use super::stint::Stint;
use super::thread::Thread;
use super::upload::frame;
use super::upstream::Link;
use crate::http1::{self, Decoded, Framing, chunked};

/// An answer that is being relayed.
pub(super) struct Download<'a> {
    thread: &'a Thread,
    answer: Answer,
    body: http1::Body,
    framing: Framing,
    /// How slowly the client may read.
    pace: Pace,
    next: Piece,
    /// How much of that the client's system has taken.
    written: usize,
    notes: &'a mut Notes,
}

/// Why an answer was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client left.
    Client,
    /// The client does not read, or too slowly.
    Slow,
    /// The endpoint stopped in the middle of it.
    Endpoint,
}

/// What goes to the client next.
#[derive(Debug)]
enum Piece {
    /// What stands in the reply, with so many bytes of the body.
    Framed(u64),
    /// A part of what the endpoint sent, from where it was read to.
    AsItIs(Decoded),
}

impl Piece {
    fn bytes<'b>(&self, answer: &'b Answer) -> &'b [u8] {
        match self {
            Self::Framed(_) => &answer.space.reply,
            Self::AsItIs(decoded) => &answer.buffer.filled()[decoded.data.clone()],
        }
    }
}

impl<'a> Download<'a> {
    /// Takes over an answer whose head has been written to the reply, with as much of its body as
    /// came along with the head. `delivery` is how the client gets the body.
    pub(super) fn begin(
        thread: &'a Thread,
        mut answer: Answer,
        delivery: Framing,
        notes: &'a mut Notes,
    ) -> Result<Self, Cut> {
        let (limits, pace) = (&thread.settings.limits.head, thread.reader_pace);
        let mut body = http1::Body::new(answer.space.head.framing(), limits);
        // Head and body together: most answers are one write.
        let next = Piece::Framed(absorb(&mut body, &mut answer, delivery)?);
        Ok(Self { thread, answer, body, framing: delivery, pace, next, written: 0, notes })
    }

    /// Sends what has come, as far as the client's system takes it at once: mostly all there is.
    pub(super) fn send_at_once(&mut self, client: &Client) -> Result<(), Cut> {
        let written = io::write_at_once(&client.stream, self.unsent());
        let count = written.map_err(|_| Cut::Client)?;
        self.pace.moved(count);
        self.moved(count);
        Ok(())
    }

    /// Whether the client's system has taken the whole answer.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_done() && self.unsent().is_empty()
    }

    /// Relays the rest, reading from the endpoint as the client takes it.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<(), Cut> {
        let stall = self.thread.settings.timeouts.stall;
        let mut stint = Stint::default();
        loop {
            self.send(client).await?;
            if self.body.is_done() {
                return Ok(());
            }
            stint.rest().await;
            let (blocks, buffer) = (&self.thread.blocks, &mut self.answer.buffer);
            let patience = (&client.alarm, stall);
            let read = io::read_within(patience, blocks, link.stream(), buffer).await;
            let count = read.map_err(|_| Cut::Endpoint)?;
            stint.moved(count);
            match count {
                0 => self.end()?,
                _ => self.next = self.piece()?,
            }
        }
    }

    /// Whether the endpoint sent more than its answer.
    pub(super) fn has_leftover(&self) -> bool {
        !self.answer.buffer.is_empty()
    }

    /// Gives back what the answer needed.
    pub(super) fn part(self) {
        self.answer.part(self.thread);
    }

    async fn send(&mut self, client: &Client) -> Result<(), Cut> {
        while !self.unsent().is_empty() {
            let Self { answer, next, written, pace, .. } = self;
            let rest = &next.bytes(answer)[*written..];
            let written = io::write_at((&client.alarm, pace), &client.stream, rest).await;
            let count = written.map_err(|error| match error.kind() {
                ErrorKind::TimedOut => Cut::Slow,
                _ => Cut::Client,
            })?;
            self.moved(count);
        }
        Ok(())
    }

    fn unsent(&self) -> &[u8] {
        &self.next.bytes(&self.answer)[self.written..]
    }

    /// The client's system has taken so many bytes of the piece.
    fn moved(&mut self, count: usize) {
        self.written += count;
        if !self.unsent().is_empty() {
            return;
        }
        let Answer { buffer, space } = &mut self.answer;
        let body = match std::mem::replace(&mut self.next, Piece::Framed(0)) {
            Piece::Framed(body) => body,
            Piece::AsItIs(decoded) => {
                buffer.consume(decoded.consumed);
                decoded.data.len() as u64
            }
        };
        space.reply.clear();
        self.written = 0;
        self.notes.note_sent(space.head.status(), body);
    }

    /// What was read, in the framing that the client gets. Chunks are copied into theirs; what
    /// needs none goes out from where it is.
    fn piece(&mut self) -> Result<Piece, Cut> {
        if self.framing == Framing::Chunked {
            return absorb(&mut self.body, &mut self.answer, self.framing).map(Piece::Framed);
        }
        decode(&mut self.body, &mut self.answer).map(Piece::AsItIs)
    }

    /// The endpoint closed: the end of a body that lasts until then, and too early for any other.
    fn end(&mut self) -> Result<(), Cut> {
        self.body.end_of_stream().map_err(|_| Cut::Endpoint)?;
        if self.framing == Framing::Chunked {
            self.answer.space.reply.extend_from_slice(chunked::LAST);
        }
        self.next = Piece::Framed(0);
        Ok(())
    }
}

/// Moves what was read of a body to the reply, in the framing that the client gets. Returns how
/// many bytes of the body that were.
fn absorb(body: &mut http1::Body, answer: &mut Answer, framing: Framing) -> Result<u64, Cut> {
    let decoded = decode(body, answer)?;
    let Answer { buffer, space } = answer;
    let count = decoded.data.len() as u64;
    frame(&mut space.reply, &buffer.filled()[decoded.data], framing);
    buffer.consume(decoded.consumed);
    if body.is_done() && framing == Framing::Chunked {
        space.reply.extend_from_slice(chunked::LAST);
    }
    Ok(count)
}

fn decode(body: &mut http1::Body, answer: &mut Answer) -> Result<Decoded, Cut> {
    body.decode(answer.buffer.filled_mut()).map_err(|_| Cut::Endpoint)
}

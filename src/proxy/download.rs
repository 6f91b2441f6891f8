//! The answer's body on its way to the client.

use std::io::ErrorKind;
use std::pin::pin;

use super::answering::Answer;
use super::client::Client;
use super::io::{self, Departure};
use super::pace::Pace;
use super::parts::{self, Parts};
use super::pipes::{self, Pipe};
use super::stint::Stint;
use super::thread::Thread;
use super::trail::Notes;
use super::upload::reframe;
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
    /// What the rest of a large one goes through, once there is nothing else to send.
    pipe: Option<Box<Pipe>>,
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

impl Cut {
    /// Nothing more can be written to the client.
    fn of_client(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::Slow,
            _ => Self::Client,
        }
    }
}

/// What goes to the client next.
#[derive(Debug)]
enum Piece {
    /// What stands in the reply, with so many bytes of the body.
    Framed(u64),
    /// That, and then a part of what the endpoint sent, from where it was read to.
    AsItIs(Decoded),
}

impl Piece {
    /// What of it is left after so many bytes.
    fn left<'b>(&self, answer: &'b Answer, written: usize) -> Parts<'b> {
        let body = match self {
            Self::Framed(_) => &[],
            Self::AsItIs(decoded) => &answer.buffer.filled()[decoded.data.clone()],
        };
        Parts::left(&answer.space.reply, body, written)
    }
}

impl<'a> Download<'a> {
    /// Takes over an answer whose head has been written to the reply, with as much of its body as
    /// came along with the head. `delivery` is how the client gets the body.
    pub(super) fn begin(
        thread: &'a Thread,
        mut answer: Answer,
        delivery: Framing,
    ) -> Result<Self, Cut> {
        let (limits, pace) = (&thread.settings.limits.head, thread.reader_pace);
        let mut body = http1::Body::new(answer.space.head.framing(), limits);
        // Head and body together: most answers are one write.
        let next = take(&mut body, &mut answer, delivery)?;
        let (framing, written, pipe) = (delivery, 0, None);
        Ok(Self { thread, answer, body, framing, pace, next, written, pipe })
    }

    /// Sends what has come, as far as the client's system takes it at once: mostly all there is.
    /// `last` is when the end of the answer departs.
    pub(super) fn send_at_once(
        &mut self,
        client: &Client,
        last: Departure,
        notes: &mut Notes,
    ) -> Result<(), Cut> {
        let departure = if self.body.is_done() { last } else { Departure::Now };
        let written = io::write_at_once(&client.stream, self.unsent(), departure);
        let count = written.map_err(|_| Cut::Client)?;
        self.pace.moved(count);
        self.moved(count, notes);
        Ok(())
    }

    /// Whether the client's system has taken the whole answer.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_done() && self.unsent().is_empty()
    }

    /// Relays the rest, reading from the endpoint as the client takes it.
    pub(super) async fn run(
        &mut self,
        client: &Client,
        link: &Link,
        notes: &mut Notes,
    ) -> Result<(), Cut> {
        let mut stint = Stint::default();
        loop {
            self.send(client, notes).await?;
            self.pass_on(client, notes).await?;
            if self.body.is_done() {
                return Ok(());
            }
            stint.rest().await;
            stint.moved(match self.fill(client, link).await? {
                Some(count) => count,
                None => self.read(client, link).await?,
            });
        }
    }

    /// Reads the next piece.
    async fn read(&mut self, client: &Client, link: &Link) -> Result<usize, Cut> {
        let (blocks, buffer) = (&self.thread.blocks, &mut self.answer.buffer);
        let patience = (client.alarm(), self.thread.settings.timeouts.stall);
        let read = io::read_within(patience, blocks, link.stream(), buffer).await;
        let count = read.map_err(|_| Cut::Endpoint)?;
        match count {
            0 => self.end()?,
            _ => self.next = take(&mut self.body, &mut self.answer, self.framing)?,
        }
        Ok(count)
    }

    /// Takes the next piece into a pipe, if it is worth one and there is one.
    async fn fill(&mut self, client: &Client, link: &Link) -> Result<Option<usize>, Cut> {
        let (left, pipes) = (self.body.length_left(), &self.thread.pipes);
        let is_copied = self.framing == Framing::Chunked || !self.answer.buffer.is_empty();
        if self.pipe.is_none() && left >= pipes::WORTHWHILE && !is_copied {
            self.pipe = pipes.take();
        }
        let Some(pipe) = &mut self.pipe else { return Ok(None) };
        let stall = self.thread.settings.timeouts.stall;
        let filled = client.alarm().within(stall, pin!(pipe.fill(link.stream(), left))).await;
        match filled.unwrap_or(Err(ErrorKind::TimedOut.into())) {
            Ok(count @ 1..) => {
                self.body.skip(count as u64);
                Ok(Some(count))
            }
            Err(error) if pipes.is_refused(&error) => {
                self.pipe = None;
                Ok(None)
            }
            Ok(0) | Err(_) => Err(Cut::Endpoint),
        }
    }

    /// Sends what is in the pipe.
    async fn pass_on(&mut self, client: &Client, notes: &mut Notes) -> Result<(), Cut> {
        let Self { pipe: Some(pipe), pace, answer, .. } = self else { return Ok(()) };
        while !pipe.is_empty() {
            let drained = pin!(pipe.drain(&client.stream));
            let drained = io::in_step((client.alarm(), pace), drained).await;
            let count = drained.map_err(|error| Cut::of_client(&error))?;
            notes.note_sent(answer.space.head.status(), count as u64);
        }
        Ok(())
    }

    /// Whether the endpoint sent more than its answer.
    pub(super) fn has_leftover(&self) -> bool {
        !self.answer.buffer.is_empty()
    }

    /// Gives back what the answer needed.
    pub(super) fn part(self) {
        if let Some(pipe) = self.pipe {
            self.thread.pipes.give(pipe);
        }
        self.answer.part(self.thread);
    }

    async fn send(&mut self, client: &Client, notes: &mut Notes) -> Result<(), Cut> {
        while !self.unsent().is_empty() {
            let Self { answer, next, written, pace, .. } = self;
            let rest = next.left(answer, *written);
            let written = io::write_at((client.alarm(), pace), &client.stream, rest).await;
            self.moved(written.map_err(|error| Cut::of_client(&error))?, notes);
        }
        Ok(())
    }

    fn unsent(&self) -> Parts<'_> {
        self.next.left(&self.answer, self.written)
    }

    /// The client's system has taken so many bytes of the piece.
    fn moved(&mut self, count: usize, notes: &mut Notes) {
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
        notes.note_sent(space.head.status(), body);
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

/// What was read of a body, in the framing that the client gets: chunks are copied into theirs, and
/// a little to the head before it. All else goes out from where it is.
fn take(body: &mut http1::Body, answer: &mut Answer, framing: Framing) -> Result<Piece, Cut> {
    let Answer { buffer, space } = answer;
    let decoded = body.decode(buffer.filled_mut()).map_err(|_| Cut::Endpoint)?;
    let count = decoded.data.len();
    if framing != Framing::Chunked && count >= parts::WORTHWHILE {
        return Ok(Piece::AsItIs(decoded));
    }
    reframe(&mut space.reply, buffer, decoded, framing);
    Ok(Piece::Framed(count as u64))
}

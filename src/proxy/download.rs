//! The answer's body on its way to the client.

use std::io::ErrorKind;
use std::time::Duration;

use super::access_log::Notes;
use super::answering::Answering;
use super::buffer::Buffer;
use super::client::Client;
use super::io;
use super::pace::Pace;
use super::thread::Thread;
use super::upload::frame;
use super::upstream::Link;
use crate::http1::{self, Framing, chunked};

/// An answer that is being relayed.
#[derive(Debug)]
pub(super) struct Download<'a> {
    answer: &'a mut Buffer,
    /// What goes to the client next; the head at first.
    reply: &'a mut Vec<u8>,
    body: http1::Body,
    framing: Framing,
    stall: Duration,
    /// How slowly the client may read.
    pace: Pace,
    is_whole: bool,
    status: u16,
    notes: &'a mut Notes,
    /// Bytes of the body that are in `reply`, without what frames them.
    unsent: u64,
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

impl<'a> Download<'a> {
    /// Takes over an answer whose head has been written to `reply`, with as much of its body as
    /// came along with the head.
    pub(super) fn begin(
        answering: Answering<'a>,
        delivery: Framing,
        thread: &Thread,
        notes: &'a mut Notes,
    ) -> Result<Self, Cut> {
        let Answering { answer, response, reply, .. } = answering;
        let settings = &thread.settings;
        let mut download = Self {
            answer,
            reply,
            body: http1::Body::new(response.framing(), &settings.limits.head),
            framing: delivery,
            stall: settings.timeouts.stall,
            pace: thread.reader_pace,
            is_whole: false,
            status: response.status(),
            notes,
            unsent: 0,
        };
        download.is_whole = download.absorb()?;
        Ok(download)
    }

    /// Relays the rest, reading from the endpoint as the client takes it.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<(), Cut> {
        loop {
            let written = io::write_all_at(&mut self.pace, &client.stream, self.reply).await;
            written.map_err(|error| match error.kind() {
                ErrorKind::TimedOut => Cut::Slow,
                _ => Cut::Client,
            })?;
            self.reply.clear();
            self.notes.note_sent(self.status, std::mem::take(&mut self.unsent));
            if self.is_whole {
                return Ok(());
            }
            let read = io::read_within(self.stall, link.stream(), self.answer).await;
            self.is_whole = match read.map_err(|_| Cut::Endpoint)? {
                0 => self.end()?,
                _ => self.absorb()?,
            };
        }
    }

    /// Whether the endpoint sent more than its answer.
    pub(super) fn has_leftover(&self) -> bool {
        !self.answer.is_empty()
    }

    /// Moves what was read to `reply`, in the framing that the client gets. Says whether that was
    /// the end of the body.
    fn absorb(&mut self) -> Result<bool, Cut> {
        if !self.body.is_done() {
            let decoded = self.body.decode(self.answer.filled_mut()).map_err(|_| Cut::Endpoint)?;
            self.unsent += decoded.data.len() as u64;
            frame(self.reply, &self.answer.filled()[decoded.data], self.framing);
            self.answer.consume(decoded.consumed);
        }
        if self.body.is_done() && self.framing == Framing::Chunked {
            self.reply.extend_from_slice(chunked::LAST);
        }
        Ok(self.body.is_done())
    }

    /// The endpoint closed: the end of a body that lasts until then, and too early for any other.
    fn end(&mut self) -> Result<bool, Cut> {
        self.body.end_of_stream().map_err(|_| Cut::Endpoint)?;
        if self.framing == Framing::Chunked {
            self.reply.extend_from_slice(chunked::LAST);
        }
        Ok(true)
    }
}

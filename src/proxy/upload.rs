//! The request on its way upstream: written once, kept as long as it may have to be sent again.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};

use super::buffer::Buffer;
use super::client::Client;
use super::error::{Error, Kind};
use super::io::{self, Departure};
use super::pace::Pace;
use super::parts::{self, Parts};
use super::pipes::{self, Pipe};
use super::stint::Stint;
use super::thread::Thread;
use super::upstream::Link;
use crate::http1::{
    self, Decoded, Framing, Method, Progress, RequestHead, SpanId, SpanPlace, chunked,
};
use crate::pool::{self, Repeat};

/// Room that reading one more piece of the body may take in `outbound`, framing included.
const PIECE_MAX: usize = 17 * 1024;

/// A request that is being sent.
pub(super) struct Upload<'a> {
    thread: &'a Thread,
    inbound: &'a mut Buffer,
    /// Head and body as they go upstream. For another try this is written again from its start.
    outbound: &'a mut Vec<u8>,
    /// So many bytes of the body follow it from where they were read to, at the front of `inbound`:
    /// what cannot be sent again need not be kept.
    in_place: usize,
    /// Where in the head the id stands that differs in each try, if one does.
    pub(super) span_place: Option<SpanPlace>,
    /// How much of `outbound` was written in this try.
    written: usize,
    /// Whether anything was written in this try.
    is_begun: bool,
    body: http1::Body,
    framing: Framing,
    /// Bytes of the body until now.
    total: &'a mut u64,
    repeat: Repeat,
    replay: pool::Body,
    /// How slowly the client may send.
    pace: Pace,
    /// What the rest of a large body goes through that need not be kept: after `outbound`.
    pipe: Option<Box<Pipe>>,
}

/// Why sending stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The client's side failed: this is the end of the request.
    Client(Error),
    /// The endpoint reads no more. It may have answered already.
    Endpoint,
}

impl<'a> Upload<'a> {
    /// Takes over a request whose head has just been written to `outbound`, with as much of its
    /// body as came along with the head.
    pub(super) fn begin(
        thread: &'a Thread,
        inbound: &'a mut Buffer,
        outbound: &'a mut Vec<u8>,
        total: &'a mut u64,
        request: &RequestHead,
    ) -> Result<Self, Error> {
        *total = 0;
        let settings = &thread.settings;
        let (framing, body_max) = (request.framing(), settings.limits.body_max);
        // Whoever expects a 100 waits for the endpoint, and we with it.
        let pace = match request.expects_continue() {
            true => thread.sender_pace.invited(),
            false => thread.sender_pace,
        };
        if matches!(framing, Framing::Length(length) if length > body_max) {
            return Err(Error::downstream(Kind::LargeBody));
        }
        let mut upload = Self {
            thread,
            inbound,
            outbound,
            in_place: 0,
            span_place: None,
            written: 0,
            is_begun: false,
            body: http1::Body::new(framing, &settings.limits.head),
            framing,
            total,
            repeat: repeat(request.method()),
            replay: pool::Body::Replayable,
            pace,
            pipe: None,
        };
        if !upload.body.is_done() {
            upload.absorb()?;
        }
        Ok(upload)
    }

    /// Sends what is there, as far as the system takes it at once: mostly the whole request.
    pub(super) fn send_at_once(&mut self, link: &Link) -> Result<(), Stopped> {
        let written = io::write_at_once(link.stream(), self.unsent(), Departure::Now);
        self.moved(written.map_err(|_| Stopped::Endpoint)?);
        Ok(())
    }

    /// Sends the rest, reading from the client as the endpoint takes it.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<(), Stopped> {
        let mut stint = Stint::default();
        loop {
            self.flush(client, link).await?;
            if self.body.is_done() {
                return Ok(());
            }
            self.forget();
            stint.rest().await;
            stint.moved(self.read(client).await.map_err(Stopped::Client)?);
        }
    }

    /// Sends what is left while the answer is relayed already, then watches the client. Returns
    /// when it has left.
    pub(super) async fn finish(&mut self, client: &Client, link: &Link) {
        match self.run(client, link).await {
            // An endpoint that has answered need not read the rest.
            Ok(()) | Err(Stopped::Endpoint) => self.gone(client).await,
            Err(Stopped::Client(_)) => {}
        }
    }

    /// Returns when the client has left.
    pub(super) async fn gone(&mut self, client: &Client) {
        poll_fn(|context| client.poll_gone(self.thread, self.inbound, context)).await;
    }

    /// Ready when the client has left, or with the next tick after that.
    pub(super) fn poll_gone_in_time(
        &mut self,
        client: &Client,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        client.poll_gone_in_time(self.thread, self.inbound, context)
    }

    /// Begins another try.
    pub(super) fn rewind(&mut self) {
        (self.written, self.is_begun) = (0, false);
    }

    /// The next try is called by this id in its head, if it is called anything.
    pub(super) fn set_span(&mut self, span: Option<SpanId>) {
        if let (Some(place), Some(span)) = (self.span_place, span) {
            place.set(self.outbound, span);
        }
    }

    /// Whether the whole request was written.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_done() && self.unsent().is_empty() && self.pipe.is_none()
    }

    /// Whether the client has sent its whole request, and nothing of that stands where the next one
    /// begins.
    pub(super) fn is_read(&self) -> bool {
        self.body.is_done() && self.in_place == 0
    }

    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether it may be sent twice.
    pub(super) fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// Whether all of it may be, and still can be.
    pub(super) fn is_repeatable(&self) -> bool {
        self.repeat == Repeat::Idempotent && self.replay == pool::Body::Replayable
    }

    pub(super) fn replay(&self) -> pool::Body {
        self.replay
    }

    /// What the client has sent beyond its request.
    pub(super) fn ahead(&self) -> &[u8] {
        self.inbound.filled()
    }

    /// Before a wait for an endpoint: a little that is left in place would keep a whole block.
    pub(super) fn pack(&mut self) {
        self.outbound.extend_from_slice(&self.inbound.filled()[..self.in_place]);
        self.inbound.consume(std::mem::take(&mut self.in_place));
    }

    /// The memory that this request takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.outbound.len() + self.inbound.filled().len()
    }

    async fn flush(&mut self, client: &Client, link: &Link) -> Result<(), Stopped> {
        let patience = (client.alarm(), self.thread.settings.timeouts.stall);
        while !self.unsent().is_empty() {
            let written = io::write(patience, link.stream(), self.unsent()).await;
            self.moved(written.map_err(|_| Stopped::Endpoint)?);
        }
        self.pass_on(client, link).await
    }

    /// Sends what is in the pipe, and gives it back with the end of the body.
    async fn pass_on(&mut self, client: &Client, link: &Link) -> Result<(), Stopped> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let stall = self.thread.settings.timeouts.stall;
        while !pipe.is_empty() {
            let drained = client.alarm().within(stall, pin!(pipe.drain(link.stream()))).await;
            drained.ok().and_then(Result::ok).ok_or(Stopped::Endpoint)?;
        }
        if self.body.is_done() {
            self.pipe.take().into_iter().for_each(|pipe| self.thread.pipes.give(pipe));
        }
        Ok(())
    }

    fn unsent(&self) -> Parts<'_> {
        Parts::left(self.outbound, &self.inbound.filled()[..self.in_place], self.written)
    }

    /// The endpoint's system has taken so many bytes.
    fn moved(&mut self, count: usize) {
        let in_place = (self.written + count).saturating_sub(self.outbound.len());
        if in_place > 0 {
            self.replay = pool::Body::Gone;
            self.inbound.consume(in_place);
            self.in_place -= in_place;
        }
        self.written += count - in_place;
        self.is_begun |= count > 0;
    }

    /// Before more is read: what was written is kept if all of it may be needed again.
    fn forget(&mut self) {
        let is_kept = self.is_repeatable()
            && self.outbound.len() + PIECE_MAX <= self.thread.settings.retry.replay_max;
        if !is_kept {
            self.replay = pool::Body::Gone;
            self.outbound.clear();
            self.written = 0;
        }
    }

    async fn read(&mut self, client: &Client) -> Result<usize, Error> {
        if let Some(count) = self.fill(client).await? {
            return Ok(count);
        }
        let (blocks, pace) = (&self.thread.blocks, (client.alarm(), &mut self.pace));
        match io::read_at(pace, blocks, &client.stream, self.inbound).await {
            Ok(0) => Err(Error::downstream(Kind::Gone)),
            Ok(count) => self.absorb().map(|()| count),
            Err(error) => Err(of_client(&error)),
        }
    }

    /// Takes the next piece of the body into a pipe, if it need not be kept, is worth one, and
    /// there is one.
    async fn fill(&mut self, client: &Client) -> Result<Option<usize>, Error> {
        let (left, pipes) = (self.body.length_left(), &self.thread.pipes);
        let is_copied = self.replay == pool::Body::Replayable || !self.inbound.is_empty();
        if self.pipe.is_none() && left >= pipes::WORTHWHILE && !is_copied {
            self.pipe = pipes.take();
        }
        let Some(pipe) = &mut self.pipe else { return Ok(None) };
        let pace = (client.alarm(), &mut self.pace);
        let filled = io::in_step(pace, pin!(pipe.fill(&client.stream, left))).await;
        match filled {
            Ok(0) => Err(Error::downstream(Kind::Gone)),
            Ok(count) => {
                self.body.skip(count as u64);
                *self.total += count as u64;
                Ok(Some(count))
            }
            Err(error) if pipes.is_refused(&error) => {
                self.pipe = None;
                Ok(None)
            }
            Err(error) => Err(of_client(&error)),
        }
    }

    /// Takes in what was read of the body, in the framing that goes upstream.
    fn absorb(&mut self) -> Result<(), Error> {
        let refused = |refusal| Error::downstream(Kind::Refused(refusal));
        let decoded = self.body.decode(self.inbound.filled_mut()).map_err(refused)?;
        let count = decoded.data.len();
        *self.total += count as u64;
        if *self.total > self.thread.settings.limits.body_max {
            return Err(Error::downstream(Kind::LargeBody));
        }
        if self.stays_in_place(count) {
            self.in_place = count;
        } else {
            reframe(self.outbound, self.inbound, decoded, self.framing);
        }
        Ok(())
    }

    /// Whether so much of the body is sent from where it is: if it may not be sent again anyway,
    /// and is not reframed.
    fn stays_in_place(&self, count: usize) -> bool {
        !self.is_repeatable() && self.framing != Framing::Chunked && count >= parts::WORTHWHILE
    }
}

/// Whether RFC 9110 §9.2.2 lets us send it twice.
fn repeat(method: Method) -> Repeat {
    if method.is_idempotent() { Repeat::Idempotent } else { Repeat::Never }
}

/// Nothing more can be read from the client.
fn of_client(error: &std::io::Error) -> Error {
    Error::downstream(match error.kind() {
        ErrorKind::TimedOut => Kind::SlowBody,
        _ => Kind::Gone,
    })
}

/// Moves a piece of a body from where it was read to `out`, as a chunk if need be. An empty chunk
/// would be the last one.
pub(super) fn reframe(out: &mut Vec<u8>, buffer: &mut Buffer, piece: Decoded, framing: Framing) {
    let Decoded { data, consumed, progress } = piece;
    let data = &buffer.filled()[data];
    if framing != Framing::Chunked {
        out.extend_from_slice(data);
    } else if !data.is_empty() {
        out.extend_from_slice(&chunked::size_line(data.len()));
        out.extend_from_slice(data);
        out.extend_from_slice(chunked::END);
    }
    if framing == Framing::Chunked && progress == Progress::Complete {
        out.extend_from_slice(chunked::LAST);
    }
    buffer.consume(consumed);
}

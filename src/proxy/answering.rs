//! The head of an answer, and what may come before it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::buffer::Buffer;
use super::client::Client;
use super::error::{Error, Kind};
use super::io;
use super::space::AnswerSpace;
use super::thread::Thread;
use super::upstream::Link;
use crate::http1::{self, Interim, Progress, Refusal, RequestId, SetCookie, Terms};

/// Interim answers to one request: there is no reason for more than a few, and an endpoint that
/// sends them without end would keep the request from ever timing out.
const INTERIM_MAX: u32 = 16;

/// An answer that is awaited.
pub(super) struct Answering<'a> {
    thread: &'a Thread,
    request: Terms,
    /// What the endpoint has sent.
    buffer: Buffer,
    /// There from its first byte on.
    space: Option<Box<AnswerSpace>>,
    interims: u32,
}

/// A final answer whose head has been read. It needs no memory before its first byte.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the endpoint has sent; the head first, until it is written to the reply.
    pub(super) buffer: Buffer,
    pub(super) space: Box<AnswerSpace>,
}

/// What an endpoint said.
#[derive(Debug)]
pub(super) enum Heard {
    /// An interim answer, which waits for [`Answering::pass_on`].
    Interim,
    /// The head of the final one.
    Final(Answer),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unanswered {
    /// The endpoint closed the connection.
    Closed,
    /// It said nothing in time.
    Silent,
    /// What it said is no answer.
    Invalid,
    /// What it said has no end.
    TooLarge,
    /// The client's side failed.
    Client(Error),
}

impl<'a> Answering<'a> {
    pub(super) fn new(thread: &'a Thread, request: Terms) -> Self {
        Self { thread, request, buffer: Buffer::default(), space: None, interims: 0 }
    }

    /// Begins another try.
    pub(super) fn restart(&mut self) {
        self.interims = 0;
        self.buffer.clear(&self.thread.blocks);
        if let Some(space) = self.space.take() {
            self.thread.answers.give(space);
        }
    }

    /// Whether a byte of the answer has come: from there on no try can be undone.
    pub(super) fn is_begun(&self) -> bool {
        self.space.is_some()
    }

    /// Reads until the head of the final answer is complete, and relays interim ones. Nothing is
    /// lost if this is dropped on the way.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<Answer, Unanswered> {
        loop {
            match poll_fn(|context| self.poll_heard(link, context)).await? {
                Heard::Final(answer) => return Ok(answer),
                Heard::Interim => Box::pin(self.pass_on(client)).await?,
            }
        }
    }

    /// Ready when the head of an answer has come.
    pub(super) fn poll_heard(
        &mut self,
        link: &Link,
        context: &mut Context<'_>,
    ) -> Poll<Result<Heard, Unanswered>> {
        loop {
            if let Some(heard) = self.take_in()? {
                return Poll::Ready(Ok(heard));
            }
            let (blocks, stream) = (&self.thread.blocks, link.stream());
            match ready!(io::poll_read(context, blocks, stream, &mut self.buffer)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Unanswered::Closed)),
                Ok(_) => {}
            }
            self.space.get_or_insert_with(|| self.thread.answers.take());
        }
    }

    /// Understands what has come.
    fn take_in(&mut self) -> Result<Option<Heard>, Unanswered> {
        loop {
            let Some(space) = &mut self.space else { return Ok(None) };
            if !space.reply.is_empty() {
                return Ok(Some(Heard::Interim));
            }
            if parse(self.thread, self.request, &self.buffer, space)? == Progress::Incomplete {
                return Ok(None);
            }
            if !space.head.is_interim() {
                let buffer = std::mem::take(&mut self.buffer);
                return Ok(self.space.take().map(|space| Heard::Final(Answer { buffer, space })));
            }
            self.interims += 1;
            if self.interims > INTERIM_MAX {
                return Err(Unanswered::Invalid);
            }
            write_interim(self.request, &mut self.buffer, space);
        }
    }

    /// Sends an interim answer to the client. What was sent is not sent again, should this be
    /// dropped.
    pub(super) async fn pass_on(&mut self, client: &Client) -> Result<(), Unanswered> {
        let Some(AnswerSpace { reply, .. }) = self.space.as_deref_mut() else { return Ok(()) };
        let patience = (client.alarm(), self.thread.settings.timeouts.stall);
        while !reply.is_empty() {
            let written = io::write(patience, &client.stream, reply[..].into()).await;
            let count = written.map_err(|_| Unanswered::Client(Error::downstream(Kind::Gone)))?;
            reply.drain(..count);
        }
        Ok(())
    }
}

/// Reads as much of the head as has come.
fn parse(
    thread: &Thread,
    request: Terms,
    buffer: &Buffer,
    space: &mut AnswerSpace,
) -> Result<Progress, Unanswered> {
    let limits = &thread.settings.limits.head;
    let parsed = space.head.parse(buffer.filled(), limits, request.method);
    let progress = parsed.map_err(|refusal| match refusal {
        Refusal::HeadTooLarge | Refusal::HeadersTooMany => Unanswered::TooLarge,
        _ => Unanswered::Invalid,
    })?;
    // Whoever switches unasked would make us take the next client's request for its protocol.
    let is_asked = !space.head.switches() || request.asks_upgrade;
    if is_asked { Ok(progress) } else { Err(Unanswered::Invalid) }
}

/// Writes an interim answer as the client gets it, if it does.
fn write_interim(request: Terms, buffer: &mut Buffer, space: &mut AnswerSpace) {
    let AnswerSpace { head, reply } = space;
    if http1::interim(&request, head.status()) == Interim::Forward {
        http1::write_interim(reply, head, buffer.filled());
    }
    buffer.consume(head.len());
    head.clear();
}

impl Answer {
    /// Writes the head that switches protocols as the client gets it, and what came with it.
    pub(super) fn write_switch(&mut self, id: &RequestId, cookie: Option<SetCookie<'_>>) {
        let AnswerSpace { head, reply } = &mut *self.space;
        let bytes = self.buffer.filled();
        http1::write_switch(reply, head, bytes, id, cookie);
        reply.extend_from_slice(&bytes[head.len()..]);
    }

    /// Writes the head as the client gets it; what remains is its body.
    pub(super) fn write_head(&mut self, how: &http1::Reply<'_>) -> http1::Delivery {
        let AnswerSpace { head, reply } = &mut *self.space;
        let delivery = http1::write_response(reply, head, self.buffer.filled(), how);
        self.buffer.consume(head.len());
        delivery
    }

    /// Gives back what it needed.
    pub(super) fn part(mut self, thread: &Thread) {
        self.buffer.clear(&thread.blocks);
        thread.answers.give(self.space);
    }
}

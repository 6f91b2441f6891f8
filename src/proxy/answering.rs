//! The head of an answer, and what may come before it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::buffer::Buffer;
use super::client::Client;
use super::error::{Error, Kind};
use super::io;
use super::space::AnswerSpace;
use super::thread::Thread;
use super::upstream::Link;
use crate::http1::{self, Interim, Progress, Refusal, RequestHead, RequestId, SetCookie};

/// Interim answers to one request: there is no reason for more than a few, and an endpoint that
/// sends them without end would keep the request from ever timing out.
const INTERIM_MAX: u32 = 16;

/// An answer that is awaited.
pub(super) struct Answering<'a> {
    thread: &'a Thread,
    request: &'a RequestHead,
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
    pub(super) fn new(thread: &'a Thread, request: &'a RequestHead) -> Self {
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

    /// Reads until the head of the final answer is complete, and relays interim ones.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<Answer, Unanswered> {
        loop {
            if let Some(answer) = self.advance(client).await? {
                return Ok(answer);
            }
            poll_fn(|context| self.poll_more(link, context)).await?;
        }
    }

    /// Ready when more of it has come.
    pub(super) fn poll_more(
        &mut self,
        link: &Link,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Unanswered>> {
        let (blocks, stream) = (&self.thread.blocks, link.stream());
        match ready!(io::poll_read(context, blocks, stream, &mut self.buffer)) {
            Ok(0) | Err(_) => return Poll::Ready(Err(Unanswered::Closed)),
            Ok(_) => {}
        }
        self.space.get_or_insert_with(|| self.thread.answers.take());
        Poll::Ready(Ok(()))
    }

    /// Takes in what has come, and relays interim answers; returns the final one when its head is
    /// complete. Nothing is lost if this is dropped on the way.
    pub(super) async fn advance(&mut self, client: &Client) -> Result<Option<Answer>, Unanswered> {
        loop {
            let Some(space) = &mut self.space else { return Ok(None) };
            if !space.reply.is_empty() {
                let stall = self.thread.settings.timeouts.stall;
                Box::pin(flush(client, stall, &mut space.reply)).await?;
            }
            if parse(self.thread, self.request, &self.buffer, space)? == Progress::Incomplete {
                return Ok(None);
            }
            if space.head.is_interim() {
                self.interims += 1;
                if self.interims > INTERIM_MAX {
                    return Err(Unanswered::Invalid);
                }
                write_interim(self.request, &mut self.buffer, space);
            } else {
                let buffer = std::mem::take(&mut self.buffer);
                return Ok(self.space.take().map(|space| Answer { buffer, space }));
            }
        }
    }
}

/// Reads as much of the head as has come.
fn parse(
    thread: &Thread,
    request: &RequestHead,
    buffer: &Buffer,
    space: &mut AnswerSpace,
) -> Result<Progress, Unanswered> {
    let limits = &thread.settings.limits.head;
    let parsed = space.head.parse(buffer.filled(), limits, request.method());
    let progress = parsed.map_err(|refusal| match refusal {
        Refusal::HeadTooLarge | Refusal::HeadersTooMany => Unanswered::TooLarge,
        _ => Unanswered::Invalid,
    })?;
    // Whoever switches unasked would make us take the next client's request for its protocol.
    let is_asked = !space.head.switches() || request.asks_upgrade();
    if is_asked { Ok(progress) } else { Err(Unanswered::Invalid) }
}

/// Writes an interim answer as the client gets it, if it does.
fn write_interim(request: &RequestHead, buffer: &mut Buffer, space: &mut AnswerSpace) {
    let AnswerSpace { head, reply } = space;
    if http1::interim(request, head.status()) == Interim::Forward {
        http1::write_interim(reply, head, buffer.filled());
    }
    buffer.consume(head.len());
    head.clear();
}

/// Sends an interim answer. What was sent is gone from `reply`, should this be dropped.
async fn flush(client: &Client, stall: Duration, reply: &mut Vec<u8>) -> Result<(), Unanswered> {
    while !reply.is_empty() {
        let written = io::write((client.alarm(), stall), &client.stream, reply).await;
        let count = written.map_err(|_| Unanswered::Client(Error::downstream(Kind::Gone)))?;
        reply.drain(..count);
    }
    Ok(())
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

//! The head of an answer, and what may come before it.

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
#[derive(Clone, Copy)]
pub(super) struct Answering<'a> {
    thread: &'a Thread,
    request: &'a RequestHead,
    is_begun: bool,
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
        Self { thread, request, is_begun: false }
    }

    /// Begins another try.
    pub(super) fn restart(&mut self) {
        self.is_begun = false;
    }

    /// Whether a byte of the answer has come: from there on no try can be undone.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Reads until the head of the final answer is complete, and relays interim ones.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<Answer, Unanswered> {
        let mut buffer = Buffer::default();
        self.read(link, &mut buffer).await?;
        let mut answer = Answer { buffer, space: self.thread.answers.take() };
        let mut interims = 0;
        loop {
            while self.parse(&mut answer)? == Progress::Complete {
                if !answer.space.head.is_interim() {
                    return Ok(answer);
                }
                interims += 1;
                if interims > INTERIM_MAX {
                    return Err(Unanswered::Invalid);
                }
                Box::pin(self.relay_interim(&mut answer, client)).await?;
            }
            self.read(link, &mut answer.buffer).await?;
        }
    }

    async fn read(&mut self, link: &Link, buffer: &mut Buffer) -> Result<(), Unanswered> {
        match io::read(&self.thread.blocks, link.stream(), buffer).await {
            Ok(0) | Err(_) => Err(Unanswered::Closed),
            Ok(_) => {
                self.is_begun = true;
                Ok(())
            }
        }
    }

    fn parse(&self, answer: &mut Answer) -> Result<Progress, Unanswered> {
        let (limits, method) = (&self.thread.settings.limits.head, self.request.method());
        let head = &mut answer.space.head;
        let parsed = head.parse(answer.buffer.filled(), limits, method);
        let progress = parsed.map_err(|refusal| match refusal {
            Refusal::HeadTooLarge | Refusal::HeadersTooMany => Unanswered::TooLarge,
            _ => Unanswered::Invalid,
        })?;
        // Whoever switches unasked would make us take the next client's request for its protocol.
        let is_asked = !head.switches() || self.request.asks_upgrade();
        if is_asked { Ok(progress) } else { Err(Unanswered::Invalid) }
    }

    async fn relay_interim(&self, answer: &mut Answer, client: &Client) -> Result<(), Unanswered> {
        let AnswerSpace { head, reply } = &mut *answer.space;
        if http1::interim(self.request, head.status()) == Interim::Forward {
            http1::write_interim(reply, head, answer.buffer.filled());
            let patience = (&client.alarm, self.thread.settings.timeouts.stall);
            let written = io::write_all(patience, &client.stream, reply).await;
            written.map_err(|_| Unanswered::Client(Error::downstream(Kind::Gone)))?;
            reply.clear();
        }
        answer.buffer.consume(head.len());
        head.clear();
        Ok(())
    }
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

//! The head of an answer, and what may come before it.

use std::time::Duration;

use super::buffer::Buffer;
use super::client::Client;
use super::error::{Error, Kind};
use super::io;
use super::settings::Settings;
use super::upstream::Link;
use crate::http1::{
    self, Interim, Progress, Refusal, RequestHead, RequestId, ResponseHead, SetCookie,
};

/// Interim answers to one request: there is no reason for more than a few, and an endpoint that
/// sends them without end would keep the request from ever timing out.
const INTERIM_MAX: u32 = 16;

/// An answer that is awaited.
#[derive(Debug)]
pub(super) struct Answering<'a> {
    request: &'a RequestHead,
    pub(super) answer: &'a mut Buffer,
    pub(super) response: &'a mut ResponseHead,
    pub(super) reply: &'a mut Vec<u8>,
    limits: http1::Limits,
    stall: Duration,
    is_begun: bool,
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
    pub(super) fn new(
        request: &'a RequestHead,
        answer: &'a mut Buffer,
        response: &'a mut ResponseHead,
        reply: &'a mut Vec<u8>,
        settings: &Settings,
    ) -> Self {
        let (limits, stall) = (settings.limits.head, settings.timeouts.stall);
        Self { request, answer, response, reply, limits, stall, is_begun: false }
    }

    /// Begins another try.
    pub(super) fn restart(&mut self) {
        self.answer.clear();
        self.response.clear();
        self.is_begun = false;
    }

    /// Whether a byte of the answer has come: from there on no try can be undone.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Reads until the head of the final answer is complete, and relays interim ones.
    pub(super) async fn run(&mut self, client: &Client, link: &Link) -> Result<(), Unanswered> {
        let mut interims = 0;
        loop {
            match io::read(link.stream(), self.answer).await {
                Ok(0) | Err(_) => return Err(Unanswered::Closed),
                Ok(_) => self.is_begun = true,
            }
            while self.parse()? == Progress::Complete {
                if !self.response.is_interim() {
                    return Ok(());
                }
                interims += 1;
                if interims > INTERIM_MAX {
                    return Err(Unanswered::Invalid);
                }
                self.relay_interim(client).await?;
            }
        }
    }

    /// Writes the head that switches protocols as the client gets it, and what came with it.
    pub(super) fn write_switch(&mut self, id: &RequestId, cookie: Option<SetCookie<'_>>) {
        self.reply.clear();
        let bytes = self.answer.filled();
        http1::write_switch(self.reply, self.response, bytes, id, cookie);
        self.reply.extend_from_slice(&bytes[self.response.len()..]);
    }

    /// Writes the final answer's head as the client gets it; what remains is its body.
    pub(super) fn write_head(&mut self, reply: &http1::Reply<'_>) -> http1::Delivery {
        self.reply.clear();
        let bytes = self.answer.filled();
        let delivery = http1::write_response(self.reply, self.response, bytes, reply);
        self.answer.consume(self.response.len());
        delivery
    }

    fn parse(&mut self) -> Result<Progress, Unanswered> {
        let parsed = self.response.parse(self.answer.filled(), &self.limits, self.request.method());
        let progress = parsed.map_err(|refusal| match refusal {
            Refusal::HeadTooLarge | Refusal::HeadersTooMany => Unanswered::TooLarge,
            _ => Unanswered::Invalid,
        })?;
        // Whoever switches unasked would make us take the next client's request for its protocol.
        let is_asked = !self.response.switches() || self.request.asks_upgrade();
        if is_asked { Ok(progress) } else { Err(Unanswered::Invalid) }
    }

    async fn relay_interim(&mut self, client: &Client) -> Result<(), Unanswered> {
        if http1::interim(self.request, self.response.status()) == Interim::Forward {
            self.reply.clear();
            http1::write_interim(self.reply, self.response, self.answer.filled());
            let written = io::write_all(self.stall, &client.stream, self.reply).await;
            written.map_err(|_| Unanswered::Client(Error::downstream(Kind::Gone)))?;
        }
        self.answer.consume(self.response.len());
        self.response.clear();
        Ok(())
    }
}

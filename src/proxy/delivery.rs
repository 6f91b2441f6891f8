//! An answer on its way back: its head rewritten, its body relayed, and then the connection given
//! back to the endpoint, or not.

use super::answering::Answer;
use super::counters::Count;
use super::download::{Cut, Download};
use super::error::{Error, Kind};
use super::exchange::Exchange;
use super::failures::Subject;
use super::io;
use super::report::Failure;
use super::session::After;
use super::thread::Thread;
use super::upstream::Link;
use crate::clock::{self, Instant};
use crate::http1::{self, Framing, Persistence, SetCookie};
use crate::metrics::Took;

/// How far an answer has come at once.
enum Extent<'a> {
    /// The client's system has taken all of it.
    Whole(After),
    /// There is more to read, or to write.
    Part(Box<Delivering<'a>>),
}

/// An answer on its way to the client.
struct Delivering<'a> {
    link: Link,
    download: Download<'a>,
    /// How the client gets it.
    manner: http1::Delivery,
    /// Whether the endpoint's connection can carry another request after it.
    persistence: Persistence,
    first_byte: Took,
}

impl<'a> Exchange<'a> {
    /// Delivers the answer whose head has been read, and parts from the endpoint. An error comes
    /// back if what has come of the body is malformed: then nothing was delivered.
    pub(super) async fn deliver(
        &mut self,
        link: Link,
        answer: Answer,
    ) -> Result<After, (Error, Persistence)> {
        if answer.space.head.switches() {
            return Ok(Box::pin(self.switch(link, answer)).await);
        }
        match self.deliver_at_once(link, answer)? {
            Extent::Whole(after) => Ok(after),
            Extent::Part(rest) => Ok(Box::pin(self.deliver_rest(rest)).await),
        }
    }

    /// Delivers what has come, as far as the client's system takes it at once.
    fn deliver_at_once(
        &mut self,
        link: Link,
        mut answer: Answer,
    ) -> Result<Extent<'a>, (Error, Persistence)> {
        let manner = self.write_head(&link, &mut answer);
        let (status, persistence) = (answer.space.head.status(), self.persistence(&answer));
        let departure = self.after(manner.persistence).departure();
        let download = Download::begin(self.thread, answer, manner.framing);
        // Not a byte has gone out yet, so the client can still be told.
        let mut download = download.map_err(|_| (invalid(self.thread, &link), self.rest()))?;
        self.thread.tally.add_answer(status);
        let relayed = download.send_at_once(self.client, departure, self.notes);
        let now = clock::now();
        let first_byte = Took::of(now.since(self.begun));
        link.upstream().answered(status, first_byte);
        let is_whole = relayed.is_err() || download.is_done();
        let delivering = Delivering { link, download, manner, persistence, first_byte };
        if !is_whole {
            return Ok(Extent::Part(Box::new(delivering)));
        }
        self.thread.tally.add_times(first_byte, None);
        Ok(Extent::Whole(self.end(delivering, relayed, now)))
    }

    /// Relays the rest of the answer, while what is left of the request is sent.
    async fn deliver_rest(&mut self, mut delivering: Box<Delivering<'a>>) -> After {
        let Self { thread, client, begun, ref mut upload, ref mut notes, .. } = *self;
        let Delivering { link, download, first_byte, .. } = &mut *delivering;
        let relayed = tokio::select! {
            biased;
            relayed = download.run(client, link, notes) => relayed,
            () = upload.finish(client, link) => Err(Cut::Client),
        };
        let now = clock::now();
        thread.tally.add_times(*first_byte, Some(Took::of(now.since(begun))));
        self.end(*delivering, relayed, now)
    }

    /// Parts from the endpoint, after the answer or in the middle of it.
    fn end(&mut self, delivering: Delivering<'_>, relayed: Result<(), Cut>, now: Instant) -> After {
        let Delivering { link, download, manner, persistence, .. } = delivering;
        let has_leftover = download.has_leftover();
        download.part();
        if let Err(cut) = relayed {
            return self.cut_short(cut, manner.framing);
        }
        self.notes.note_delivered(now);
        // Never again a connection about which anything is odd.
        let is_kept = persistence == Persistence::KeepAlive && !self.thread.is_draining();
        if is_kept && !has_leftover {
            link.give_back(self.thread.tick_now(), self.thread.settings.limits.idle_per_endpoint);
        }
        self.after(manner.persistence)
    }

    /// Whether the endpoint's connection can carry another request: not one that was answered
    /// before all of the last one was written to it.
    fn persistence(&self, answer: &Answer) -> Persistence {
        if self.upload.is_done() { answer.space.head.persistence() } else { Persistence::Close }
    }

    /// What becomes of the client's connection after an answer that was delivered like this.
    fn after(&self, delivered: Persistence) -> After {
        match (delivered, self.request.persistence) {
            (Persistence::KeepAlive, _) => After::KeepAlive,
            (Persistence::Close, Persistence::Close) if self.upload.is_read() => After::Close,
            (Persistence::Close, _) => After::Linger,
        }
    }

    /// Tells the client that the endpoint switches protocols, and the endpoint what the client has
    /// said since it asked: not a byte of that could go before.
    async fn switch(&mut self, link: Link, mut answer: Answer) -> After {
        let Self { thread, client, .. } = *self;
        let status = answer.space.head.status();
        thread.tally.add_answer(status);
        answer.write_switch(self.id, self.cookie(&link));
        let patience = (client.alarm(), thread.settings.timeouts.stall);
        let told = io::write_all(patience, &client.stream, &answer.space.reply).await;
        answer.part(thread);
        let took = Took::of(clock::now().since(self.begun));
        link.upstream().answered(status, took);
        thread.tally.add_times(took, None);
        if told.is_err() {
            return self.cut_short(Cut::Client, Framing::UntilClose);
        }
        self.notes.note_sent(status, 0);
        // An endpoint that switches before it has read the question answers another one.
        let is_sent = self.upload.is_done();
        if !is_sent || io::write_all(patience, link.stream(), self.upload.ahead()).await.is_err() {
            return self.cut_short(Cut::Endpoint, Framing::UntilClose);
        }
        After::Tunnel(link)
    }

    /// The cookie that the client is to be given, if any.
    fn cookie<'b>(&'b self, link: &'b Link) -> Option<SetCookie<'b>> {
        let peer = &self.client.identity().peer;
        self.thread.settings.affinity.cookie(*self.ties, peer, link.upstream())
    }

    /// Writes the answer's head as the client gets it.
    fn write_head(&self, link: &Link, answer: &mut Answer) -> http1::Delivery {
        // An answer that comes before the end of the request leaves a body behind that nobody
        // reads: the next request must not be looked for in it.
        let is_last = self.thread.is_draining() || !self.upload.is_done();
        answer.write_head(&http1::Reply {
            method: self.request.method,
            version: self.request.version,
            persistence: if is_last { Persistence::Close } else { self.request.persistence },
            request_id: self.id,
            date: Some(&self.thread.date()),
            cookie: self.cookie(link),
        })
    }

    /// Whether the connection can go on: only if we know where the next request begins.
    pub(super) fn rest(&self) -> Persistence {
        if self.upload.is_read() { self.request.persistence } else { Persistence::Close }
    }

    /// Ends the connection in the middle of an answer, so that the client notices.
    fn cut_short(&mut self, cut: Cut, framing: Framing) -> After {
        let (count, error) = match cut {
            Cut::Endpoint => (Count::Aborted, Error::upstream(Kind::Cut)),
            Cut::Slow => (Count::Slow, Error::downstream(Kind::SlowReader)),
            Cut::Client => (Count::Abandoned, Error::downstream(Kind::Gone)),
        };
        self.thread.tally.add(count);
        let subject = Subject { client: Some(*self.sender), request_id: Some(self.id) };
        self.thread.note_failed(error, subject);
        self.notes.note_failed(error);
        match framing {
            // Closed in order, the system would go on offering it what it does not take.
            _ if cut == Cut::Slow => After::Abort,
            // Only a reset tells a body that lasts until the connection ends from a whole one.
            Framing::UntilClose => After::Abort,
            Framing::Empty | Framing::Length(_) | Framing::Chunked => After::Close,
        }
    }
}

/// Judges an endpoint whose answer turned out to be malformed.
fn invalid(thread: &Thread, link: &Link) -> Error {
    thread.note_failure(link.upstream(), Failure::Invalid);
    Error::upstream(Kind::Endpoint(Failure::Invalid))
}

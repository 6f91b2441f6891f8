//! One request on its way, and its answer on the way back: pick an endpoint, take or open a
//! connection to it, send, read the answer's head, relay its body, give the connection back. What
//! goes wrong on the way is judged by the retry table in [`crate::pool`].

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;

use super::answering::{Answer, Answering, Unanswered};
use super::buffer::Buffer;
use super::client::Client;
use super::counters::Count;
use super::download::{Cut, Download};
use super::error::{Error, Kind};
use super::failures::Subject;
use super::io;
use super::record::Record;
use super::report::Failure;
use super::session::After;
use super::space::RequestSpace;
use super::thread::Thread;
use super::trail::{Notes, Trail};
use super::tries::{Fault, Tries};
use super::upload::{Stopped, Upload};
use super::upstream::{Link, Role, Upstream};
use crate::clock::{self, Instant};
use crate::http1::{self, Framing, Hop, Persistence, RequestHead, RequestId, SetCookie};
use crate::metrics::Took;
use crate::pool::{Body, Progress, Repeat, Ties};

/// Why a try failed.
enum Setback {
    /// The endpoint failed it; another may not.
    Endpoint(Fault),
    /// The request ends here.
    Final(Error),
}

/// One request on its way, and its answer on the way back.
struct Exchange<'a> {
    thread: &'a Rc<Thread>,
    client: &'a Client,
    request: &'a RequestHead,
    id: &'a RequestId,
    sender: &'a IpAddr,
    ties: &'a Ties,
    /// When its head had been read.
    begun: Instant,
    upload: Upload<'a>,
    answering: Answering<'a>,
    notes: &'a mut Notes,
}

/// Relays one request to an endpoint and its answer to the client. An error comes back as long as
/// nothing was answered, with whether the connection can go on once the client was told.
pub(super) async fn relay(
    (thread, client, inbound): (&Rc<Thread>, &Client, &mut Buffer),
    space: &mut RequestSpace,
) -> Result<After, (Error, Persistence)> {
    let begun = Exchange::begin((thread, client, inbound), space);
    let mut exchange = begun.map_err(|error| (error, Persistence::Close))?;
    // Not matched on the spot: what a match looks at is kept for as long as its arms wait.
    let answered = exchange.first_answer().await;
    let (link, answer) = answered.map_err(|error| {
        thread.tally.total.add(Took::of(clock::now().since(exchange.begun)));
        (error, exchange.rest())
    })?;
    exchange.deliver(link, answer).await
}

impl<'a> Exchange<'a> {
    /// Writes the head as it goes upstream, and what has arrived of the body.
    fn begin(
        (thread, client, inbound): (&'a Rc<Thread>, &'a Client, &'a mut Buffer),
        space: &'a mut RequestSpace,
    ) -> Result<Self, Error> {
        let RequestSpace { head, outbound, record, ties } = space;
        let (request, identity) = (&*head, client.identity());
        let Record { id, sender, trail: Trail { notes, received, .. }, .. } = record;
        let sender = sender.as_ref().unwrap_or(&identity.address);
        let trace = notes.journey.onward();
        let hop = Hop {
            forwarding: identity.forwarding,
            peer: &identity.peer,
            request_id: id,
            default_host: &thread.authority,
            own_cookie: thread.settings.affinity.sticky.as_ref(),
            trace: trace.as_ref(),
        };
        *ties = thread.settings.affinity.ties(request, inbound.filled(), *sender);
        outbound.clear();
        let span_place = http1::write_request(outbound, request, inbound.filled(), &hop);
        inbound.consume(request.len());
        let mut upload = Upload::begin(thread, inbound, outbound, received, request)?;
        upload.span_place = span_place;
        let (answering, begun) = (Answering::new(thread, request), clock::now());
        Ok(Self { thread, client, request, id, sender, ties, begun, upload, answering, notes })
    }

    /// Tries endpoints until the head of a final answer has been read.
    async fn first_answer(&mut self) -> Result<(Link, Answer), Error> {
        let mut tries = Tries::new(self.thread, self.repeat(), self.begun);
        loop {
            let Some(upstream) = tries.pick(*self.ties) else {
                Box::pin(tries.wait(self.client, &mut self.upload, self.notes)).await?;
                continue;
            };
            self.upload.set_span(self.notes.note_try(&upstream));
            let fault = match self.attempt(upstream, &tries).await {
                Ok(answered) => return Ok(answered),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Endpoint(fault)) => fault,
            };
            self.notes.note_setback(fault.failure);
            Box::pin(tries.judge(self.client, fault, &mut self.upload, self.notes)).await?;
        }
    }

    /// One try: a connection, the request on it, the head of the answer.
    async fn attempt(
        &mut self,
        upstream: Rc<Upstream>,
        tries: &Tries<'_>,
    ) -> Result<(Link, Answer), Setback> {
        self.upload.rewind();
        self.answering.restart();
        let connect = self.thread.settings.timeouts.connect;
        let linked = Rc::clone(&upstream).link(tries.reuse(), connect).await;
        let link = linked.map_err(|failure| {
            Setback::Endpoint(Fault::of_connect(failure, Rc::clone(&upstream)))
        })?;
        self.notes.note_link(&link);
        self.thread.tally.add(if link.is_reused { Count::Reuses } else { Count::Connects });
        let now = if link.is_reused { tries.now() } else { clock::now() };
        match self.send_and_listen(&link, (now, tries.deadline())).await {
            Ok(answer) => {
                self.notes.note_answered(answer.space.head.status());
                upstream.traffic.recover();
                Ok((link, answer))
            }
            Err(Unanswered::Client(error)) => Err(Setback::Final(error)),
            Err(unanswered) => Err(Setback::Endpoint(self.fault(&link, unanswered))),
        }
    }

    /// Sends the request, and reads the answer's head, which may come before all is sent. It has
    /// to come before `deadline` in any case.
    async fn send_and_listen(
        &mut self,
        link: &Link,
        (now, deadline): (Instant, Instant),
    ) -> Result<Answer, Unanswered> {
        let mut sent_at = now;
        // An endpoint that reads no more may have said why.
        if self.upload.send_at_once(link).is_ok() && !self.upload.is_done() {
            if let Some(early) = Box::pin(self.send_rest(link)).await? {
                return Ok(early);
            }
            sent_at = clock::now();
        }
        if self.repeat() == Repeat::Idempotent && self.upload.replay() == Body::Replayable {
            link.set_role(Role::Waiting);
        }
        let until = deadline.min(sent_at + self.thread.settings.timeouts.first_byte);
        let answered = self.listen(link, until).await;
        link.set_role(Role::Bound);
        answered
    }

    /// Sends what the system did not take at once, and what the client is still sending. Returns
    /// the answer if that comes before.
    async fn send_rest(&mut self, link: &Link) -> Result<Option<Answer>, Unanswered> {
        let repeat = self.repeat();
        let Self { client, upload, answering, .. } = self;
        tokio::select! {
            biased;
            sent = upload.run(client, link, repeat) => match sent {
                Ok(()) | Err(Stopped::Endpoint) => Ok(None),
                Err(Stopped::Client(error)) => Err(Unanswered::Client(error)),
            },
            early = answering.run(client, link) => early.map(Some),
        }
    }

    /// Waits for the head of the final answer, until then or until the client has left.
    async fn listen(&mut self, link: &Link, until: Instant) -> Result<Answer, Unanswered> {
        let Self { client, upload, answering, .. } = self;
        loop {
            if let Some(answer) = answering.advance(client).await? {
                return Ok(answer);
            }
            poll_fn(|context| {
                if let Poll::Ready(more) = answering.poll_more(link, context) {
                    return Poll::Ready(more);
                }
                if client.alarm().poll(until, context).is_ready() {
                    return Poll::Ready(Err(Unanswered::Silent));
                }
                let gone = upload.poll_gone_in_time(client, context);
                gone.map(|()| Err(Unanswered::Client(Error::downstream(Kind::Gone))))
            })
            .await?;
        }
    }

    /// Names what the endpoint failed at, as the retry table wants it.
    fn fault(&self, link: &Link, unanswered: Unanswered) -> Fault {
        let failure = match unanswered {
            Unanswered::Silent => Failure::TimedOut,
            Unanswered::Invalid => Failure::Invalid,
            Unanswered::TooLarge => Failure::TooLarge,
            Unanswered::Closed if self.answering.is_begun() => Failure::Incomplete,
            Unanswered::Closed | Unanswered::Client(_) => Failure::Reset,
        };
        let progress = match failure {
            _ if self.answering.is_begun() => Progress::Answering,
            Failure::TimedOut => Progress::SentAndSilent,
            _ if !self.upload.is_begun() => Progress::NothingSent,
            _ if link.is_reused => Progress::SentOnReused,
            _ => Progress::Sent,
        };
        let upstream = Rc::clone(link.upstream());
        Fault { failure, progress, upstream, is_reused: link.is_reused }
    }

    /// Delivers the answer whose head has been read, and parts from the endpoint. An error comes
    /// back if what has come of the body is malformed: then nothing was delivered.
    async fn deliver(
        &mut self,
        link: Link,
        mut answer: Answer,
    ) -> Result<After, (Error, Persistence)> {
        if answer.space.head.switches() {
            return Ok(Box::pin(self.switch(link, answer)).await);
        }
        let (is_sent, delivery) = (self.upload.is_done(), self.write_head(&link, &mut answer));
        let (repeat, rest) = (self.repeat(), self.rest());
        let (status, persistence) = (answer.space.head.status(), answer.space.head.persistence());
        let departure = self.after(delivery.persistence).departure();
        let Self { thread, client, begun, ref mut upload, ref mut notes, .. } = *self;
        let download = Download::begin(thread, answer, delivery.framing, notes);
        // Not a byte has gone out yet, so the client can still be told.
        let mut download = download.map_err(|_| (invalid(thread, &link), rest))?;
        thread.tally.add_answer(status);
        let mut relayed = download.send_at_once(client, departure);
        let mut delivered = clock::now();
        let (first_byte, mut last_byte) = (Took::of(delivered.since(begun)), None);
        link.upstream().answered(status, first_byte);
        if relayed.is_ok() && !download.is_done() {
            relayed = tokio::select! {
                biased;
                relayed = Box::pin(download.run(client, &link)) => relayed,
                () = Box::pin(upload.finish(client, &link, repeat)) => Err(Cut::Client),
            };
            delivered = clock::now();
            last_byte = Some(Took::of(delivered.since(begun)));
        }
        thread.tally.add_times(first_byte, last_byte);
        let has_leftover = download.has_leftover();
        download.part();
        if let Err(cut) = relayed {
            return Ok(self.cut_short(cut, delivery.framing));
        }
        self.notes.delivered = Some(delivered);
        // Never again a connection about which anything is odd.
        let is_kept = persistence == Persistence::KeepAlive && !thread.is_draining();
        if is_kept && is_sent && !has_leftover {
            link.give_back(thread.tick_now(), thread.settings.limits.idle_per_endpoint);
        }
        Ok(self.after(delivery.persistence))
    }

    /// What becomes of the client's connection after an answer that was delivered like this.
    fn after(&self, delivered: Persistence) -> After {
        match (delivered, self.request.persistence()) {
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
        self.notes.status = Some(status);
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
            method: self.request.method(),
            version: self.request.version(),
            persistence: if is_last { Persistence::Close } else { self.request.persistence() },
            request_id: self.id,
            date: Some(&self.thread.date()),
            cookie: self.cookie(link),
        })
    }

    /// Whether the connection can go on: only if we know where the next request begins.
    fn rest(&self) -> Persistence {
        if self.upload.is_read() { self.request.persistence() } else { Persistence::Close }
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

    /// Whether RFC 9110 §9.2.2 lets us send it twice.
    fn repeat(&self) -> Repeat {
        if self.request.method().is_idempotent() { Repeat::Idempotent } else { Repeat::Never }
    }
}

/// Judges an endpoint whose answer turned out to be malformed.
fn invalid(thread: &Thread, link: &Link) -> Error {
    thread.note_failure(link.upstream(), Failure::Invalid);
    Error::upstream(Kind::Endpoint(Failure::Invalid))
}

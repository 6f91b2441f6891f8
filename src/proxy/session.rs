//! One client connection, as the story of its requests: read the head, pick an endpoint, take or
//! open a connection to it, send, read the answer's head, relay its body, give the connection
//! back. What goes wrong on the way is judged by the retry table in [`crate::pool`].

use std::rc::Rc;

use super::access_log::{Notes, Said, Trail};
use super::alarm::Alarm;
use super::answering::{Answering, Unanswered};
use super::buffer::Workspace;
use super::client::Client;
use super::counters::Count;
use super::download::{Cut, Download};
use super::error::{Error, Kind};
use super::failures::Subject;
use super::io::{self, Arrived};
use super::refuse::{answer_options, refuse};
use super::report::Failure;
use super::thread::Thread;
use super::tries::{Fault, Tries};
use super::tunnel;
use super::upload::{Stopped, Upload};
use super::upstream::{Link, Role, Upstream};
use crate::clock;
use crate::http1::{self, Framing, Hop, Hops, Persistence, RequestHead, RequestId};
use crate::pool::{Body, Progress, Repeat, Ties};

/// What becomes of a client's connection after an answer.
#[derive(Debug)]
pub(super) enum After {
    /// It waits for the next request.
    KeepAlive,
    /// It ends, both sides having said all.
    Close,
    /// It ends, although the client may still be sending.
    Linger,
    /// It ends in a way that nobody takes for the end of an answer.
    Abort,
    /// It goes on in another protocol, joined to the endpoint's.
    Tunnel(Link),
}

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
    /// Who is told of in the log.
    subject: Subject<'a>,
    alarm: &'a mut Alarm,
    request: &'a RequestHead,
    id: &'a RequestId,
    ties: Ties,
    upload: Upload<'a>,
    answering: Answering<'a>,
    notes: &'a mut Notes,
}

/// Serves a client until either side ends the connection.
pub(super) async fn serve(thread: &Rc<Thread>, client: &Client) {
    let mut alarm = Alarm::default();
    while !thread.is_draining() {
        client.wait(thread.tick_now()).await;
        // Only now does the connection need memory, and only until it is idle again.
        let mut space = thread.take_space();
        let after = match io::arrived(&client.stream, &mut space.inbound) {
            Arrived::Bytes => answer_all(thread, client, (&mut space, &mut alarm)).await,
            Arrived::Nothing => After::KeepAlive,
            Arrived::End => After::Close,
        };
        if matches!(after, After::Linger) {
            client.linger(&mut space.inbound, thread.settings.timeouts.linger).await;
        }
        let trail = match after {
            After::Tunnel(_) => space.record.take_trail(),
            _ => None,
        };
        thread.give_space(space);
        match after {
            After::KeepAlive => {}
            After::Close | After::Linger => return,
            After::Abort => return client.reset(),
            After::Tunnel(link) => return tunnel::run(thread, client, link, trail).await,
        }
    }
}

/// Answers the requests that have arrived, in their order (RFC 9112 §9.3.2).
async fn answer_all(
    thread: &Rc<Thread>,
    client: &Client,
    (space, alarm): (&mut Workspace, &mut Alarm),
) -> After {
    loop {
        let after = answer(thread, client, (space, alarm)).await;
        if !matches!(after, After::Tunnel(_)) {
            space.record.trail.close();
        }
        match after {
            After::KeepAlive if !space.inbound.is_empty() => {}
            after => return after,
        }
    }
}

/// Answers the next request, one way or another.
async fn answer(
    thread: &Rc<Thread>,
    client: &Client,
    (space, alarm): (&mut Workspace, &mut Alarm),
) -> After {
    let (limits, in_time) = (&thread.settings.limits.head, thread.settings.timeouts.head);
    space.record.begin(thread.lines.as_ref());
    let read = client.read_head(&mut space.inbound, &mut space.request, limits, in_time).await;
    if let Err(error) = read {
        if error.kind == Kind::Gone {
            return After::Close;
        }
        let id = thread.new_request_id();
        let said = Said::Line(first_line(space.inbound.filled()));
        space.record.open_trail(&id, client, said);
        return refuse(thread, client, space, error, (&id, Persistence::Close)).await;
    }
    let id = space.request.request_id(space.inbound.filled());
    let id = id.unwrap_or_else(|| thread.new_request_id());
    space.record.note_head(&space.request, space.inbound.filled());
    let inbound = &thread.settings.inbound;
    space.record.sender = Some(client.sender(inbound, &space.request, space.inbound.filled()));
    let said = Said::Head { head: &space.request, bytes: space.inbound.filled() };
    space.record.open_trail(&id, client, said);
    thread.tally.add(Count::Requests);
    thread.earn_retry();
    if space.request.hops() == Hops::Exhausted {
        return answer_options(thread, client, space, &id).await;
    }
    match relay(thread, client, (space, alarm), &id).await {
        Ok(after) => after,
        Err((error, rest)) => refuse(thread, client, space, error, (&id, rest)).await,
    }
}

/// Relays one request to an endpoint and its answer to the client. An error comes back as long
/// as nothing was answered, with whether the connection can go on once the client was told.
async fn relay(
    thread: &Rc<Thread>,
    client: &Client,
    (space, alarm): (&mut Workspace, &mut Alarm),
    id: &RequestId,
) -> Result<After, (Error, Persistence)> {
    let begun = Exchange::begin(thread, client, (space, alarm), id);
    let mut exchange = begun.map_err(|error| (error, Persistence::Close))?;
    match exchange.first_answer().await {
        Ok(link) => exchange.deliver(link).await,
        Err(error) => Err((error, exchange.rest())),
    }
}

impl<'a> Exchange<'a> {
    /// Writes the head as it goes upstream, and what has arrived of the body.
    fn begin(
        thread: &'a Rc<Thread>,
        client: &'a Client,
        (space, alarm): (&'a mut Workspace, &'a mut Alarm),
        id: &'a RequestId,
    ) -> Result<Self, Error> {
        let Workspace { inbound, request, outbound, answer, response, reply, record } = space;
        let identity = client.identity();
        let sender = record.sender.unwrap_or(identity.address);
        let Trail { notes, received, .. } = &mut record.trail;
        let subject = Subject { client: Some(sender), request_id: Some(id) };
        let hop = Hop {
            forwarding: identity.forwarding,
            peer: &identity.peer,
            request_id: id,
            default_host: &thread.authority,
            own_cookie: thread.settings.affinity.sticky.as_ref(),
        };
        let ties = thread.settings.affinity.ties(request, inbound.filled(), sender);
        outbound.clear();
        http1::write_request(outbound, request, inbound.filled(), &hop);
        inbound.consume(request.len());
        let upload = Upload::begin(inbound, outbound, received, request, thread)?;
        let answering = Answering::new(request, answer, response, reply, &thread.settings);
        Ok(Self { thread, client, subject, alarm, request, id, ties, upload, answering, notes })
    }

    /// Tries endpoints until the head of a final answer has been read.
    async fn first_answer(&mut self) -> Result<Link, Error> {
        let mut tries = Tries::new(self.thread, self.client, self.repeat(), self.ties);
        loop {
            let Some(upstream) = tries.pick() else {
                tries.wait(&mut self.upload, self.notes).await?;
                continue;
            };
            self.notes.note_try(&upstream);
            match self.attempt(upstream, &tries).await {
                Ok(link) => return Ok(link),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Endpoint(fault)) => {
                    tries.judge(fault, &mut self.upload, self.notes).await?;
                }
            }
        }
    }

    /// One try: a connection, the request on it, the head of the answer.
    async fn attempt(
        &mut self,
        upstream: Rc<Upstream>,
        tries: &Tries<'_>,
    ) -> Result<Link, Setback> {
        self.upload.rewind();
        self.answering.restart();
        let connect = self.thread.settings.timeouts.connect;
        let linked = Rc::clone(&upstream).link(tries.reuse(), connect).await;
        let link = linked.map_err(|failure| {
            Setback::Endpoint(Fault::of_connect(failure, Rc::clone(&upstream)))
        })?;
        self.notes.note_link(&link);
        self.thread.tally.add(if link.is_reused { Count::Reuses } else { Count::Connects });
        match self.send_and_listen(&link, tries).await {
            Ok(()) => {
                self.notes.note_answered();
                upstream.traffic.recover();
                Ok(link)
            }
            Err(Unanswered::Client(error)) => Err(Setback::Final(error)),
            Err(unanswered) => Err(Setback::Endpoint(self.fault(&link, unanswered))),
        }
    }

    /// Sends the request, and reads the answer's head, which may come before all is sent.
    async fn send_and_listen(&mut self, link: &Link, tries: &Tries<'_>) -> Result<(), Unanswered> {
        let repeat = self.repeat();
        let Self { thread, client, alarm, upload, answering, .. } = self;
        let mut answered = std::pin::pin!(answering.run(client, link));
        tokio::select! {
            biased;
            sent = upload.run(client, link, repeat) => match sent {
                // An endpoint that reads no more may have said why.
                Ok(()) | Err(Stopped::Endpoint) => {}
                Err(Stopped::Client(error)) => return Err(Unanswered::Client(error)),
            },
            early = &mut answered => return early,
        }
        if repeat == Repeat::Idempotent && upload.replay() == Body::Replayable {
            link.set_role(Role::Waiting);
        }
        let until = clock::now() + thread.settings.timeouts.first_byte;
        let until = until.min(tries.deadline());
        let answered = tokio::select! {
            biased;
            answered = alarm.within(until, answered) => answered.unwrap_or(Err(Unanswered::Silent)),
            () = upload.gone(client) => Err(Unanswered::Client(Error::downstream(Kind::Gone))),
        };
        link.set_role(Role::Bound);
        answered
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
    async fn deliver(mut self, link: Link) -> Result<After, (Error, Persistence)> {
        if self.answering.response.switches() {
            return Ok(self.switch(link).await);
        }
        let (is_sent, delivery) = (self.upload.is_done(), self.write_head(&link));
        let (repeat, rest) = (self.repeat(), self.rest());
        let Self { thread, client, subject, request, mut upload, answering, notes, .. } = self;
        let (status, persistence) = (answering.response.status(), answering.response.persistence());
        let begun = Download::begin(answering, delivery.framing, thread, notes);
        // Not a byte has gone out yet, so the client can still be told.
        let mut download = begun.map_err(|_| (invalid(thread, &link), rest))?;
        thread.tally.add_answer(status);
        let is_kept = persistence == Persistence::KeepAlive;
        let relayed = tokio::select! {
            biased;
            relayed = download.run(client, &link) => relayed,
            () = upload.finish(client, &link, repeat) => Err(Cut::Client),
        };
        if let Err(cut) = relayed {
            return Ok(cut_short(thread, cut, delivery.framing, (subject, notes)));
        }
        // Never again a connection about which anything is odd.
        if is_kept && is_sent && !download.has_leftover() && !thread.is_draining() {
            link.give_back(thread.tick_now(), thread.settings.limits.idle_per_endpoint);
        }
        Ok(match (delivery.persistence, request.persistence()) {
            (Persistence::KeepAlive, _) => After::KeepAlive,
            (Persistence::Close, Persistence::Close) if upload.is_read() => After::Close,
            (Persistence::Close, _) => After::Linger,
        })
    }

    /// Tells the client that the endpoint switches protocols, and the endpoint what the client has
    /// said since it asked: not a byte of that could go before.
    async fn switch(self, link: Link) -> After {
        let Self { thread, client, subject, id, ties, upload, mut answering, notes, .. } = self;
        thread.tally.add_answer(answering.response.status());
        let affinity = &thread.settings.affinity;
        answering.write_switch(id, affinity.cookie(ties, &client.identity().peer, link.upstream()));
        let stall = thread.settings.timeouts.stall;
        if io::write_all(stall, &client.stream, answering.reply).await.is_err() {
            return cut_short(thread, Cut::Client, Framing::UntilClose, (subject, notes));
        }
        notes.status = Some(answering.response.status());
        // An endpoint that switches before it has read the question answers another one.
        let is_sent = upload.is_done();
        if !is_sent || io::write_all(stall, link.stream(), upload.ahead()).await.is_err() {
            return cut_short(thread, Cut::Endpoint, Framing::UntilClose, (subject, notes));
        }
        After::Tunnel(link)
    }

    /// Writes the answer's head as the client gets it.
    fn write_head(&mut self, link: &Link) -> http1::Delivery {
        // An answer that comes before the end of the request leaves a body behind that nobody
        // reads: the next request must not be looked for in it.
        let is_last = self.thread.is_draining() || !self.upload.is_done();
        let date = self.thread.date();
        let affinity = &self.thread.settings.affinity;
        self.answering.write_head(&http1::Reply {
            method: self.request.method(),
            version: self.request.version(),
            persistence: if is_last { Persistence::Close } else { self.request.persistence() },
            request_id: self.id,
            date: Some(&date),
            cookie: affinity.cookie(self.ties, &self.client.identity().peer, link.upstream()),
        })
    }

    /// Whether the connection can go on: only if we know where the next request begins.
    fn rest(&self) -> Persistence {
        if self.upload.is_read() { self.request.persistence() } else { Persistence::Close }
    }

    /// Whether RFC 9110 §9.2.2 lets us send it twice.
    fn repeat(&self) -> Repeat {
        if self.request.method().is_idempotent() { Repeat::Idempotent } else { Repeat::Never }
    }
}

/// What stands in the place of a request line.
fn first_line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Judges an endpoint whose answer turned out to be malformed.
fn invalid(thread: &Thread, link: &Link) -> Error {
    thread.note_failure(link.upstream(), Failure::Invalid);
    Error::upstream(Kind::Endpoint(Failure::Invalid))
}

/// Ends a connection in the middle of an answer, so that the client notices.
fn cut_short(
    thread: &Thread,
    cut: Cut,
    framing: Framing,
    (subject, notes): (Subject<'_>, &mut Notes),
) -> After {
    let (count, error) = match cut {
        Cut::Endpoint => (Count::Aborted, Error::upstream(Kind::Cut)),
        Cut::Slow => (Count::Slow, Error::downstream(Kind::SlowReader)),
        Cut::Client => (Count::Abandoned, Error::downstream(Kind::Gone)),
    };
    thread.tally.add(count);
    thread.note_failed(error, subject);
    notes.note_failed(error);
    match framing {
        // Closed in order, the system would go on offering it what it does not take.
        _ if cut == Cut::Slow => After::Abort,
        // Only a reset tells a body that lasts until the connection ends from a whole one.
        Framing::UntilClose => After::Abort,
        Framing::Empty | Framing::Length(_) | Framing::Chunked => After::Close,
    }
}

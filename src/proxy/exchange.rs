//! One request on its way: pick an endpoint, take or open a connection to it, send, read the
//! answer's head; from there on it is delivered (`delivery.rs`). What goes wrong on the way is
//! judged by the retry table in [`crate::pool`].

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::answering::{Answer, Answering, Heard, Unanswered};
use super::buffer::Buffer;
use super::client::Client;
use super::counters::Count;
use super::error::{Error, Kind};
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
use crate::http1::{self, Hop, Persistence, RequestHead, RequestId, Terms};
use crate::metrics::Took;
use crate::pool::{Progress, Ties};

/// Why a try failed.
enum Setback {
    /// The endpoint failed it; another may not.
    Endpoint(Fault),
    /// The request ends here.
    Final(Error),
}

/// One request on its way, and its answer on the way back.
pub(super) struct Exchange<'a> {
    pub(super) thread: &'a Rc<Thread>,
    pub(super) client: &'a Client,
    pub(super) request: Terms,
    pub(super) id: &'a RequestId,
    pub(super) sender: &'a IpAddr,
    pub(super) ties: &'a Ties,
    /// When its head had been read.
    pub(super) begun: Instant,
    pub(super) upload: Upload<'a>,
    answering: Answering<'a>,
    pub(super) notes: &'a mut Notes,
}

/// Relays one request to an endpoint and its answer to the client. An error comes back as long as
/// nothing was answered, with whether the connection can go on once the client was told.
pub(super) async fn relay(
    (thread, client, inbound): (&Rc<Thread>, &Client, &mut Buffer),
    head: Box<RequestHead>,
    space: &mut RequestSpace,
) -> Result<After, (Error, Persistence)> {
    let begun = Exchange::begin((thread, client, inbound), head, space);
    let mut exchange = begun.map_err(|error| (error, Persistence::Close))?;
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
        head: Box<RequestHead>,
        space: &'a mut RequestSpace,
    ) -> Result<Self, Error> {
        let RequestSpace { terms, outbound, record, ties } = space;
        let (request, identity) = (*terms, client.identity());
        let Record { id, sender, trail: Trail { notes, received, .. }, .. } = record;
        let sender = sender.as_ref().unwrap_or(&identity.address);
        let hop = Hop {
            forwarding: identity.forwarding,
            peer: &identity.peer,
            request_id: id,
            default_host: &thread.authority,
            own_cookie: thread.settings.affinity.sticky.as_ref(),
            trace: notes.onward(),
        };
        *ties = thread.settings.affinity.ties(&head, inbound.filled(), *sender);
        outbound.clear();
        let span_place = http1::write_request(outbound, &head, inbound.filled(), &hop);
        inbound.consume(head.len());
        let upload = Upload::begin(thread, inbound, outbound, received, &head);
        thread.heads.give(head);
        let mut upload = upload?;
        upload.span_place = span_place;
        let (answering, begun) = (Answering::new(thread, request), clock::now());
        Ok(Self { thread, client, request, id, sender, ties, begun, upload, answering, notes })
    }

    /// Tries endpoints until the head of a final answer has been read.
    ///
    /// With many requests in flight, what each of them waits with is far away from the processor
    /// when its answer comes. So there is little of it: what few requests need is boxed, a failed
    /// try is dealt with after the match that found it, because what a match looks at is kept for
    /// as long as its arms wait, and a try is no `async fn`, which would keep its arguments twice.
    async fn first_answer(&mut self) -> Result<(Link, Answer), Error> {
        let mut tries = Tries::new(self.thread, self.upload.repeat(), self.begun);
        loop {
            let picked = self.pick(&mut tries);
            let link = match picked.as_ref().and_then(|upstream| upstream.reuse(tries.reuse())) {
                Some(link) => link,
                None => match Box::pin(self.connect(picked, &mut tries)).await? {
                    Some(link) => link,
                    None => continue,
                },
            };
            let fault = match self.attempt(link, &tries).await {
                Ok(answered) => return Ok(answered),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Endpoint(fault)) => fault,
            };
            Box::pin(self.set_back(fault, &mut tries)).await?;
        }
    }

    /// Picks the endpoint for the next try, if there is one.
    fn pick(&mut self, tries: &mut Tries<'_>) -> Option<Rc<Upstream>> {
        let picked = tries.pick(*self.ties)?;
        self.upload.set_span(self.notes.note_try(&picked));
        Some(picked)
    }

    /// Opens a connection to the endpoint that was picked. `None` if that failed, or if there was
    /// none to pick, when something new may be tried.
    async fn connect(
        &mut self,
        picked: Option<Rc<Upstream>>,
        tries: &mut Tries<'_>,
    ) -> Result<Option<Link>, Error> {
        let Some(upstream) = picked else {
            tries.wait(self.client, &mut self.upload, self.notes).await?;
            return Ok(None);
        };
        let limit = self.thread.settings.timeouts.connect;
        match Rc::clone(&upstream).connect(limit).await {
            Ok(link) => Ok(Some(link)),
            Err(failure) => {
                self.set_back(Fault::of_connect(failure, upstream), tries).await?;
                Ok(None)
            }
        }
    }

    /// An endpoint has failed it. Returns when another may be tried.
    async fn set_back(&mut self, fault: Fault, tries: &mut Tries<'_>) -> Result<(), Error> {
        self.notes.note_setback(fault.failure);
        tries.judge(self.client, fault, &mut self.upload, self.notes).await
    }

    /// One try on this connection: the request, and the head of the answer, which may come before
    /// all is sent.
    fn attempt(
        &mut self,
        link: Link,
        tries: &Tries<'_>,
    ) -> impl Future<Output = Result<(Link, Answer), Setback>> {
        let deadline = tries.deadline();
        let mut sent_at = if link.is_reused { tries.now() } else { clock::now() };
        self.begin_try(&link);
        // An endpoint that reads no more may have said why.
        let is_sending = self.upload.send_at_once(&link).is_ok() && !self.upload.is_done();
        async move {
            if is_sending {
                if let Some(early) = Box::pin(self.send_rest(&link)).await.transpose() {
                    return self.end_try(link, early);
                }
                sent_at = clock::now();
            }
            let until = deadline.min(sent_at + self.thread.settings.timeouts.first_byte);
            let answered = self.listen(&link, until).await;
            self.end_try(link, answered)
        }
    }

    fn begin_try(&mut self, link: &Link) {
        self.upload.rewind();
        self.answering.restart();
        self.notes.note_link(link);
        self.thread.tally.add(if link.is_reused { Count::Reuses } else { Count::Connects });
    }

    /// Sends what the system did not take at once, and what the client is still sending. Returns
    /// the answer if that comes before.
    async fn send_rest(&mut self, link: &Link) -> Result<Option<Answer>, Unanswered> {
        let Self { client, upload, answering, .. } = self;
        tokio::select! {
            biased;
            sent = upload.run(client, link) => match sent {
                Ok(()) | Err(Stopped::Endpoint) => Ok(None),
                Err(Stopped::Client(error)) => Err(Unanswered::Client(error)),
            },
            early = answering.run(client, link) => early.map(Some),
        }
    }

    /// Waits for the head of the final answer, until then or until the client has left.
    fn listen(
        &mut self,
        link: &Link,
        until: Instant,
    ) -> impl Future<Output = Result<Answer, Unanswered>> {
        if self.upload.is_repeatable() {
            link.set_role(Role::Waiting);
        }
        async move {
            loop {
                let heard = poll_fn(|context| self.poll_heard(link, until, context)).await?;
                if let Heard::Final(answer) = heard {
                    return Ok(answer);
                }
                Box::pin(self.answering.pass_on(self.client)).await?;
            }
        }
    }

    /// Ready when the endpoint has answered, when it is too late, or when the client has left.
    fn poll_heard(
        &mut self,
        link: &Link,
        until: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<Heard, Unanswered>> {
        if let Poll::Ready(heard) = self.answering.poll_heard(link, context) {
            return Poll::Ready(heard);
        }
        if self.client.alarm().poll(until, context).is_ready() {
            return Poll::Ready(Err(Unanswered::Silent));
        }
        let gone = self.upload.poll_gone_in_time(self.client, context);
        gone.map(|()| Err(Unanswered::Client(Error::downstream(Kind::Gone))))
    }

    /// What came of a try.
    fn end_try(
        &mut self,
        link: Link,
        answered: Result<Answer, Unanswered>,
    ) -> Result<(Link, Answer), Setback> {
        link.set_role(Role::Bound);
        match answered {
            Ok(answer) => {
                self.notes.note_answered(answer.space.head.status());
                link.upstream().traffic.recover();
                Ok((link, answer))
            }
            Err(Unanswered::Client(error)) => Err(Setback::Final(error)),
            Err(unanswered) => Err(Setback::Endpoint(self.fault(&link, unanswered))),
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
}

//! One client connection, as the story of its requests: read the head, exchange the request for an
//! answer (`exchange.rs`), wait for the next one, part.

use std::rc::Rc;

use super::buffer::Buffer;
use super::client::{Client, Next};
use super::counters::Count;
use super::error::Kind;
use super::exchange::relay;
use super::io::Departure;
use super::refuse::{answer_options, refuse};
use super::space::RequestSpace;
use super::thread::Thread;
use super::trail::{Said, Trail};
use super::tunnel;
use super::upstream::Link;
use crate::http1::{Hops, Persistence, Terms};

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

impl After {
    /// When the end of the answer departs.
    pub(super) fn departure(&self) -> Departure {
        match self {
            Self::Close | Self::Linger => Departure::WithTheEnd,
            Self::KeepAlive | Self::Abort | Self::Tunnel(_) => Departure::Now,
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// So does the connection.
    Parted,
    /// The client does nothing, and its connection is to be parked.
    Resting,
}

/// One client's connection.
struct Session<'a> {
    thread: &'a Rc<Thread>,
    client: &'a Client,
    /// What the client has sent. It has memory only while it has bytes.
    inbound: &'a mut Buffer,
}

/// Serves a client until either side ends the connection, or the client rests. `inbound` is what
/// it has said already.
///
/// This and what it awaits while nothing happens are no `async fn`, which would keep their
/// arguments twice: that is a quarter of what a connection needs.
pub(super) fn serve<'a>(
    thread: &'a Rc<Thread>,
    client: &'a Client,
    inbound: &'a mut Buffer,
) -> impl Future<Output = Ended> {
    let mut session = Session { thread, client, inbound };
    async move {
        while session.is_wanted() {
            let (after, trail) = match client.next(thread, session.inbound).await {
                Next::Asks => session.answer_all().await,
                Next::Leaves => return Ended::Parted,
                Next::Rests => return Ended::Resting,
            };
            match after {
                After::KeepAlive => session.inbound.rest(&thread.blocks),
                parts => {
                    Box::pin(session.part(parts, trail)).await;
                    break;
                }
            }
        }
        Ended::Parted
    }
}

impl Session<'_> {
    /// Whether the client is served on. What it has asked before a drain began is still answered.
    fn is_wanted(&self) -> bool {
        !self.thread.is_draining() || !self.inbound.is_empty() || !self.client.is_quiet()
    }

    /// Parts from the client, in the way that its last answer asks for.
    async fn part(&mut self, after: After, trail: Option<Box<Trail>>) {
        let Self { thread, client, ref mut inbound } = *self;
        match after {
            After::Tunnel(link) => tunnel::run(thread, client, link, trail).await,
            After::Linger => client.linger(thread, inbound).await,
            After::Abort => client.reset(),
            // Who is gone need not be told.
            After::Close => drop(client.finish()),
            After::KeepAlive => {}
        }
        inbound.clear(&thread.blocks);
    }

    /// Answers the requests that have arrived, in their order (RFC 9112 §9.3.2).
    async fn answer_all(&mut self) -> (After, Option<Box<Trail>>) {
        // Only now does the connection need memory, and only until it is idle again.
        let mut space = self.thread.requests.take();
        let (after, trail) = loop {
            match self.answer(&mut space).await {
                After::Tunnel(link) => break (After::Tunnel(link), space.record.take_trail()),
                after => {
                    space.record.trail.close();
                    if !matches!(after, After::KeepAlive) || self.inbound.is_empty() {
                        break (after, None);
                    }
                }
            }
        };
        self.thread.requests.give(space);
        (after, trail)
    }

    /// Answers the next request, one way or another.
    async fn answer(&mut self, space: &mut RequestSpace) -> After {
        let Self { thread, client, .. } = *self;
        let RequestSpace { terms, record, .. } = space;
        record.begin(thread.sinks.as_ref());
        // It goes back when the request has gone on, so few are needed at a time.
        let mut head = thread.heads.take();
        if let Err(error) = client.read_head(thread, self.inbound, &mut head).await {
            thread.heads.give(head);
            if error.kind == Kind::Gone {
                return After::Close;
            }
            *terms = Terms::default();
            record.id = thread.new_request_id();
            record.open_trail(client, Said::first_line(self.inbound.filled()));
            return Box::pin(refuse(thread, client, space, error, Persistence::Close)).await;
        }
        *terms = head.terms();
        record.note_head((thread, client), &head, self.inbound.filled());
        thread.tally.add(Count::Requests);
        thread.earn_retry();
        if head.hops() == Hops::Exhausted {
            self.inbound.consume(head.len());
            let framing = head.framing();
            thread.heads.give(head);
            return Box::pin(answer_options(thread, client, space, framing)).await;
        }
        match relay((thread, client, self.inbound), head, space).await {
            Ok(after) => after,
            Err((error, rest)) => {
                Box::pin(refuse(self.thread, self.client, space, error, rest)).await
            }
        }
    }
}

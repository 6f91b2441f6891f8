//! What is noted of one request on its way, for its line in the access log and for its trace.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::access_log::Lines;
use super::error::{Error, Kind, Side};
use super::report::Failure;
use super::traces::{Journey, Spans, TryEnded};
use super::upstream::{Link, Upstream};
use crate::clock::{self, Instant};
use crate::http1::{RequestHead, RequestId, SpanId, TraceOnward, TraceParent, push_address};

/// What a request is called that we cut because we stop.
const STOPPED: (Side, &str) = (Side::Balancer, "balancer_stopped");

/// Where a thread tells of its requests: one of the two at least.
#[derive(Debug)]
pub(super) struct Sinks {
    /// Its side of the access log.
    pub(super) lines: Option<Lines>,
    /// Its side of the traces.
    pub(super) spans: Option<Rc<Spans>>,
}

/// One request, from its first byte to when it is told of. Dropped before that is due, the request
/// was cut by our own end, and that is told.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Where it is told; nothing is noted without them.
    sinks: Option<Rc<Sinks>>,
    /// A request was read, and was not told of yet.
    is_due: bool,
    begun: Instant,
    /// What is known for its line from the beginning...
    text: Vec<u8>,
    /// ...and where in it goes what is known at the end.
    gap: usize,
    pub(super) notes: Notes,
    /// Bytes of the request's body.
    pub(super) received: u64,
}

/// What is noted of a request that will be told of, and nothing of any other: it has not even the
/// room for it.
#[derive(Debug, Default)]
pub(super) struct Notes(Option<Box<Noted>>);

/// What happened to a request.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The status that the client was sent.
    pub(super) status: Option<u16>,
    /// Bytes of the answer's body that the system took.
    pub(super) sent: u64,
    pub(super) held: Duration,
    /// How long it took to open the connection, if one was opened.
    pub(super) connect: Option<Duration>,
    /// When the head of the endpoint's answer had come.
    pub(super) answered: Option<Instant>,
    /// When the client's system had taken the whole answer, which is the end of the request.
    pub(super) delivered: Option<Instant>,
    pub(super) tries: u32,
    /// Whom it was sent to last.
    pub(super) upstream: Option<Rc<Upstream>>,
    pub(super) is_reused: bool,
    /// Whose doing it is that it failed, and what that is called.
    pub(super) failed: Option<(Side, &'static str)>,
    /// Its part of its trace.
    pub(super) journey: Journey,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) id: &'a RequestId,
    pub(super) client: IpAddr,
    /// The same as text, if it is at hand.
    pub(super) client_text: Option<&'a [u8]>,
    /// Who is at the other end of the socket.
    pub(super) peer: IpAddr,
    pub(super) said: Said<'a>,
}

/// What a client said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    /// A request, whose text is in `bytes`.
    Head { head: &'a RequestHead, bytes: &'a [u8] },
    /// Something else, or not all of it.
    Line(&'a [u8]),
}

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) begun: Instant,
    pub(super) at: Instant,
    pub(super) notes: &'a Noted,
    pub(super) received: u64,
}

impl Sinks {
    /// Hands over what has waited long enough, for as long as the thread runs.
    pub(super) async fn flush_in_time(&self) {
        let lines = async {
            if let Some(lines) = &self.lines {
                lines.flush_in_time().await;
            }
        };
        let spans = async {
            if let Some(spans) = &self.spans {
                spans.flush_in_time().await;
            }
        };
        tokio::join!(lines, spans);
    }

    /// Tells the operator of what was dropped. Called once a second.
    pub(super) fn tell_drops(&self) {
        self.lines.iter().for_each(Lines::tell_drops);
        self.spans.iter().for_each(|spans| spans.tell_drops());
    }
}

impl Asked<'_> {
    pub(super) fn push_client(&self, out: &mut Vec<u8>) {
        match self.client_text {
            Some(text) => out.extend_from_slice(text),
            None => push_address(out, self.client),
        }
    }
}

impl<'a> Said<'a> {
    /// What stands in the place of a request line.
    pub(super) fn first_line(bytes: &'a [u8]) -> Self {
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        Self::Line(&bytes[..end.unwrap_or(bytes.len())])
    }

    fn trace_parent(&self) -> Option<TraceParent> {
        match self {
            Self::Head { head, bytes } => head.trace_parent(bytes),
            Self::Line(_) => None,
        }
    }
}

impl Trail {
    /// Begins with another request, whose first byte has come.
    pub(super) fn begin(&mut self, sinks: Option<&Rc<Sinks>>) {
        let Some(sinks) = sinks else { return };
        self.sinks = Some(Rc::clone(sinks));
        self.begun = clock::now();
        self.received = 0;
        self.notes.begin();
    }

    /// Whether it is told anywhere.
    pub(super) fn is_kept(&self) -> bool {
        self.sinks.is_some()
    }

    /// The request was read, or refused: from here on it has to be told of.
    pub(super) fn open(&mut self, asked: &Asked<'_>) {
        let Some((sinks, notes)) = self.sinks.as_ref().zip(self.notes.0.as_mut()) else { return };
        let (parent, journey) = (asked.said.trace_parent(), &mut notes.journey);
        if let Some(spans) = &sinks.spans {
            journey.begin(spans, (self.begun, parent), asked);
        }
        if let Some(lines) = &sinks.lines {
            let trace = journey.trace().or(parent.map(|parent| parent.trace));
            self.text.clear();
            self.gap = lines.write_asked(&mut self.text, self.begun, asked, trace);
        }
        self.is_due = true;
    }

    /// Whether it has to be told of.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// The request has ended.
    pub(super) fn close(&mut self) {
        if std::mem::take(&mut self.is_due) {
            self.tell();
        }
    }

    /// By itself, so that without a log and traces a request does not even pay for the call.
    #[inline(never)]
    fn tell(&mut self) {
        let Some(notes) = &mut self.notes.0 else { return };
        let (begun, received) = (self.begun, self.received);
        let at = notes.delivered.unwrap_or_else(clock::now);
        if let Some(lines) = self.sinks.as_ref().and_then(|sinks| sinks.lines.as_ref()) {
            lines.add(self.text.split_at(self.gap), &Ended { begun, at, notes, received });
        }
        notes.end_journey(at);
        // It must not outlive what it is a part of.
        notes.upstream = None;
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if self.is_due {
            self.notes.note_stopped();
            self.close();
        }
    }
}

impl Notes {
    /// Begins anew, with the room that there is.
    fn begin(&mut self) {
        let noted = self.0.get_or_insert_default();
        let journey = std::mem::take(&mut noted.journey);
        **noted = Noted { journey, ..Noted::default() };
    }

    fn note(&mut self, how: impl FnOnce(&mut Noted)) {
        if let Some(noted) = &mut self.0 {
            how(noted);
        }
    }

    /// What the request says of its trace from here on.
    pub(super) fn onward(&self) -> Option<&TraceOnward> {
        self.0.as_ref()?.journey.onward()
    }

    /// Another endpoint is tried. Returns what the try is called in the trace, if it is recorded.
    pub(super) fn note_try(&mut self, upstream: &Rc<Upstream>) -> Option<SpanId> {
        let noted = self.0.as_mut()?;
        noted.tries += 1;
        noted.upstream = Some(Rc::clone(upstream));
        (noted.connect, noted.is_reused) = (None, false);
        noted.journey.begin_try()
    }

    /// There is a connection to it.
    pub(super) fn note_link(&mut self, link: &Link) {
        self.note(|noted| {
            (noted.connect, noted.is_reused) = (link.opened_in(), link.is_reused);
        });
    }

    /// The head of its answer has come.
    pub(super) fn note_answered(&mut self, status: u16) {
        self.note(|noted| {
            noted.answered = Some(clock::now());
            noted.journey.note_answer(status);
        });
    }

    /// The endpoint failed it; there may be another try.
    pub(super) fn note_setback(&mut self, failure: Failure) {
        self.note(|noted| {
            let error = Error::upstream(Kind::Endpoint(failure));
            noted.end_try(clock::now(), Some((error.side, error.name())));
        });
    }

    /// The client's system took a part of the answer, so many bytes of whose body.
    pub(super) fn note_sent(&mut self, status: u16, bytes: u64) {
        self.note(|noted| {
            noted.status = Some(status);
            noted.sent += bytes;
        });
    }

    /// The client's system took a part of what follows the answer that switched protocols.
    pub(super) fn note_carried(&mut self, bytes: u64) {
        self.note(|noted| noted.sent += bytes);
    }

    /// The client's system had taken the whole answer then.
    pub(super) fn note_delivered(&mut self, at: Instant) {
        self.note(|noted| noted.delivered = Some(at));
    }

    /// It has waited for an endpoint.
    pub(super) fn note_held(&mut self, time: Duration) {
        self.note(|noted| noted.held += time);
    }

    /// It failed.
    pub(super) fn note_failed(&mut self, error: Error) {
        self.note_ended_by(error.side, error.name());
    }

    /// One side has ended it, in this way.
    pub(super) fn note_ended_by(&mut self, side: Side, how: &'static str) {
        self.note(|noted| noted.failed = Some((side, how)));
    }

    /// We stop, whatever becomes of it.
    fn note_stopped(&mut self) {
        self.note(|noted| {
            noted.failed.get_or_insert(STOPPED);
        });
    }
}

impl Noted {
    fn end_try(&mut self, at: Instant, failed: Option<(Side, &'static str)>) {
        let Some(upstream) = &self.upstream else { return };
        let before = self.tries.saturating_sub(1);
        self.journey.end_try(&TryEnded { at, upstream, before, failed });
    }

    fn end_journey(&mut self, at: Instant) {
        self.end_try(at, self.failed);
        let mut journey = std::mem::take(&mut self.journey);
        journey.end(at, self);
        self.journey = journey;
    }
}

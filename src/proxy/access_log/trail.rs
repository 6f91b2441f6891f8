//! What is noted of one request on its way, for its line.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::lines::Lines;
use crate::clock::{self, Instant};
use crate::http1::{RequestHead, RequestId, TRACEPARENT, push_address, trace_id};
use crate::proxy::error::{Error, Side};
use crate::proxy::upstream::{Link, Upstream};

/// What a request is called that we cut because we stop.
const STOPPED: (Side, &str) = (Side::Balancer, "balancer_stopped");

/// One request, from its first byte to its line. Dropped before the line is due to be written, the
/// request was cut by our own end, and the line says so.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Trail {
    /// Where the line goes; nothing is noted without it.
    lines: Option<Rc<Lines>>,
    /// A request was read, and has no line yet.
    is_due: bool,
    begun: Instant,
    /// What is known from the beginning, written down...
    text: Vec<u8>,
    /// ...and where in it goes what is known at the end.
    gap: usize,
    pub(in crate::proxy) notes: Notes,
    /// Bytes of the request's body.
    pub(in crate::proxy) received: u64,
}

/// What happened to a request.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Notes {
    is_kept: bool,
    /// The status that the client was sent.
    pub(in crate::proxy) status: Option<u16>,
    /// Bytes of the answer's body that the system took.
    pub(in crate::proxy) sent: u64,
    pub(super) held: Duration,
    /// How long it took to open the connection, if one was opened.
    pub(super) connect: Option<Duration>,
    /// When the head of the endpoint's answer had come.
    pub(super) answered: Option<Instant>,
    pub(super) tries: u32,
    /// Whom it was sent to last.
    pub(super) upstream: Option<Rc<Upstream>>,
    pub(super) is_reused: bool,
    /// Whose doing it is that it failed, and what that is called.
    pub(super) failed: Option<(Side, &'static str)>,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Asked<'a> {
    pub(in crate::proxy) id: &'a RequestId,
    pub(in crate::proxy) client: IpAddr,
    /// The same as text, if it is at hand.
    pub(in crate::proxy) client_text: Option<&'a [u8]>,
    /// Who is at the other end of the socket.
    pub(in crate::proxy) peer: IpAddr,
    pub(in crate::proxy) said: Said<'a>,
}

/// What a client said.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) enum Said<'a> {
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
    pub(super) notes: &'a Notes,
    pub(super) received: u64,
}

impl Asked<'_> {
    pub(super) fn push_client(&self, out: &mut Vec<u8>) {
        match self.client_text {
            Some(text) => out.extend_from_slice(text),
            None => push_address(out, self.client),
        }
    }
}

impl Trail {
    /// Begins with another request, whose first byte has come.
    pub(in crate::proxy) fn begin(&mut self, lines: Option<&Rc<Lines>>) {
        let Some(lines) = lines else { return };
        self.lines = Some(Rc::clone(lines));
        self.begun = clock::now();
        self.received = 0;
        self.notes = Notes { is_kept: true, ..Notes::default() };
    }

    /// Whether there is a log.
    pub(in crate::proxy) fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// The request was read, or refused: from here on a line is due.
    pub(in crate::proxy) fn open(&mut self, asked: &Asked<'_>) {
        let Some(lines) = &self.lines else { return };
        self.text.clear();
        self.gap = lines.write_asked(&mut self.text, self.begun, asked);
        self.is_due = true;
    }

    /// Whether a line has to be written.
    pub(in crate::proxy) fn is_due(&self) -> bool {
        self.is_due
    }

    /// The request has ended.
    pub(in crate::proxy) fn close(&mut self) {
        if std::mem::take(&mut self.is_due) {
            self.write_line();
        }
    }

    /// By itself, so that without a log a request does not even pay for the call.
    #[inline(never)]
    fn write_line(&mut self) {
        let Self { begun, ref notes, received, .. } = *self;
        let ended = Ended { begun, at: clock::now(), notes, received };
        if let Some(lines) = &self.lines {
            lines.add(self.text.split_at(self.gap), &ended);
        }
        // It must not outlive what it is a part of.
        self.notes.upstream = None;
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if self.is_due {
            self.notes.failed.get_or_insert(STOPPED);
            self.close();
        }
    }
}

impl Notes {
    /// Another endpoint is tried.
    pub(in crate::proxy) fn note_try(&mut self, upstream: &Rc<Upstream>) {
        if self.is_kept {
            self.tries += 1;
            self.upstream = Some(Rc::clone(upstream));
            (self.connect, self.is_reused) = (None, false);
        }
    }

    /// There is a connection to it.
    pub(in crate::proxy) fn note_link(&mut self, link: &Link) {
        (self.connect, self.is_reused) = (link.opened_in(), link.is_reused);
    }

    /// The head of its answer has come.
    pub(in crate::proxy) fn note_answered(&mut self) {
        if self.is_kept {
            self.answered = Some(clock::now());
        }
    }

    /// The client's system took a part of the answer, so many bytes of whose body.
    pub(in crate::proxy) fn note_sent(&mut self, status: u16, bytes: u64) {
        self.status = Some(status);
        self.sent += bytes;
    }

    /// It has waited for an endpoint.
    pub(in crate::proxy) fn note_held(&mut self, time: Duration) {
        self.held += time;
    }

    /// It failed.
    pub(in crate::proxy) fn note_failed(&mut self, error: Error) {
        self.note_ended_by(error.side, error.name());
    }

    /// One side has ended it, in this way.
    pub(in crate::proxy) fn note_ended_by(&mut self, side: Side, how: &'static str) {
        self.failed = Some((side, how));
    }
}

/// What a head says that is told of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quoted<'b> {
    /// The first `User-Agent`.
    pub(super) user_agent: Option<&'b [u8]>,
    /// The first `Referer`.
    pub(super) referer: Option<&'b [u8]>,
    /// The trace that it belongs to.
    pub(super) trace_id: Option<&'b [u8]>,
}

impl<'b> Quoted<'b> {
    pub(super) fn of(head: &RequestHead, bytes: &'b [u8]) -> Self {
        let (mut quoted, mut parents) = (Self::default(), 0);
        for (name, value) in head.headers(bytes) {
            match name.len() {
                10 if name.eq_ignore_ascii_case(b"user-agent") => {
                    quoted.user_agent.get_or_insert(value);
                }
                7 if name.eq_ignore_ascii_case(b"referer") => {
                    quoted.referer.get_or_insert(value);
                }
                11 if name.eq_ignore_ascii_case(TRACEPARENT) => {
                    parents += 1;
                    quoted.trace_id = trace_id(value);
                }
                _ => {}
            }
        }
        // Of two nobody knows which one is meant (Trace Context §3.2.1).
        quoted.trace_id = quoted.trace_id.filter(|_| parents == 1);
        quoted
    }
}

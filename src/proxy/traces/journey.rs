//! One request's part of its trace: whether it is recorded, and what is known of it by now.

use std::rc::Rc;
use std::time::Duration;

use super::span::{
    Identity, SpanKind, Times, Try, push_asked, push_ended, push_identity, push_method,
    push_target, push_try,
};
use super::spans::Spans;
use crate::clock::{self, Instant};
use crate::http1::{Method, SpanId, TraceBegun, TraceFlags, TraceId, TraceOnward, TraceParent};
use crate::proxy::error::Side;
use crate::proxy::trail::{Asked, Noted, Said};
use crate::proxy::upstream::Upstream;

/// One request's part of its trace.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Journey {
    course: Course,
    /// What the request's own span says from the beginning.
    asked: Vec<u8>,
    /// Its path and query, and what else the spans of all its tries say.
    target: Vec<u8>,
    method: Vec<u8>,
}

/// What is told of it.
#[derive(Debug, Default)]
enum Course {
    /// Nothing: what it says of a trace, which others may record, passes as it is.
    #[default]
    Untouched,
    /// Nothing, and whoever gets it is told that its trace is not recorded.
    Unrecorded(TraceOnward),
    /// Spans.
    Recorded(Recorded),
}

/// A request that is recorded.
#[derive(Debug)]
struct Recorded {
    spans: Rc<Spans>,
    /// The trace, and the request's own span in it.
    onward: TraceOnward,
    parent: Option<SpanId>,
    method: Method,
    begun: Instant,
    /// The same by the calendar.
    wall: Duration,
    attempt: Option<Attempt>,
}

/// A try that is under way.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    span: SpanId,
    begun: Instant,
    status: Option<u16>,
}

/// A try that has ended.
#[derive(Debug)]
pub(in crate::proxy) struct TryEnded<'a> {
    pub(in crate::proxy) at: Instant,
    pub(in crate::proxy) upstream: &'a Upstream,
    /// Tries before it.
    pub(in crate::proxy) before: u32,
    pub(in crate::proxy) failed: Option<(Side, &'static str)>,
}

impl Journey {
    /// Begins with a request that was read, or refused.
    pub(in crate::proxy) fn begin(
        &mut self,
        spans: &Rc<Spans>,
        (begun, parent): (Instant, Option<TraceParent>),
        asked: &Asked<'_>,
    ) {
        self.course = match parent {
            Some(parent) if !parent.flags.is_sampled() => Course::Untouched,
            _ => match onward(spans, parent) {
                onward if onward.parent.flags.is_sampled() => {
                    let parent = parent.map(|parent| parent.span);
                    Course::Recorded(Recorded::new(spans, onward, parent, (begun, asked)))
                }
                onward => Course::Unrecorded(onward),
            },
        };
        if matches!(self.course, Course::Recorded(_)) {
            self.note_asked(asked);
        }
    }

    /// What the request says of its trace when it goes on, if not what it said when it came.
    pub(in crate::proxy) fn onward(&self) -> Option<&TraceOnward> {
        match &self.course {
            Course::Untouched => None,
            Course::Unrecorded(onward) | Course::Recorded(Recorded { onward, .. }) => Some(onward),
        }
    }

    /// The trace, if we had a part in it.
    pub(in crate::proxy) fn trace(&self) -> Option<TraceId> {
        self.onward().map(|onward| onward.parent.trace)
    }

    /// Another endpoint is tried. Returns what the try is called, if it is recorded.
    pub(in crate::proxy) fn begin_try(&mut self) -> Option<SpanId> {
        let Course::Recorded(recorded) = &mut self.course else { return None };
        let span = recorded.spans.new_span();
        recorded.attempt = Some(Attempt { span, begun: clock::now(), status: None });
        Some(span)
    }

    /// The head of an answer has come.
    pub(in crate::proxy) fn note_answer(&mut self, status: u16) {
        if let Course::Recorded(Recorded { attempt: Some(attempt), .. }) = &mut self.course {
            attempt.status = Some(status);
        }
    }

    /// The try is over, if one is under way.
    pub(in crate::proxy) fn end_try(&mut self, ended: &TryEnded<'_>) {
        let Self { course: Course::Recorded(recorded), target, method, .. } = self else { return };
        let Some(Attempt { span, begun, status }) = recorded.attempt.take() else { return };
        let TryEnded { at, upstream, before, failed } = *ended;
        let TraceParent { trace, span: parent, .. } = recorded.onward.parent;
        let identity = Identity { trace, span, parent: Some(parent), kind: SpanKind::Client };
        let times = recorded.times(begun, at);
        recorded.spans.add(|out| {
            push_identity(out, &identity, recorded.method, times);
            out.extend_from_slice(method);
            push_try(out, &Try { upstream, before, status, failed, target });
        });
    }

    /// The request is over.
    pub(in crate::proxy) fn end(&mut self, at: Instant, notes: &Noted) {
        let Course::Recorded(recorded) = std::mem::take(&mut self.course) else { return };
        let TraceParent { trace, span, .. } = recorded.onward.parent;
        let identity = Identity { trace, span, parent: recorded.parent, kind: SpanKind::Server };
        let times = recorded.times(recorded.begun, at);
        recorded.spans.add(|out| {
            push_identity(out, &identity, recorded.method, times);
            out.extend_from_slice(&self.asked);
            push_ended(out, notes);
        });
    }

    /// Writes down what the request says, before its text is gone.
    fn note_asked(&mut self, asked: &Asked<'_>) {
        let Self { asked: text, target, method, .. } = self;
        [&mut *text, &mut *target, &mut *method].into_iter().for_each(Vec::clear);
        if let Said::Head { head, bytes } = asked.said {
            push_target(target, head, bytes);
            push_method(method, head.method(), head.method_token(bytes));
        }
        push_asked(text, asked, target);
    }
}

impl Recorded {
    fn new(
        spans: &Rc<Spans>,
        onward: TraceOnward,
        parent: Option<SpanId>,
        (begun, asked): (Instant, &Asked<'_>),
    ) -> Self {
        let method = match asked.said {
            Said::Head { head, .. } => head.method(),
            Said::Line(_) => Method::Other,
        };
        let wall = clock::wall().saturating_sub(clock::now().since(begun));
        Self { spans: Rc::clone(spans), onward, parent, method, begun, wall, attempt: None }
    }

    fn times(&self, start: Instant, end: Instant) -> Times {
        let nanos = |at: Instant| {
            let since = self.wall + at.since(self.begun);
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        Times { start: nanos(start), end: nanos(end) }
    }
}

/// The trace that the request came with, or a new one; and in it the request's own span.
fn onward(spans: &Spans, parent: Option<TraceParent>) -> TraceOnward {
    let span = spans.new_span();
    if let Some(parent) = parent {
        return TraceOnward { parent: TraceParent { span, ..parent }, begun: TraceBegun::Before };
    }
    let trace = spans.new_trace();
    let is_taken = spans.sampling().takes(trace);
    let flags = if is_taken { TraceFlags::SAMPLED } else { TraceFlags::default() };
    TraceOnward { parent: TraceParent { trace, span, flags }, begun: TraceBegun::Here }
}

//! Spans as a collector reads them, and what they cost the thread that writes them.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use allocation_counter::measure;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::sync::mpsc;

use super::span::{export, resource};
use super::*;
use crate::http1::{Limits, Progress, RequestHead, RequestId};
use crate::proxy::counters::{Tally, sum};
use crate::proxy::trail::{Asked, Said, Sinks, Trail};

/// What a thread tells its traces by, where they go, and what is counted.
type Way = (Rc<Sinks>, mpsc::Receiver<Batch>, Arc<Tally>);

/// A thread's traces, and the queue that they go to, which has room for `room` batches.
fn sinks(room: usize) -> Way {
    let (outlet, queue) = mpsc::channel(room);
    let tally = Arc::new(Tally::default());
    let spans = Spans::new((outlet, Sampling::of_ratio(1.0)), 7, Arc::clone(&tally));
    (Rc::new(Sinks { lines: None, spans: Some(Rc::new(spans)) }), queue, tally)
}

/// A request whose head has been read.
struct Request {
    head: RequestHead,
    text: Vec<u8>,
    id: RequestId,
}

impl Request {
    fn new(target: &[u8], agent: &[u8]) -> Self {
        let parts: [&[u8]; 5] =
            [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\nUser-Agent: ", agent, b"\r\n\r\n"];
        let (text, mut head) = (parts.concat(), RequestHead::default());
        assert_eq!(head.parse(&text, &Limits::default()), Ok(Progress::Complete));
        Self { head, text, id: RequestId::from_draw(7) }
    }

    /// What a session notes of it when it is refused.
    fn pass(&self, trail: &mut Trail, sinks: Option<&Rc<Sinks>>) {
        let client = IpAddr::from([192, 0, 2, 7]);
        trail.begin(sinks);
        if trail.is_kept() {
            let said = Said::Head { head: &self.head, bytes: &self.text };
            trail.open(&Asked { id: &self.id, client, client_text: None, peer: client, said });
        }
        trail.notes.note_answered(503);
        trail.notes.note_sent(503, 0);
        trail.close();
    }
}

/// The spans of all batches that were handed over.
fn read(queue: &mut mpsc::Receiver<Batch>) -> Vec<Span> {
    let teller = Teller { role: "balancer", instance: None };
    let batches: Vec<Batch> = std::iter::from_fn(|| queue.try_recv().ok()).collect();
    let told: u64 = batches.iter().map(|batch| batch.spans).sum();
    let bytes: Vec<u8> = batches.into_iter().flat_map(|batch| batch.bytes).collect();
    let read = ExportTraceServiceRequest::decode(&*export(&resource("x", &teller), &bytes));
    let [ref of_resource] = read.unwrap().resource_spans[..] else { panic!("one of us") };
    let [ref of_scope] = of_resource.scope_spans[..] else { panic!("one scope") };
    assert_eq!(of_scope.spans.len() as u64, told);
    of_scope.spans.clone()
}

#[test]
fn no_byte_that_a_client_sends_makes_an_export_unreadable() {
    let (sinks, mut queue, _) = sinks(1);
    let (long, letters) = ([b"/?".as_slice(), &b"x".repeat(3000)].concat(), "ã".repeat(1000));
    let mut trail = Trail::default();
    for (target, agent) in [(b"/".as_slice(), b"a\xffb".as_slice()), (&long, letters.as_bytes())] {
        Request::new(target, agent).pass(&mut trail, Some(&sinks));
    }
    drop((trail, sinks));
    let spans = read(&mut queue);
    let texts = spans.iter().flat_map(|span| &span.attributes);
    assert_eq!(spans.len(), 2);
    assert!(texts.clone().count() > 20 && texts.map(Message::encoded_len).max() < Some(1100));
}

#[test]
fn what_the_queue_has_no_room_for_is_dropped_and_counted() {
    const REQUESTS: u64 = 2000;
    let (sinks, mut queue, tally) = sinks(1);
    let (request, mut trail) = (Request::new(b"/a?b=c", b"curl/8"), Trail::default());
    for _ in 0..REQUESTS {
        request.pass(&mut trail, Some(&sinks));
    }
    drop((trail, sinks));
    let kept = read(&mut queue).len() as u64;
    let dropped = sum([&*tally].into_iter()).unexported;
    assert!(kept > 0 && dropped > 0, "{kept} were kept and {dropped} dropped");
    assert_eq!(kept + dropped, REQUESTS);
}

#[test]
fn a_request_allocates_nothing_with_traces_or_without() {
    let (sinks, _queue, _) = sinks(1);
    let (request, mut trail) = (Request::new(b"/a?b=c", b"curl/8"), Trail::default());
    for sinks in [None, Some(&sinks)] {
        // The first one makes the memory that the others find.
        request.pass(&mut trail, sinks);
        let cost = measure(|| request.pass(&mut trail, sinks));
        assert_eq!(cost.count_total, 0, "{sinks:?}: {cost:?}");
    }
}

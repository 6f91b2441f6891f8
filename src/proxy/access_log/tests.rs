//! Whole lines, read back by programs that were written for others.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::lines::BATCH_BYTES;
use super::writer::Message;
use super::*;
use crate::http1::{Limits, Progress, RequestHead, RequestId};
use crate::proxy::counters::{Tally, sum};
use crate::proxy::trail::{Asked, Said, Sinks, Trail};
use crate::proxy::{Error, Failure, Kind};

/// What the lines of a thread are sent to.
struct Queue {
    messages: Receiver<Message>,
    tally: Arc<Tally>,
}

/// A thread's lines, and the queue they go to, which has room for `room` batches.
fn lines(format: LogFormat, room: usize) -> (Rc<Sinks>, Queue) {
    let (queue, messages) = sync_channel(room);
    let (_, spares) = sync_channel(1);
    let tally = Arc::new(Tally::default());
    let outlet = Outlet { thread: 0, format, queue, spares };
    let lines = Some(Lines::new(outlet, Arc::clone(&tally)));
    (Rc::new(Sinks { lines, spans: None }), Queue { messages, tally })
}

impl Queue {
    /// Everything that was handed over.
    fn text(&self) -> String {
        let batches = self.messages.try_iter().map(|message| match message {
            Message::Batch(batch) => {
                let text = String::from_utf8(batch.bytes).unwrap();
                assert_eq!(text.lines().count() as u64, batch.lines, "{text}");
                text
            }
            Message::Wake => panic!("nobody asked for it"),
        });
        batches.collect()
    }
}

fn asked<'a>(id: &'a RequestId, said: Said<'a>) -> Asked<'a> {
    let client = IpAddr::from([192, 0, 2, 7]);
    Asked { id, client, client_text: None, peer: client, said }
}

/// The line of one request.
fn line(format: LogFormat, said: Said<'_>, note: impl FnOnce(&mut Trail)) -> String {
    let (lines, queue) = lines(format, 1);
    let mut trail = Trail::default();
    trail.begin(Some(&lines));
    trail.open(&asked(&RequestId::from_draw(7), said));
    note(&mut trail);
    trail.close();
    drop((trail, lines));
    queue.text()
}

/// A request whose parts are these bytes, if it is one.
fn head(target: &[u8], agent: &[u8]) -> Option<(RequestHead, Vec<u8>)> {
    let parts: [&[u8]; 5] =
        [b"GET /", target, b" HTTP/1.1\r\nHost: a\r\nUser-Agent: ", agent, b"\r\n\r\n"];
    let (bytes, mut head) = (parts.concat(), RequestHead::default());
    let parsed = head.parse(&bytes, &Limits::default());
    matches!(parsed, Ok(Progress::Complete)).then_some((head, bytes))
}

/// What a client said: a request, or else just these bytes.
fn said<'a>(request: Option<&'a (RequestHead, Vec<u8>)>, otherwise: &'a [u8]) -> Said<'a> {
    match request {
        Some((head, bytes)) => Said::Head { head, bytes },
        None => Said::Line(otherwise),
    }
}

/// The fields of a line of `combined`: client, time, request, status, sent, referer, user agent.
fn split_combined(line: &str) -> Option<[&str; 7]> {
    let (client, rest) = line.strip_suffix('\n')?.split_once(" - - [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (status, rest) = rest.split_once(' ')?;
    let (sent, rest) = rest.split_once(" \"")?;
    let (referer, rest) = rest.split_once("\" \"")?;
    let agent = rest.strip_suffix('"')?;
    let fields = [client, time, request, status, sent, referer, agent];
    fields.iter().all(|field| !field.contains(['"', '\n'])).then_some(fields)
}

#[test]
fn a_line_of_json_has_all_that_was_noted() {
    let (head, bytes) = head(b"a?b", b"curl").unwrap();
    let said = Said::Head { head: &head, bytes: &bytes };
    let text = line(LogFormat::Json, said, |trail| {
        trail.received = 1;
        trail.notes.note_sent(502, u64::MAX);
        trail.notes.note_held(Duration::from_micros(5));
        let error = Error::upstream(Kind::Endpoint(Failure::Reset));
        trail.notes.note_failed(error);
    });
    let mut line: Value = serde_json::from_str(&text).unwrap();
    for measured in ["time", "total_us"] {
        assert_ne!(line[measured].take(), Value::Null, "{text}");
    }
    let expected = json!({
        "time": null, "id": "00000000000000000000000000000007", "client": "192.0.2.7",
        "method": "GET", "target": "/a?b", "version": "1.1", "host": "a", "user_agent": "curl",
        "status": 502, "received": 1, "sent": u64::MAX, "hold_us": 5, "total_us": null, "tries": 0,
        "side": "server", "error": "connection_terminated",
    });
    assert_eq!(line, expected);
}

#[test]
fn a_line_of_combined_has_a_dash_for_what_is_unknown() {
    let text = line(LogFormat::Combined, Said::Line(b""), |_| {});
    let [client, _, request, rest @ ..] = split_combined(&text).unwrap();
    assert_eq!((client, request, rest), ("192.0.2.7", "-", ["-", "0", "-", "-"]));
}

#[test]
fn a_request_that_is_dropped_on_the_way_has_a_line() {
    let (lines, queue) = lines(LogFormat::Json, 1);
    let mut trail = Trail::default();
    trail.begin(Some(&lines));
    trail.open(&asked(&RequestId::from_draw(7), Said::Line(b"")));
    drop((trail, lines));
    let line: Value = serde_json::from_str(&queue.text()).unwrap();
    assert_eq!((&line["side"], &line["error"]), (&"balancer".into(), &"balancer_stopped".into()));
}

#[test]
fn without_a_log_nothing_is_noted() {
    let mut trail = Trail::default();
    trail.begin(None);
    trail.open(&asked(&RequestId::from_draw(7), Said::Line(b"x")));
    trail.notes.note_answered(200);
    assert!(format!("{trail:?}").contains("Notes(None)"), "{trail:?}");
    trail.close();
}

#[test]
fn what_finds_the_queue_full_is_dropped_whole_and_counted() {
    let (lines, queue) = lines(LogFormat::Json, 1);
    let add = || {
        let mut trail = Trail::default();
        trail.begin(Some(&lines));
        trail.open(&asked(&RequestId::from_draw(7), Said::Line(b"x")));
        trail.close();
    };
    let unlogged = || sum([queue.tally.as_ref()].into_iter()).unlogged;
    let mut written = 0;
    while unlogged() == 0 {
        add();
        written += 1;
    }
    let dropped = unlogged();
    let first = queue.text();
    assert!(first.len() <= BATCH_BYTES, "a batch has grown");
    assert_eq!(first.lines().count() as u64 + dropped, written);
    // There is room again.
    while queue.messages.try_recv().is_err() {
        add();
    }
    assert_eq!(unlogged(), dropped);
}

proptest! {
    #[test]
    fn whatever_a_client_writes_is_one_line_of_json(
        target in prop::collection::vec(b'!'..=b'~', 0..3000),
        agent in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let head = head(&target, &agent);
        let said = said(head.as_ref(), &agent);
        let text = line(LogFormat::Json, said, |_| {});
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(text.len() < BATCH_BYTES / 2, "{}", text.len());
        let line: Value = serde_json::from_str(&text).unwrap();
        let field = if head.is_some() { "user_agent" } else { "line" };
        let shown = line[field].as_str().unwrap();
        let whole = String::from_utf8_lossy(agent.trim_ascii()).into_owned();
        let raw = String::from_utf8_lossy(&agent).into_owned();
        let is_shown = |of: &str| shown == of
            || shown.strip_suffix("...").is_some_and(|start| !start.is_empty());
        prop_assert!(is_shown(&whole) || is_shown(&raw), "{:?} is not {:?}", shown, raw);
    }

    #[test]
    fn whatever_a_client_writes_is_one_line_of_combined(
        target in prop::collection::vec(b'!'..=b'~', 0..3000),
        agent in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let head = head(&target, &agent);
        let said = said(head.as_ref(), &agent);
        let text = line(LogFormat::Combined, said, |trail| trail.notes.note_sent(200, 0));
        prop_assert!(text.strip_suffix('\n').unwrap().bytes().all(|byte| byte.is_ascii_graphic()
            || byte == b' '));
        let fields = split_combined(&text);
        prop_assert!(fields.is_some(), "{}", text);
        prop_assert_eq!(&fields.unwrap()[3..5], &["200", "0"]);
    }
}

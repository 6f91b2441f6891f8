//! The oracle of request heads.

use crate::http1::{Hops, Limits, Progress, Refusal, RequestHead};
use crate::reference::Outcome;
use crate::reference::framing::{Framing, Version};
use crate::reference::head::Field;
use crate::reference::request::{self, Request};

use super::verdict::{self, Verdict};
use super::{LIMITS, arrival, bounds, closes, fields, forwarded, framing, version};

/// What is read from a head and must not depend on who reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) len: usize,
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) version: Version,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) framing: Framing,
    pub(super) closes: bool,
    pub(super) expects_continue: bool,
    pub(super) hops: Option<u64>,
    pub(super) asks_upgrade: bool,
    pub(super) request_id: Option<Vec<u8>>,
}

/// Leaves something of everything in a head, which the next request must not see. What it points
/// to is far from the start, so that a shorter input has nothing there.
const BEFORE: &[u8] = b"OPTIONS http://before HTTP/1.0\r\nHost: before\r\nContent-Length: 9\r\n\
    Max-Forwards: 3\r\nUpgrade: before\r\nVia: 1.0 cloudaps\r\nX-Request-Id: before\r\nX: y\r\n\
    Connection: keep-alive, before\r\n\r\n";

/// Any bytes as the head of a request.
pub(crate) fn request_head(input: &[u8]) {
    for limits in &LIMITS {
        check(input, limits);
    }
    let mut head = used_head();
    let read = head.parse(input, &LIMITS[0]) == Ok(Progress::Complete);
    if let (true, Outcome::Read(request)) = (read, request::read(input, &bounds(&LIMITS[0]))) {
        forwarded::check(input, &head, &request);
    }
}

/// A head that has been used for another request, as on a connection that is kept.
fn used_head() -> RequestHead {
    let mut head = RequestHead::default();
    assert_eq!(head.parse(BEFORE, &LIMITS[0]), Ok(Progress::Complete));
    head.clear();
    head
}

fn check(input: &[u8], limits: &Limits) {
    let mut head = RequestHead::default();
    let progress = head.parse(input, limits);
    let whole = verdict(progress, &head, input);
    let reference = request::read(input, &bounds(limits));
    verdict::agree(input, &whole, &expected(&reference), |completed| {
        matches!(request::read(completed, &bounds(limits)), Outcome::Read(_))
    });
    match progress {
        Ok(Progress::Incomplete) => arrival::assert_no_end(input),
        Ok(Progress::Complete) => {}
        Err(_) => assert_stays_refused(&mut head, input, limits),
    }
    for ends in arrival::ways(input) {
        check_pieces(input, &ends, limits, &whole, &reference);
    }
}

fn check_pieces(
    input: &[u8],
    ends: &[usize],
    limits: &Limits,
    whole: &Verdict<Told<'_>>,
    reference: &Outcome<Request<'_>>,
) {
    let mut head = used_head();
    let said = arrival::arrive(input, ends, |bytes| head.parse(bytes, limits));
    arrival::agree(input, whole, said, reference);
    if let (Ok(Some(whole)), (Ok(Progress::Complete), arrived)) = (whole, said) {
        let first = ends.iter().find(|&&end| end >= whole.len);
        assert_eq!(Some(&arrived), first, "late: {}", verdict::show(input));
        let pieces = told(&head, &input[..arrived]);
        assert_eq!(&pieces, whole, "in pieces: {}", verdict::show(input));
    }
}

/// Whatever follows a head that was refused is no part of a request.
fn assert_stays_refused(head: &mut RequestHead, input: &[u8], limits: &Limits) {
    let more = [input, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let said = head.parse(&more, limits);
    assert!(said.is_err(), "went on after a refusal: {}", verdict::show(input));
}

fn verdict<'a>(
    progress: Result<Progress, Refusal>,
    head: &RequestHead,
    input: &'a [u8],
) -> Verdict<Told<'a>> {
    progress.map(|progress| (progress == Progress::Complete).then(|| told(head, input)))
}

/// What the codec read.
pub(super) fn told<'a>(head: &RequestHead, input: &'a [u8]) -> Told<'a> {
    assert!(head.len() <= input.len(), "a head longer than the input");
    Told {
        len: head.len(),
        method: head.method_token(input),
        path: head.path(input),
        version: version(head.version()),
        fields: fields(head.headers(input)),
        host: head.host(input),
        framing: framing(head.framing()),
        closes: closes(head.persistence()),
        expects_continue: head.expects_continue(),
        hops: match head.hops() {
            Hops::Unlimited => None,
            Hops::Left(left) => Some(left),
            Hops::Exhausted => Some(0),
        },
        asks_upgrade: head.asks_upgrade(),
        request_id: head.request_id(input).map(|id| id.as_bytes().to_vec()),
    }
}

/// What the reference read.
pub(super) fn expected<'a>(outcome: &Outcome<Request<'a>>) -> Outcome<Told<'a>> {
    match outcome {
        Outcome::Incomplete => Outcome::Incomplete,
        Outcome::Refused(rule) => Outcome::Refused(rule),
        Outcome::Read(request) => Outcome::Read(Told {
            len: request.head.len,
            method: request.method,
            path: request.path,
            version: request.version,
            fields: request.head.fields.clone(),
            host: request.host,
            framing: request.framing,
            closes: request.closes,
            expects_continue: request.expects_continue,
            hops: request.hops,
            asks_upgrade: request.asks_upgrade,
            request_id: request.request_id.map(<[u8]>::to_vec),
        }),
    }
}

//! The oracle of response heads.

use crate::http1::{Limits, Method, Progress, Refusal, ResponseHead};
use crate::reference::Outcome;
use crate::reference::framing::{Framing, ToHead, Version};
use crate::reference::head::Field;
use crate::reference::response::{self, Response};

use super::verdict::{self, Verdict};
use super::{LIMITS, arrival, bounds, closes, fields, framing, returned, version};

/// What is read from a head and must not depend on who reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) len: usize,
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) framing: Framing,
    pub(super) closes: bool,
}

/// Leaves something of everything in a head, which the next response must not see. What it points
/// to is far from the start, so that a shorter input has nothing there.
const BEFORE: &[u8] = b"HTTP/1.0 203 Before\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\
    Upgrade: before\r\nX: y\r\nDate: before\r\nConnection: close, before\r\n\r\n";

/// Any bytes as the head of the response to a GET, and to a HEAD.
pub(crate) fn response_head(input: &[u8]) {
    for method in [Method::Get, Method::Head] {
        for limits in &LIMITS {
            check(input, limits, method);
        }
        let mut head = used_head();
        let read = head.parse(input, &LIMITS[0], method) == Ok(Progress::Complete);
        let outcome = response::read(input, &bounds(&LIMITS[0]), to_head(method));
        if let (true, Outcome::Read(response)) = (read, outcome) {
            returned::check(input, &head, &response, method);
        }
    }
}

pub(super) fn to_head(method: Method) -> ToHead {
    if method == Method::Head { ToHead::Yes } else { ToHead::No }
}

/// A head that has been used for another response, as on a connection that is kept.
fn used_head() -> ResponseHead {
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(BEFORE, &LIMITS[0], Method::Post), Ok(Progress::Complete));
    head.clear();
    head
}

fn check(input: &[u8], limits: &Limits, method: Method) {
    let mut head = ResponseHead::default();
    let progress = head.parse(input, limits, method);
    let whole = verdict(progress, &head, input);
    let read = |input| response::read(input, &bounds(limits), to_head(method));
    let reference = read(input);
    verdict::agree(input, &whole, &expected(&reference), |completed| {
        matches!(response::read(completed, &bounds(limits), to_head(method)), Outcome::Read(_))
    });
    match progress {
        Ok(Progress::Incomplete) => arrival::assert_no_end(input),
        Ok(Progress::Complete) => {}
        Err(_) => {
            let more = [input, b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"].concat();
            let said = head.parse(&more, limits, method);
            assert!(said.is_err(), "went on after a refusal: {}", verdict::show(input));
        }
    }
    for ends in arrival::ways(input) {
        let mut head = used_head();
        let said = arrival::arrive(input, &ends, |bytes| head.parse(bytes, limits, method));
        arrival::agree(input, &whole, said, &reference);
        check_pieces(input, &ends, &whole, &head, said.1);
    }
}

fn check_pieces(
    input: &[u8],
    ends: &[usize],
    whole: &Verdict<Told<'_>>,
    head: &ResponseHead,
    arrived: usize,
) {
    if let Ok(Some(whole)) = whole {
        let first = ends.iter().find(|&&end| end >= whole.len);
        assert_eq!(Some(&arrived), first, "late: {}", verdict::show(input));
        let pieces = told(head, &input[..arrived]);
        assert_eq!(&pieces, whole, "in pieces: {}", verdict::show(input));
    }
}

fn verdict<'a>(
    progress: Result<Progress, Refusal>,
    head: &ResponseHead,
    input: &'a [u8],
) -> Verdict<Told<'a>> {
    progress.map(|progress| (progress == Progress::Complete).then(|| told(head, input)))
}

/// What the codec read.
pub(super) fn told<'a>(head: &ResponseHead, input: &'a [u8]) -> Told<'a> {
    assert!(head.len() <= input.len(), "a head longer than the input");
    assert_eq!(head.switches(), head.status() == 101);
    assert_eq!(head.is_interim(), head.status() < 200 && !head.switches());
    Told {
        len: head.len(),
        version: version(head.version()),
        status: head.status(),
        fields: fields(head.headers(input)),
        framing: framing(head.framing()),
        closes: closes(head.persistence()),
    }
}

/// What the reference read.
pub(super) fn expected<'a>(outcome: &Outcome<Response<'a>>) -> Outcome<Told<'a>> {
    match outcome {
        Outcome::Incomplete => Outcome::Incomplete,
        Outcome::Refused(rule) => Outcome::Refused(rule),
        Outcome::Read(response) => Outcome::Read(Told {
            len: response.head.len,
            version: response.version,
            status: response.status,
            fields: response.head.fields.clone(),
            framing: response.framing,
            closes: response.closes,
        }),
    }
}

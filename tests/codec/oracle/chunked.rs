//! The oracle of bodies: chunked ones, and those with a length.

use crate::http1::{Body, Framing, Limits, Progress, Refusal, chunked};
use crate::reference::chunked::{Chunked, End, read};

use super::arrival::Draws;
use super::verdict::show;
use super::{LIMITS, arrival, bounds};

/// Any bytes as a chunked body and what follows it.
pub(crate) fn chunked_body(input: &[u8]) {
    for limits in &LIMITS {
        let reference = read(input, &bounds(limits));
        let whole = decode(input, &[input.len()], limits);
        check(input, &whole, &reference, Exactly::No);
        let [one_by_one, drawn] = arrival::ways(input);
        check(input, &decode(input, &one_by_one, limits), &reference, Exactly::Yes);
        check(input, &decode(input, &drawn, limits), &reference, Exactly::No);
    }
    check_encoding(input);
    check_length(input);
}

/// What the codec made of a body.
struct Decoding {
    data: Vec<u8>,
    /// Bytes taken from the input.
    consumed: usize,
    end: Result<Progress, Refusal>,
}

/// Whether all the data before a refusal must have come out. In larger pieces, what shares one
/// with the malformed byte is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exactly {
    Yes,
    No,
}

fn check(input: &[u8], decoding: &Decoding, reference: &Chunked, exactly: Exactly) {
    let wanted = &reference.data;
    let is_same = match (reference.end, decoding.end) {
        (End::Complete(len), Ok(Progress::Complete)) => {
            decoding.consumed == len && decoding.data == *wanted
        }
        (End::Incomplete, Ok(Progress::Incomplete)) => {
            decoding.consumed == input.len() && decoding.data == *wanted
        }
        (End::Refused(_), Err(_)) if exactly == Exactly::Yes => decoding.data == *wanted,
        (End::Refused(_), Err(_)) => wanted.starts_with(&decoding.data),
        _ => false,
    };
    let Decoding { data, consumed, end } = decoding;
    let said = format!("codec: {end:?} after {consumed}, {}", show(data));
    assert!(is_same, "{said}, reference: {reference:?}, input: {}", show(input));
}

/// Decodes the pieces of `input`, and holds the decoder to its promises at each.
fn decode(input: &[u8], ends: &[usize], limits: &Limits) -> Decoding {
    let mut body = Body::new(Framing::Chunked, limits);
    let mut decoding = Decoding { data: Vec::new(), consumed: 0, end: Ok(Progress::Incomplete) };
    let mut start = 0;
    for &end in ends {
        let mut piece = input[start..end].to_vec();
        match body.decode(&mut piece) {
            Ok(decoded) => {
                assert!(decoded.consumed <= piece.len(), "too much: {}", show(input));
                assert!(decoded.data.end <= decoded.consumed, "not its own: {}", show(input));
                let is_done = decoded.progress == Progress::Complete;
                assert_eq!(is_done, body.is_done(), "{}", show(input));
                assert!(is_done || decoded.consumed == piece.len(), "left: {}", show(input));
                decoding.data.extend_from_slice(&piece[decoded.data]);
                decoding.consumed += decoded.consumed;
                decoding.end = Ok(decoded.progress);
            }
            Err(refusal) => {
                decoding.end = Err(refusal);
                assert_stays_refused(&mut body, input);
            }
        }
        if decoding.end != Ok(Progress::Incomplete) {
            break;
        }
        start = end;
    }
    assert_ends_once(&mut body, decoding.end, input);
    decoding
}

/// After a malformed byte nothing is a body any more, not even what would have been.
fn assert_stays_refused(body: &mut Body, input: &[u8]) {
    for more in [chunked::LAST, b"\r\n\r\n", b"1\r\na\r\n", b"\n\r\n0\r\n\r\n"] {
        let said = body.decode(&mut more.to_vec());
        assert!(said.is_err(), "went on after a refusal: {}", show(input));
    }
}

/// A body that has ended takes nothing more, and one that has not does not end with its stream.
fn assert_ends_once(body: &mut Body, end: Result<Progress, Refusal>, input: &[u8]) {
    if end == Ok(Progress::Complete) {
        let decoded = body.decode(&mut b"0\r\n\r\n".to_vec()).expect("nothing is read");
        assert_eq!((decoded.consumed, decoded.data.len()), (0, 0), "{}", show(input));
        assert_eq!(decoded.progress, Progress::Complete, "{}", show(input));
    }
    let is_whole = body.end_of_stream().is_ok();
    assert_eq!(is_whole, end == Ok(Progress::Complete), "a cut body: {}", show(input));
}

/// What we encode ourselves, both readers decode.
fn check_encoding(data: &[u8]) {
    let mut draws = Draws::of(data);
    let (mut wire, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(1 + draws.below(rest.len()));
        wire.extend_from_slice(&chunked::size_line(chunk.len()));
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(chunked::END);
        rest = later;
    }
    wire.extend_from_slice(chunked::LAST);
    let len = wire.len();
    wire.extend_from_slice(b"0\r\n\r\n");
    let reference = read(&wire, &bounds(&LIMITS[0]));
    assert_eq!(reference, Chunked { data: data.to_vec(), end: End::Complete(len) });
    check(&wire, &decode(&wire, &[wire.len()], &LIMITS[0]), &reference, Exactly::Yes);
}

/// A body with a length takes that many bytes, whatever they are.
fn check_length(input: &[u8]) {
    let length = Draws::of(input).below(2 * input.len() + 2);
    for ends in arrival::ways(input) {
        let mut body = Body::new(Framing::Length(length as u64), &LIMITS[0]);
        let (mut start, mut data) = (0, Vec::new());
        for end in ends {
            let mut piece = input[start..end].to_vec();
            let decoded = body.decode(&mut piece).expect("any bytes will do");
            assert_eq!(decoded.data, 0..decoded.consumed, "{}", show(input));
            data.extend_from_slice(&piece[decoded.data]);
            start = end;
        }
        assert_eq!(data, input[..length.min(input.len())], "{}", show(input));
        assert_eq!(body.is_done(), length <= input.len(), "{}", show(input));
        assert_eq!(body.end_of_stream().is_ok(), length <= input.len(), "{}", show(input));
    }
}

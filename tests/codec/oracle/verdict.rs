//! The two verdicts on one input.

use std::fmt::Debug;

use crate::http1::Refusal;
use crate::reference::Outcome;

use super::arrival::Draws;

/// What the codec said: what it read, or `None` for more.
pub(super) type Verdict<T> = Result<Option<T>, Refusal>;

/// Ends of messages, of which one may end any beginning of a message that can still become valid.
/// They must be short: a refusal that comes early is tried against some suffixes of each.
const ENDINGS: [&[u8]; 6] = [
    b"\r\nGET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n",
    b"OPTIONS * HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PUT http://[::1]:8/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n",
    b"HEAD HTTPS://a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
    b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
];
/// So many of them are tried per input; which ones, the input decides.
const TRIES: usize = 8;

/// The codec and the reference say the same about `input`.
///
/// They may differ in one thing: the reference waits for the end of a head before it looks, and
/// the codec may refuse sooner what no end can mend.
pub(super) fn agree<T: PartialEq + Debug>(
    input: &[u8],
    codec: &Verdict<T>,
    reference: &Outcome<T>,
    would_be_read: impl Fn(&[u8]) -> bool,
) {
    match (codec, reference) {
        (Ok(Some(codec)), Outcome::Read(reference)) => {
            assert_eq!(codec, reference, "the codec and the reference read {}", show(input));
        }
        (Err(refusal), Outcome::Incomplete) => {
            for completed in completions(input) {
                let is_read = would_be_read(&completed);
                assert!(!is_read, "{refusal:?} too early: {} is valid", show(&completed));
            }
        }
        (Ok(None), Outcome::Incomplete) | (Err(_), Outcome::Refused(_)) => {}
        _ => panic!("codec: {codec:?}, reference: {reference:?}, input: {}", show(input)),
    }
}

fn completions(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut draws = Draws::of(input);
    (0..TRIES).map(move |_| {
        let ending = ENDINGS[draws.below(ENDINGS.len())];
        [input, &ending[draws.below(ending.len())..]].concat()
    })
}

pub(super) fn show(input: &[u8]) -> String {
    format!("\"{}\"", input.escape_ascii())
}

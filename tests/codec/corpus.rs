//! Inputs that are kept: those that have made proxies disagree, and those that a fuzzer found. The
//! first word of a file's name says what becomes of it, so that the codec and the reference cannot
//! change their minds together.

use std::fs;
use std::path::Path;

use crate::http1::{Body, Framing, Limits, Method, Progress, Refusal, RequestHead, ResponseHead};
use crate::oracle;

#[test]
fn request_heads_that_are_kept_are_read_as_their_names_say() {
    replay("request", oracle::request_head, |input| {
        RequestHead::default().parse(input, &Limits::default())
    });
}

#[test]
fn response_heads_that_are_kept_are_read_as_their_names_say() {
    replay("response", oracle::response_head, |input| {
        ResponseHead::default().parse(input, &Limits::default(), Method::Get)
    });
}

#[test]
fn chunked_bodies_that_are_kept_are_read_as_their_names_say() {
    replay("chunked", oracle::chunked_body, |input| {
        let mut body = Body::new(Framing::Chunked, &Limits::default());
        body.decode(&mut input.to_vec()).map(|decoded| decoded.progress)
    });
}

fn replay(folder: &str, oracle: fn(&[u8]), read: impl Fn(&[u8]) -> Result<Progress, Refusal>) {
    for (name, input) in inputs(folder) {
        eprintln!("{name}"); // Shown if the oracle panics.
        oracle(&input);
        let word = match read(&input) {
            Ok(Progress::Complete) => "accepted",
            Ok(Progress::Incomplete) => "incomplete",
            Err(_) => "refused",
        };
        assert_eq!(name.split('-').next(), Some(word), "{folder}/{name}");
    }
}

/// The names and contents of the files in a folder of the corpus.
pub(crate) fn inputs(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codec/corpus").join(folder);
    let entries = fs::read_dir(&folder).expect("the corpus is there");
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("the corpus is readable").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read(path).expect("the corpus is readable"))
        })
        .collect();
    inputs.sort();
    assert!(inputs.len() > 20, "{} is nearly empty", folder.display());
    inputs
}

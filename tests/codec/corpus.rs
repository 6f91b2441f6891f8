//! Inputs that are kept: those that have made proxies disagree, and those that a fuzzer found. The
//! first word of a file's name says what becomes of it, so that the codec and the reference cannot
//! change their minds together.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::http1::{
    Body, Framing, Limits, Method, Progress, RequestHead, ResponseHead, client_address,
};
use crate::{oracle, proxy_protocol};

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

#[test]
fn proxy_headers_that_are_kept_are_read_as_their_names_say() {
    replay("proxy", oracle::proxy_header, |input| {
        let header = proxy_protocol::parse(input);
        header.map(|header| header.map_or(Progress::Incomplete, |_| Progress::Complete))
    });
}

/// Accepted is a line if it names a client, although every proxy is trusted.
#[test]
fn clients_that_are_kept_are_read_as_their_names_say() {
    replay("client", oracle::client_address_of, |input| {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let text = oracle::client::request_of(&[input]);
        let mut head = RequestHead::default();
        let progress = head.parse(&text, &Limits::default()).expect("a line of text");
        let client = client_address(&head, &text, peer, |_| true);
        if client == peer { Err("nobody is named") } else { Ok(progress) }
    });
}

fn replay<E>(folder: &str, oracle: fn(&[u8]), read: impl Fn(&[u8]) -> Result<Progress, E>) {
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

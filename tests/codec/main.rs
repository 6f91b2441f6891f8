//! The codec, and the reader of PROXY headers, against second ones, which were written from the
//! text of the specifications alone: on what is generated here, on what is kept in `corpus/`, and,
//! in `fuzz/`, on what a fuzzer comes up with.

use cloudaps::{http1, proxy_protocol};

mod corpus;
mod fuzzers;
mod generate;
mod oracle;
mod properties;
mod reference;
mod stream;

//! The codec against a second one, which was written from the text of the RFCs alone: on what is
//! generated here, on what is kept in `corpus/`, and, in `fuzz/`, on what a fuzzer comes up with.

use cloudaps::http1;

mod corpus;
mod fuzzers;
mod generate;
mod oracle;
mod properties;
mod reference;
mod stream;

//! The codec, the reader of PROXY headers, and their oracles, and nothing else of the program:
//! compiled from the same files, so that a fuzzer is built in seconds.

#[path = "../../src/http1/mod.rs"]
pub mod http1;
#[path = "../../tests/codec/oracle/mod.rs"]
mod oracle;
#[path = "../../src/proxy_protocol/mod.rs"]
pub mod proxy_protocol;
#[path = "../../tests/codec/reference/mod.rs"]
mod reference;

/// Any bytes as the head of a request.
pub fn request_head(input: &[u8]) {
    oracle::request_head(input);
}

/// Any bytes as the head of a response.
pub fn response_head(input: &[u8]) {
    oracle::response_head(input);
}

/// Any bytes as a chunked body.
pub fn chunked_body(input: &[u8]) {
    oracle::chunked_body(input);
}

/// Any bytes as the header of the PROXY protocol.
pub fn proxy_header(input: &[u8]) {
    oracle::proxy_header(input);
}

/// Any lines as those of `X-Forwarded-For`.
pub fn client_address(input: &[u8]) {
    oracle::client_address_of(input);
}

//! Answers of our own, as the client would rather read them: plain text, a page, or problem
//! details (RFC 9457).
//!
//! Each says what happened, what the reader can do, whose doing it was and the request's id, and
//! nothing about our insides. Nothing that a client wrote gets into one but the id, whose
//! characters mean nothing in any of the forms.

use std::fmt::Write as _;

use super::error::Error;
use crate::http1::{Form, Method, Persistence, RequestId};

/// Seconds until a client that got a 503 may ask again: a replacement takes about that long.
const RETRY_AFTER: u32 = 1;

/// What is relayed at all: CONNECT and TRACE are not.
const ALLOW: &str = "Allow: GET, HEAD, OPTIONS, PUT, DELETE, POST, PATCH\r\n";

/// What an answer of our own depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'a> {
    pub(super) method: Method,
    pub(super) persistence: Persistence,
    pub(super) form: Form,
    pub(super) request_id: &'a RequestId,
    pub(super) date: &'a [u8; 29],
}

/// The answer to a request that failed, and how long its body is.
pub(super) fn answer(error: Error, status: u16, reply: Reply<'_>) -> (Vec<u8>, usize) {
    let body = body(error, status, reply);
    let (media_type, length) = (media_type(reply.form), body.len());
    // A failure is not to be kept, whatever its status and form.
    let mut fields = format!(
        "Content-Type: {media_type}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Proxy-Status: cloudaps; error={}; details=\"{error}\"\r\n",
        error.proxy_status(),
    );
    match status {
        // RFC 9110 §15.5.6.
        405 => fields.push_str(ALLOW),
        503 => {
            let _ = write!(fields, "Retry-After: {RETRY_AFTER}\r\n");
        }
        _ => {}
    }
    let mut answer = head(status, &fields, reply);
    if reply.method == Method::Head {
        return (answer, 0);
    }
    answer.extend_from_slice(body.as_bytes());
    (answer, length)
}

/// The answer to `OPTIONS` with `Max-Forwards: 0`: it asks us, not an endpoint
/// (RFC 9110 §7.6.2).
pub(super) fn options(reply: Reply<'_>) -> Vec<u8> {
    head(204, ALLOW, reply)
}

fn head(status: u16, fields: &str, reply: Reply<'_>) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} {}\r\nDate: ", reason(status)).into_bytes();
    out.extend_from_slice(reply.date);
    out.extend_from_slice(b"\r\nX-Request-Id: ");
    out.extend_from_slice(reply.request_id.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(fields.as_bytes());
    out.extend_from_slice(match reply.persistence {
        Persistence::KeepAlive => b"Connection: keep-alive\r\n\r\n".as_slice(),
        Persistence::Close => b"Connection: close\r\n\r\n",
    });
    out
}

const fn media_type(form: Form) -> &'static str {
    match form {
        Form::Text => "text/plain; charset=utf-8",
        Form::Html => "text/html; charset=utf-8",
        Form::Json => "application/problem+json",
    }
}

fn body(error: Error, status: u16, reply: Reply<'_>) -> String {
    let (name, side, kind) = (reason(status), error.side, error.proxy_status());
    let what = sentence(&error.kind.to_string());
    let advice = error.advice(reply.method);
    let id = String::from_utf8_lossy(reply.request_id.as_bytes());
    match reply.form {
        Form::Text => {
            format!("{status} {name}\n\n{what} {advice}\n\nfailed at: {side}\nrequest id: {id}\n")
        }
        // RFC 9457 §4.2.1: a problem of no type of its own is titled as its status is.
        Form::Json => format!(
            "{{\"type\":\"about:blank\",\"title\":\"{name}\",\"status\":{status},\
             \"detail\":\"{what} {advice}\",\"side\":\"{side}\",\"error\":\"{kind}\",\
             \"request_id\":\"{id}\"}}\n"
        ),
        Form::Html => format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{status} {name}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1><b>{status}</b> {name}</h1>\n\
             <p>{what}</p>\n<p>{advice}</p>\n\
             <dl>\n<dt>Failed at</dt><dd>{side}</dd>\n<dt>Request id</dt><dd><code>{id}</code></dd>\
             \n</dl>\n</main>\n</body>\n</html>\n"
        ),
    }
}

/// Light or dark as the reader's system is; the contrast is AAA in both.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;\
font:1rem/1.5 system-ui,sans-serif;color:#1c1c1e;background:#fafafa}\
main{max-width:34rem;padding:2rem}\
h1{font-size:1.5rem;font-weight:400;margin:0 0 1rem}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:2rem 0 0;\
font-size:.875rem;color:#48484a}\
dd{margin:0;overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){body{color:#f2f2f7;background:#1c1c1e}dl{color:#c7c7cc}}";

/// The clause with a capital letter and a full stop.
fn sentence(clause: &str) -> String {
    let mut sentence = clause.to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence.push('.');
    sentence
}

/// The reason phrases of RFC 9110 §15 and RFC 6585 for what we answer ourselves.
const fn reason(status: u16) -> &'static str {
    match status {
        204 => "No Content",
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests;

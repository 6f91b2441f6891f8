//! Why a request was not answered by an endpoint, and what the client is told.

use std::fmt::{self, Write as _};

use super::report::Failure;
use crate::http1::{Method, Persistence, Refusal, RequestId};

/// Seconds until a client that got a 503 may ask again: a replacement takes about that long.
const RETRY_AFTER: u32 = 1;

/// A request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who is to blame.
    pub side: Side,
    /// What happened.
    pub kind: Kind,
}

/// Where a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Between the client and us.
    Downstream,
    /// Between us and the endpoints.
    Upstream,
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is not what HTTP allows, or more than the limits do.
    Refused(Refusal),
    /// The head did not come in time.
    SlowHead,
    /// The body did not come in time.
    SlowBody,
    /// The body is larger than allowed.
    LargeBody,
    /// The client left: there is nobody to answer.
    Gone,
    /// The endpoint failed in a way that forbids, or left no means for, another try.
    Endpoint(Failure),
    /// No endpoint could take it while it could wait.
    NoneInTime,
    /// No endpoint can take it, and too many wait already.
    HoldFull,
}

impl Error {
    pub(super) const fn downstream(kind: Kind) -> Self {
        Self { side: Side::Downstream, kind }
    }

    pub(super) const fn upstream(kind: Kind) -> Self {
        Self { side: Side::Upstream, kind }
    }

    /// The status to answer with; `None` if nobody is there to read it.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        Some(match self.kind {
            Kind::Refused(refusal) => refusal.status(),
            Kind::SlowHead | Kind::SlowBody => 408,
            Kind::LargeBody => 413,
            Kind::Gone => return None,
            Kind::Endpoint(Failure::TimedOut) => 504,
            Kind::Endpoint(Failure::Exhausted) | Kind::NoneInTime | Kind::HoldFull => 503,
            Kind::Endpoint(_) => 502,
        })
    }

    /// The error type of RFC 9209 §2.3.
    const fn proxy_status(&self) -> &'static str {
        match self.kind {
            Kind::Refused(_) | Kind::SlowHead | Kind::SlowBody | Kind::LargeBody | Kind::Gone => {
                "http_request_error"
            }
            Kind::Endpoint(Failure::Refused) => "connection_refused",
            Kind::Endpoint(Failure::Unreachable) => "destination_ip_unroutable",
            Kind::Endpoint(Failure::Reset) => "connection_terminated",
            Kind::Endpoint(Failure::TimedOut) => "http_response_timeout",
            Kind::Endpoint(Failure::Invalid) => "http_protocol_error",
            Kind::Endpoint(Failure::Exhausted) => "proxy_internal_error",
            Kind::NoneInTime | Kind::HoldFull => "destination_unavailable",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Downstream => formatter.write_str("request: ")?,
            Side::Upstream => formatter.write_str("upstream: ")?,
        }
        match self.kind {
            Kind::Refused(refusal) => formatter.write_str(refusal.reason()),
            Kind::SlowHead => formatter.write_str("the head did not arrive in time"),
            Kind::SlowBody => formatter.write_str("the body did not arrive in time"),
            Kind::LargeBody => formatter.write_str("the body is larger than allowed"),
            Kind::Gone => formatter.write_str("the client left"),
            Kind::Endpoint(failure) => write!(formatter, "the server {failure}"),
            Kind::NoneInTime => formatter.write_str("no server could take the request in time"),
            Kind::HoldFull => {
                formatter.write_str("no server can take the request and too many wait")
            }
        }
    }
}

impl std::error::Error for Error {}

/// What an answer of our own depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'a> {
    pub(super) method: Method,
    pub(super) persistence: Persistence,
    pub(super) request_id: &'a RequestId,
    pub(super) date: &'a [u8; 29],
}

/// Writes the answer to a request that failed.
pub(super) fn write_answer(out: &mut Vec<u8>, error: Error, status: u16, reply: Reply<'_>) {
    let body = format!("{status} {}\n{error}\n", reason(status));
    let mut fields = format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Proxy-Status: cloudaps; error={}; details=\"{error}\"\r\n",
        body.len(),
        error.proxy_status(),
    );
    if status == 503 {
        let _ = write!(fields, "Retry-After: {RETRY_AFTER}\r\n");
    }
    write_head(out, status, &fields, reply);
    if reply.method != Method::Head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// Writes the answer to `OPTIONS` with `Max-Forwards: 0`: it asks us, not an endpoint
/// (RFC 9110 §7.6.2).
pub(super) fn write_options(out: &mut Vec<u8>, reply: Reply<'_>) {
    write_head(out, 204, "Allow: GET, HEAD, OPTIONS, PUT, DELETE, POST, PATCH\r\n", reply);
}

fn write_head(out: &mut Vec<u8>, status: u16, fields: &str, reply: Reply<'_>) {
    out.clear();
    out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\nDate: ", reason(status)).as_bytes());
    out.extend_from_slice(reply.date);
    out.extend_from_slice(b"\r\nX-Request-Id: ");
    out.extend_from_slice(reply.request_id.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(fields.as_bytes());
    out.extend_from_slice(match reply.persistence {
        Persistence::KeepAlive => b"Connection: keep-alive\r\n\r\n".as_slice(),
        Persistence::Close => b"Connection: close\r\n\r\n",
    });
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

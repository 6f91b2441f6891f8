//! Why a request was not answered by an endpoint, whose doing that was, and which status it gets.

use std::fmt;

use super::report::Failure;
use crate::http1::{Method, Refusal};
use crate::proxy_protocol::Malformed;

/// A request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who is to blame.
    pub side: Side,
    /// What happened.
    pub kind: Kind,
}

/// Whose doing it is that a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that sent it, or its network.
    Client,
    /// An endpoint, or all of them.
    Server,
    /// This machine, or how it was set up.
    Balancer,
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is not what HTTP allows, or more than the limits do.
    Refused(Refusal),
    /// The connection does not begin with the PROXY header that it has to begin with.
    Announcement(Malformed),
    /// The PROXY header did not come in time, or not to its end.
    NoAnnouncement,
    /// This machine has no descriptor or memory for one more client.
    Unaccepted,
    /// The client has as many connections as it may have.
    Crowd,
    /// The head did not come in time.
    SlowHead,
    /// The body did not come in time.
    SlowBody,
    /// The body is larger than allowed.
    LargeBody,
    /// The client did not take its answer in time, of which it has a part.
    SlowReader,
    /// The client left: there is nobody to answer.
    Gone,
    /// The endpoint stopped in the middle of its answer, of which the client has a part.
    Cut,
    /// The endpoint failed in a way that forbids, or left no means or time for, another try.
    Endpoint(Failure),
    /// No endpoint served while it could wait.
    NoneInTime,
    /// No endpoint serves, and too many wait already.
    HoldFull,
}

impl Error {
    /// Failed on the way from or to the client.
    pub(super) const fn downstream(kind: Kind) -> Self {
        let side = match kind {
            Kind::Refused(Refusal::Loop) | Kind::Unaccepted => Side::Balancer,
            _ => Side::Client,
        };
        Self { side, kind }
    }

    /// Failed on the way to or from the endpoints.
    pub(super) const fn upstream(kind: Kind) -> Self {
        let side = match kind {
            Kind::Endpoint(Failure::Exhausted) => Side::Balancer,
            _ => Side::Server,
        };
        Self { side, kind }
    }

    /// The status to answer with; `None` if nobody is there to read it.
    ///
    /// Of connections that failed it is what RFC 9209 §2.3 recommends, and what nginx says: 502, or
    /// 504 if they took too long. HAProxy and Envoy answer 503 to those, too; here it tells a
    /// client that nothing serves, and that it may be different in a moment (`Retry-After`).
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        Some(match self.kind {
            Kind::Refused(refusal) => refusal.status(),
            Kind::SlowHead | Kind::SlowBody => 408,
            Kind::LargeBody => 413,
            Kind::Unaccepted
            | Kind::Announcement(_)
            | Kind::NoAnnouncement
            | Kind::Crowd
            | Kind::SlowReader
            | Kind::Gone
            | Kind::Cut => return None,
            Kind::Endpoint(Failure::TimedOut | Failure::ConnectTimedOut) => 504,
            Kind::Endpoint(Failure::Exhausted) | Kind::NoneInTime | Kind::HoldFull => 503,
            Kind::Endpoint(_) => 502,
        })
    }

    /// The error type of RFC 9209 §2.3.
    #[must_use]
    pub fn proxy_status(&self) -> &'static str {
        match self.kind {
            Kind::Refused(Refusal::Loop) => "proxy_loop_detected",
            // Only what is answered with a 4xx is an error of the request there (§2.3.16).
            Kind::Refused(refusal) if refusal.status() >= 500 => "proxy_internal_response",
            Kind::Announcement(_)
            | Kind::NoAnnouncement
            | Kind::Crowd
            | Kind::Refused(_)
            | Kind::SlowHead
            | Kind::SlowBody
            | Kind::LargeBody
            | Kind::SlowReader
            | Kind::Gone => "http_request_error",
            Kind::Endpoint(Failure::Refused) => "connection_refused",
            Kind::Endpoint(Failure::Unreachable) => "destination_ip_unroutable",
            Kind::Endpoint(Failure::ConnectTimedOut) => "connection_timeout",
            Kind::Endpoint(Failure::Reset) => "connection_terminated",
            Kind::Endpoint(Failure::Incomplete) | Kind::Cut => "http_response_incomplete",
            Kind::Endpoint(Failure::TimedOut) => "http_response_timeout",
            Kind::Endpoint(Failure::Invalid) => "http_protocol_error",
            Kind::Endpoint(Failure::TooLarge) => "http_response_header_section_size",
            Kind::Endpoint(Failure::Exhausted) | Kind::Unaccepted => "proxy_internal_error",
            Kind::NoneInTime | Kind::HoldFull => "destination_unavailable",
        }
    }

    /// What it is called in the logs: its error type, unless nobody is told that.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Announcement(_) => "proxy_header_invalid",
            Kind::NoAnnouncement => "proxy_header_missing",
            Kind::Crowd => "too_many_connections",
            Kind::Unaccepted => "out_of_descriptors",
            Kind::SlowReader => "client_slow",
            Kind::Gone => "client_gone",
            _ => self.proxy_status(),
        }
    }

    /// What the reader of the answer can do, in a sentence.
    #[must_use]
    pub fn advice(&self, method: Method) -> &'static str {
        match (self.kind, self.status()) {
            (Kind::Endpoint(failure), Some(502 | 504))
                if !method.is_idempotent() && failure.is_after_sending() =>
            {
                "It may have been carried out all the same: check before you send it again."
            }
            (_, Some(408)) => "Check the connection and try again.",
            (_, Some(413)) => "Send less at once.",
            (_, Some(414)) => "Use a shorter address.",
            (_, Some(417)) => "Leave out the Expect header.",
            (_, Some(431)) => {
                "Send fewer or shorter headers; it often helps to clear the cookies of this site."
            }
            (_, Some(505)) => "Use HTTP/1.1.",
            (_, Some(508)) => {
                "Whoever runs this service has to find what sends requests back to it."
            }
            (Kind::Refused(_), _) => "Sent again in the same form, it will be refused again.",
            _ => "Try again in a moment.",
        }
    }
}

impl Side {
    /// Its name, for programs too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Balancer => "balancer",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What happened, for whoever sent the request: nothing about our insides. Plain ASCII without
/// quotes, so that it can stand in a header, in JSON and in HTML as it is.
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused(refusal) => {
                return write!(formatter, "the request was refused: {}", refusal.reason());
            }
            Self::Announcement(malformed) => {
                return write!(formatter, "no PROXY header although one must come: {malformed}");
            }
            Self::NoAnnouncement => "the PROXY header did not come whole and in time",
            Self::Unaccepted => "no descriptor or memory for one more client",
            Self::Crowd => "the client has as many connections as it may have",
            Self::SlowReader => "the client took its answer too slowly",
            Self::SlowHead => "the head of the request did not arrive in time",
            Self::SlowBody => "the body of the request did not arrive in time",
            Self::LargeBody => "the body of the request is larger than allowed",
            Self::Gone => "the client left",
            Self::Cut => "the server stopped in the middle of its answer",
            Self::Endpoint(Failure::Exhausted) => "the balancer is out of resources",
            Self::Endpoint(failure) => return write!(formatter, "the server {failure}"),
            Self::NoneInTime => "no server could take the request in time",
            Self::HoldFull => "no server can take the request, and too many wait already",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.side, self.kind)
    }
}

impl std::error::Error for Error {}

//! What a span says, in OpenTelemetry's words, by its stable names:
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>. Names of our own begin with
//! `cloudaps.`.

use std::io::Write as _;
use std::net::IpAddr;

use super::Teller;
use super::wire::{
    Field, push_bytes, push_fixed32, push_fixed64, push_integer, push_joined_text, push_length,
    push_number, push_text, size_of,
};
use crate::address::Address;
use crate::http1::{Method, RequestHead, SpanId, TraceId, Version};
use crate::proxy::error::Side;
use crate::proxy::trail::{Asked, Noted, Said};
use crate::proxy::upstream::Upstream;

/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: Field = 1;
/// `ResourceSpans.resource` and its attributes.
const RESOURCE: Field = 1;
const RESOURCE_ATTRIBUTES: Field = 1;
/// `ResourceSpans.scope_spans`, its scope, and what that is called.
const SCOPE_SPANS: Field = 2;
const SCOPE: Field = 1;
const SCOPE_NAME: Field = 1;
const SCOPE_VERSION: Field = 2;
/// `ScopeSpans.spans`.
pub(super) const SPANS: Field = 2;

/// The fields of `Span`.
const TRACE_ID: Field = 1;
const SPAN_ID: Field = 2;
const PARENT_SPAN_ID: Field = 4;
const NAME: Field = 5;
const KIND: Field = 6;
const START: Field = 7;
const END: Field = 8;
const ATTRIBUTES: Field = 9;
const STATUS: Field = 15;
const FLAGS: Field = 16;

/// `Status.code`, and a whole `Status` that says that there was an error.
const STATUS_CODE: Field = 3;
const STATUS_OF_ERROR: [u8; 2] = [(STATUS_CODE as u8) << 3, 2];

/// In a span's flags: that the next bit means something, and that its parent is somebody else's.
const KNOWS_IF_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// In a query, what is as good as a password: the parameters of signed addresses.
const SIGNATURES: [&[u8]; 4] = [b"AWSAccessKeyId", b"Signature", b"sig", b"X-Goog-Signature"];

/// Bytes of an IP address as text.
const IP_MAX: usize = 45;

/// Which span it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) kind: SpanKind,
}

/// What a span is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum SpanKind {
    /// A request that was answered.
    Server = 2,
    /// A request that was sent.
    Client = 3,
}

/// From when to when, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A path, and the query if there is one.
type Target<'a> = (&'a [u8], Option<&'a [u8]>);

/// What one try was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try<'a> {
    pub(super) upstream: &'a Upstream,
    /// Tries before it.
    pub(super) before: u32,
    /// What the endpoint answered, if it did.
    pub(super) status: Option<u16>,
    pub(super) failed: Option<(Side, &'static str)>,
    pub(super) target: &'a [u8],
}

/// Who we are, as a message of its own.
pub(super) fn resource(service: &str, teller: &Teller) -> Vec<u8> {
    let mut out = Vec::new();
    let mut push =
        |key, value: &str| push_text(&mut out, RESOURCE_ATTRIBUTES, key, value.as_bytes());
    push("service.name", service);
    push("service.version", env!("CARGO_PKG_VERSION"));
    push("cloudaps.role", teller.role);
    if let Some(instance) = &teller.instance {
        push("service.instance.id", instance);
    }
    out
}

/// All that one export says: these spans, which are messages one after the other.
pub(super) fn export(resource: &[u8], spans: &[u8]) -> Vec<u8> {
    let mut scope = Vec::new();
    push_bytes(&mut scope, SCOPE_NAME, b"cloudaps");
    push_bytes(&mut scope, SCOPE_VERSION, env!("CARGO_PKG_VERSION").as_bytes());
    let of_scope = size_of(SCOPE, scope.len()) + spans.len();
    let of_resource = size_of(RESOURCE, resource.len()) + size_of(SCOPE_SPANS, of_scope);
    let mut out = Vec::with_capacity(size_of(RESOURCE_SPANS, of_resource));
    push_length(&mut out, RESOURCE_SPANS, of_resource);
    push_bytes(&mut out, RESOURCE, resource);
    push_length(&mut out, SCOPE_SPANS, of_scope);
    push_bytes(&mut out, SCOPE, &scope);
    out.extend_from_slice(spans);
    out
}

/// Begins a span: what all of them say.
pub(super) fn push_identity(out: &mut Vec<u8>, identity: &Identity, method: Method, times: Times) {
    let Identity { trace, span, parent, kind } = *identity;
    push_bytes(out, TRACE_ID, &trace.to_bytes());
    push_bytes(out, SPAN_ID, &span.to_bytes());
    if let Some(parent) = parent {
        push_bytes(out, PARENT_SPAN_ID, &parent.to_bytes());
    }
    // Without a route, which only the application knows, the method is all that there are few of.
    push_bytes(out, NAME, name(method).unwrap_or("HTTP").as_bytes());
    push_number(out, KIND, kind as u64);
    push_fixed64(out, START, times.start);
    push_fixed64(out, END, times.end);
    let remote = match kind {
        SpanKind::Server if parent.is_some() => IS_REMOTE,
        SpanKind::Server | SpanKind::Client => 0,
    };
    push_fixed32(out, FLAGS, KNOWS_IF_REMOTE | remote);
}

/// Appends what is known of a request when it was read. `target` is what [`push_target`] wrote.
pub(super) fn push_asked(out: &mut Vec<u8>, asked: &Asked<'_>, target: &[u8]) {
    push_text(out, ATTRIBUTES, "url.scheme", b"http");
    push_text(out, ATTRIBUTES, "cloudaps.request_id", asked.id.as_bytes());
    match asked.client_text {
        Some(text) => push_text(out, ATTRIBUTES, "client.address", text),
        None => push_ip(out, "client.address", asked.client),
    }
    push_ip(out, "network.peer.address", asked.peer);
    match asked.said {
        Said::Head { head, bytes } => push_head(out, (head, bytes), target),
        Said::Line(_) => push_text(out, ATTRIBUTES, "http.request.method", b"_OTHER"),
    }
}

/// Appends the method as what it is, or as one of those that nobody has agreed on.
pub(super) fn push_method(out: &mut Vec<u8>, method: Method, token: &[u8]) {
    match name(method) {
        Some(name) => push_text(out, ATTRIBUTES, "http.request.method", name.as_bytes()),
        None => {
            push_text(out, ATTRIBUTES, "http.request.method", b"_OTHER");
            push_text(out, ATTRIBUTES, "http.request.method_original", token);
        }
    }
}

/// Appends the path and the query, without what is secret in it.
pub(super) fn push_target(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8]) {
    out.extend_from_slice(head.path_prefix());
    let (path, query) = split_query(head.path(bytes));
    out.extend_from_slice(path);
    let mut mark = b'?';
    for pair in query.into_iter().flat_map(|query| query.split(|byte| *byte == b'&')) {
        out.push(mark);
        mark = b'&';
        match pair.iter().position(|byte| *byte == b'=') {
            Some(end) if SIGNATURES.contains(&&pair[..end]) => {
                out.extend_from_slice(&pair[..end]);
                out.extend_from_slice(b"=REDACTED");
            }
            _ => out.extend_from_slice(pair),
        }
    }
}

fn push_head(out: &mut Vec<u8>, (head, bytes): (&RequestHead, &[u8]), target: &[u8]) {
    push_method(out, head.method(), head.method_token(bytes));
    let (path, query) = split_query(target);
    push_text(out, ATTRIBUTES, "url.path", path);
    if let Some(query) = query {
        push_text(out, ATTRIBUTES, "url.query", query);
    }
    let version: &[u8] = match head.version() {
        Version::Http10 => b"1.0",
        Version::Http11 => b"1.1",
    };
    push_text(out, ATTRIBUTES, "network.protocol.version", version);
    if let Some(host) = head.host(bytes) {
        let (address, port) = split_port(host);
        push_text(out, ATTRIBUTES, "server.address", address);
        if let Some(port) = port {
            push_integer(out, ATTRIBUTES, "server.port", port);
        }
    }
    let agent = head.headers(bytes).find(|(name, _)| name.eq_ignore_ascii_case(b"user-agent"));
    if let Some((_, agent)) = agent {
        push_text(out, ATTRIBUTES, "user_agent.original", agent);
    }
}

/// Appends what became of the request.
pub(super) fn push_ended(out: &mut Vec<u8>, notes: &Noted) {
    if notes.tries > 1 {
        push_integer(out, ATTRIBUTES, "cloudaps.retries", (notes.tries - 1).into());
    }
    if !notes.held.is_zero() {
        let micros = u64::try_from(notes.held.as_micros()).unwrap_or(u64::MAX);
        push_integer(out, ATTRIBUTES, "cloudaps.hold_us", micros);
    }
    // What a client did wrong is no failure of ours.
    push_outcome(out, notes.status, notes.failed, 500);
}

/// Appends what a try was and what became of it.
pub(super) fn push_try(out: &mut Vec<u8>, of: &Try<'_>) {
    push_text(out, ATTRIBUTES, "network.protocol.version", b"1.1");
    push_endpoint(out, of.upstream, of.target);
    if of.before > 0 {
        push_integer(out, ATTRIBUTES, "http.request.resend_count", of.before.into());
    }
    // To who asked, what he is said to have done wrong is a failure.
    push_outcome(out, of.status, of.failed, 400);
}

fn push_endpoint(out: &mut Vec<u8>, upstream: &Upstream, target: &[u8]) {
    let (mut url, mut host) = ([0; IP_MAX + 16], [0; IP_MAX]);
    match &upstream.address {
        Address::Ip(at) => {
            for key in ["server.address", "network.peer.address"] {
                push_text(out, ATTRIBUTES, key, written(&mut host, at.ip()));
            }
            for key in ["server.port", "network.peer.port"] {
                push_integer(out, ATTRIBUTES, key, at.port().into());
            }
            let origin = written(&mut url, format_args!("http://{at}"));
            push_joined_text(out, ATTRIBUTES, "url.full", [origin, target]);
        }
        Address::Unix(name) => {
            push_text(out, ATTRIBUTES, "network.transport", b"unix");
            push_text(out, ATTRIBUTES, "server.address", name.as_str().as_bytes());
            push_joined_text(out, ATTRIBUTES, "url.full", [b"http://localhost", target]);
        }
    }
    if let Some(name) = &upstream.name {
        push_text(out, ATTRIBUTES, "cloudaps.slot", name.as_bytes());
    }
}

/// Appends the status and, if it is one or there was none, the error.
fn push_outcome(
    out: &mut Vec<u8>,
    status: Option<u16>,
    failed: Option<(Side, &'static str)>,
    errors_from: u16,
) {
    if let Some(status) = status {
        push_integer(out, ATTRIBUTES, "http.response.status_code", status.into());
    }
    let bad_status = status.filter(|status| *status >= errors_from);
    match (failed, bad_status) {
        (Some((_, name)), _) => push_text(out, ATTRIBUTES, "error.type", name.as_bytes()),
        (None, Some(status)) => {
            let mut text = [0; 5];
            push_text(out, ATTRIBUTES, "error.type", written(&mut text, status));
        }
        (None, None) => {}
    }
    let is_ours = failed.is_some_and(|(side, _)| side != Side::Client);
    if is_ours || bad_status.is_some() {
        push_bytes(out, STATUS, &STATUS_OF_ERROR);
    }
}

fn push_ip(out: &mut Vec<u8>, key: &str, address: IpAddr) {
    let mut text = [0; IP_MAX];
    push_text(out, ATTRIBUTES, key, written(&mut text, address));
}

/// The value as text, in memory that is there.
fn written(text: &mut [u8], value: impl std::fmt::Display) -> &[u8] {
    let mut rest = &mut *text;
    // What does not fit is left out; the sizes are for what is written.
    let _ = write!(rest, "{value}");
    let left = rest.len();
    &text[..text.len() - left]
}

const fn name(method: Method) -> Option<&'static str> {
    Some(match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Options => "OPTIONS",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Trace => "TRACE",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        Method::Connect => "CONNECT",
        Method::Other => return None,
    })
}

fn split_query(target: &[u8]) -> Target<'_> {
    match target.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    }
}

/// A valid host, and its port if it has one.
fn split_port(host: &[u8]) -> (&[u8], Option<u64>) {
    let colon = host.iter().rposition(|byte| *byte == b':').filter(|_| !host.ends_with(b"]"));
    let port = colon.and_then(|at| str::from_utf8(&host[at + 1..]).ok()?.parse().ok());
    (&host[..colon.unwrap_or(host.len())], port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{Limits, Progress};

    fn target(asked: &str) -> String {
        let text = format!("GET {asked} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut head = RequestHead::default();
        assert_eq!(head.parse(text.as_bytes(), &Limits::default()), Ok(Progress::Complete));
        let mut out = Vec::new();
        push_target(&mut out, &head, text.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_signatures_of_addresses_are_nobodys_to_read() {
        for (asked, told) in [
            ("/a", "/a"),
            ("/a?", "/a?"),
            ("/a?sig=s3cret&b=1", "/a?sig=REDACTED&b=1"),
            ("/a?b&Signature=s3cret?", "/a?b&Signature=REDACTED"),
            ("/a?signal=1&sig", "/a?signal=1&sig"),
            ("http://b?X-Goog-Signature=s3cret", "/?X-Goog-Signature=REDACTED"),
        ] {
            assert_eq!(target(asked), told);
        }
    }

    #[test]
    fn a_host_is_told_without_its_port() {
        for (host, address, port) in [
            ("a.example", "a.example", None),
            ("a.example:81", "a.example", Some(81)),
            ("[::1]", "[::1]", None),
            ("[::1]:5000", "[::1]", Some(5000)),
        ] {
            assert_eq!(split_port(host.as_bytes()), (address.as_bytes(), port));
        }
    }

    #[test]
    fn an_address_needs_no_memory_of_its_own() {
        let longest: IpAddr = "1111:2222:3333:4444:5555:6666:7777:8888".parse().unwrap();
        assert_eq!(written(&mut [0; IP_MAX], longest), longest.to_string().as_bytes());
        assert_eq!(written(&mut [0; 5], 65_535), b"65535");
    }
}

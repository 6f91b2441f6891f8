//! A line as a JSON object (RFC 8259): what is unknown is left out.

use std::time::Duration;

use super::quoted::Quoted;
use super::text::{ADDRESS_MAX, AGENT_MAX, HOST_MAX, LINE_MAX, REFERER_MAX, TARGET_MAX, push_json};
use crate::address::Address;
use crate::http1::{RequestHead, TraceId, Version, push_address, push_decimal};
use crate::pool::EndpointId;
use crate::proxy::trail::{Asked, Ended, Said};

/// What stands before the time.
pub(super) const START: &[u8] = b"{\"time\":\"";

/// Writes what the request says about itself, after the time.
pub(super) fn push_asked(out: &mut Vec<u8>, asked: &Asked<'_>, trace: Option<TraceId>) {
    out.extend_from_slice(b"\",\"id\":\"");
    // Its characters mean nothing in JSON.
    out.extend_from_slice(asked.id.as_bytes());
    out.extend_from_slice(b"\",\"client\":\"");
    asked.push_client(out);
    if asked.peer != asked.client {
        out.extend_from_slice(b"\",\"peer\":\"");
        push_address(out, asked.peer);
    }
    out.push(b'"');
    match asked.said {
        Said::Line(line) => push_field(out, b",\"line\":\"", line, LINE_MAX),
        Said::Head { head, bytes } => push_head(out, head, bytes),
    }
    if let Some(trace) = trace {
        // Digits mean nothing in JSON.
        out.extend_from_slice(b",\"trace_id\":\"");
        trace.push(out);
        out.push(b'"');
    }
}

fn push_head(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8]) {
    // The characters of a token mean nothing in JSON, and there are a few.
    out.extend_from_slice(b",\"method\":\"");
    out.extend_from_slice(head.method_token(bytes));
    out.extend_from_slice(b"\",\"target\":\"");
    out.extend_from_slice(head.path_prefix());
    push_json(out, head.path(bytes), TARGET_MAX);
    out.extend_from_slice(match head.version() {
        Version::Http10 => b"\",\"version\":\"1.0\"",
        Version::Http11 => b"\",\"version\":\"1.1\"",
    });
    if let Some(host) = head.host(bytes) {
        push_field(out, b",\"host\":\"", host, HOST_MAX);
    }
    let Quoted { user_agent, referer } = Quoted::of(head, bytes);
    if let Some(value) = user_agent {
        push_field(out, b",\"user_agent\":\"", value, AGENT_MAX);
    }
    if let Some(value) = referer {
        push_field(out, b",\"referer\":\"", value, REFERER_MAX);
    }
}

/// What is said of an endpoint.
pub(in crate::proxy) fn endpoint(id: EndpointId, address: &Address) -> Box<[u8]> {
    let mut out = b",\"endpoint\":\"#".to_vec();
    push_decimal(&mut out, id.number());
    push_field(&mut out, b"\",\"address\":\"", address.to_string().as_bytes(), ADDRESS_MAX);
    out.into()
}

/// Writes what became of it, and the end of the line.
pub(super) fn push_ended(out: &mut Vec<u8>, ended: &Ended<'_>) {
    let notes = ended.notes;
    if let Some(status) = notes.status {
        push_count(out, b",\"status\":", status.into());
    }
    push_count(out, b",\"received\":", ended.received);
    push_count(out, b",\"sent\":", notes.sent);
    if !notes.held.is_zero() {
        push_count(out, b",\"hold_us\":", micros(notes.held));
    }
    if let Some(connect) = notes.connect {
        push_count(out, b",\"connect_us\":", micros(connect));
    }
    if let Some(answered) = notes.answered {
        push_count(out, b",\"first_byte_us\":", micros(answered.since(ended.begun)));
    }
    push_count(out, b",\"total_us\":", micros(ended.at.since(ended.begun)));
    push_count(out, b",\"tries\":", notes.tries.into());
    if let Some(upstream) = &notes.upstream {
        out.extend_from_slice(&upstream.shown);
        out.extend_from_slice(match notes.is_reused {
            true => b",\"reused\":true",
            false => b",\"reused\":false",
        });
    }
    if let Some((side, error)) = notes.failed {
        push_field(out, b",\"side\":\"", side.name().as_bytes(), usize::MAX);
        push_field(out, b",\"error\":\"", error.as_bytes(), usize::MAX);
    }
    out.extend_from_slice(b"}\n");
}

fn push_field(out: &mut Vec<u8>, start: &[u8], value: &[u8], most: usize) {
    out.extend_from_slice(start);
    push_json(out, value, most);
    out.push(b'"');
}

fn push_count(out: &mut Vec<u8>, start: &[u8], count: u64) {
    out.extend_from_slice(start);
    push_decimal(out, count);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

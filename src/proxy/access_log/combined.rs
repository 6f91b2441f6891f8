//! A line in the format that Apache and nginx call `combined`:
//! `CLIENT - - [TIME] "REQUEST" STATUS SENT "REFERER" "USER-AGENT"`.

use super::quoted::Quoted;
use super::text::{AGENT_MAX, LINE_MAX, REFERER_MAX, TARGET_MAX, push_combined};
use crate::http1::{Version, push_decimal};
use crate::proxy::trail::{Asked, Ended, Said};

/// Writes what stands before the time.
pub(super) fn push_client(out: &mut Vec<u8>, asked: &Asked<'_>) {
    asked.push_client(out);
    out.extend_from_slice(b" - - [");
}

/// Writes what the request says about itself, after the time; returns where its status goes.
pub(super) fn push_asked(out: &mut Vec<u8>, asked: &Asked<'_>) -> usize {
    out.extend_from_slice(b"] \"");
    let Quoted { user_agent, referer } = match asked.said {
        Said::Line(line) => {
            push_or_dash(out, Some(line), LINE_MAX);
            Quoted::default()
        }
        Said::Head { head, bytes } => {
            out.extend_from_slice(head.method_token(bytes));
            out.push(b' ');
            out.extend_from_slice(head.path_prefix());
            push_combined(out, head.path(bytes), TARGET_MAX);
            out.extend_from_slice(match head.version() {
                Version::Http10 => b" HTTP/1.0",
                Version::Http11 => b" HTTP/1.1",
            });
            Quoted::of(head, bytes)
        }
    };
    out.extend_from_slice(b"\" ");
    let status_at = out.len();
    out.extend_from_slice(b" \"");
    push_or_dash(out, referer, REFERER_MAX);
    out.extend_from_slice(b"\" \"");
    push_or_dash(out, user_agent, AGENT_MAX);
    out.extend_from_slice(b"\"\n");
    status_at
}

/// Writes the status, if there was one, and how much was sent.
pub(super) fn push_ended(out: &mut Vec<u8>, ended: &Ended<'_>) {
    match ended.notes.status {
        Some(status) => push_decimal(out, status.into()),
        None => out.push(b'-'),
    }
    out.push(b' ');
    push_decimal(out, ended.notes.sent);
}

fn push_or_dash(out: &mut Vec<u8>, value: Option<&[u8]>, most: usize) {
    match value {
        Some(value) if !value.is_empty() => push_combined(out, value, most),
        _ => out.push(b'-'),
    }
}

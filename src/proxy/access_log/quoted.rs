//! What a head says that a line tells of it.

use crate::http1::RequestHead;

/// What a head says that is told of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quoted<'b> {
    /// The first `User-Agent`.
    pub(super) user_agent: Option<&'b [u8]>,
    /// The first `Referer`.
    pub(super) referer: Option<&'b [u8]>,
}

impl<'b> Quoted<'b> {
    pub(super) fn of(head: &RequestHead, bytes: &'b [u8]) -> Self {
        let mut quoted = Self::default();
        for (name, value) in head.headers(bytes) {
            match name.len() {
                10 if name.eq_ignore_ascii_case(b"user-agent") => {
                    quoted.user_agent.get_or_insert(value);
                }
                7 if name.eq_ignore_ascii_case(b"referer") => {
                    quoted.referer.get_or_insert(value);
                }
                _ => {}
            }
        }
        quoted
    }
}

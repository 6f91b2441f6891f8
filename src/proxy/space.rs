//! What a request and its answer need while they are in flight, taken from the thread's stocks.

use super::buffer::BLOCK_SIZE;
use super::record::Record;
use super::stock::Spare;
use crate::http1::{RequestHead, ResponseHead, Terms};
use crate::pool::Ties;

/// Bytes that a head with a small body takes: most need no more, and more grows.
const USUAL: usize = 2 * 1024;

/// Room for what is written that is still worth keeping: a block, framed, and a head before it.
const KEPT_ROOM_MAX: usize = 2 * BLOCK_SIZE;

/// What one request needs until it is answered.
#[derive(Debug)]
pub(super) struct RequestSpace {
    pub(super) terms: Terms,
    /// The request as it goes upstream: head, and as much of the body as is kept for a retry.
    pub(super) outbound: Vec<u8>,
    /// What is remembered of the request.
    pub(super) record: Record,
    /// Where it belongs.
    pub(super) ties: Ties,
}

/// What one answer needs from its first byte on.
#[derive(Debug)]
pub(super) struct AnswerSpace {
    pub(super) head: ResponseHead,
    /// The answer as it goes downstream.
    pub(super) reply: Vec<u8>,
}

impl Spare for Box<RequestSpace> {
    /// A burst of requests in flight, with mostly two kilobytes each and a little more.
    const KEPT_MAX: usize = 2048;

    fn fresh() -> Self {
        Self::new(RequestSpace {
            terms: Terms::default(),
            outbound: Vec::with_capacity(USUAL),
            record: Record::default(),
            ties: Ties::default(),
        })
    }

    fn reset(&mut self) -> bool {
        self.outbound.clear();
        self.outbound.capacity() <= KEPT_ROOM_MAX
    }
}

impl Spare for Box<RequestHead> {
    /// A request needs it only until it has gone on, so there are few at a time.
    const KEPT_MAX: usize = 256;

    fn fresh() -> Self {
        Self::default()
    }

    fn reset(&mut self) -> bool {
        self.clear();
        true
    }
}

impl Spare for Box<AnswerSpace> {
    /// An answer needs it only from its first byte on, so there are few at a time.
    const KEPT_MAX: usize = 256;

    fn fresh() -> Self {
        Self::new(AnswerSpace { head: ResponseHead::default(), reply: Vec::with_capacity(USUAL) })
    }

    fn reset(&mut self) -> bool {
        self.reply.clear();
        self.head.clear();
        self.reply.capacity() <= KEPT_ROOM_MAX
    }
}

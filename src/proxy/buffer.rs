//! Bytes that were read and not yet used, and the set of them that one request needs.

use super::record::Record;
use crate::http1::{RequestHead, ResponseHead};

/// One read, and a usual head with a small body. Larger heads make the buffer grow.
const BUFFER_SIZE: usize = 16 * 1024;

/// Workspaces, and buffers, that a thread keeps for what comes next: a burst's worth, some 20 MiB.
const KEPT_MAX: usize = 256;

/// A window of read bytes that moves through a block of memory.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER_SIZE], start: 0, end: 0 }
    }

    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether something can be read without growing.
    pub(super) fn has_room(&self) -> bool {
        self.end - self.start < self.bytes.len()
    }

    /// Where to read to. Empty when the buffer is full.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// So many bytes were read into the spare room.
    pub(super) fn add(&mut self, count: usize) {
        self.end += count;
    }

    /// So many bytes are used up.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Moves what is filled to the front, and grows if that alone makes no room.
    pub(super) fn make_room(&mut self) {
        if self.end < self.bytes.len() {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.bytes.len() {
            self.bytes.resize(2 * self.end, 0);
        }
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    fn is_ordinary(&self) -> bool {
        self.bytes.len() == BUFFER_SIZE
    }
}

/// What one request in flight needs. A connection without a request holds none.
#[derive(Debug)]
pub(super) struct Workspace {
    /// What the client sent.
    pub(super) inbound: Buffer,
    /// The head of its request.
    pub(super) request: RequestHead,
    /// The request as it goes upstream: head, and as much of the body as is kept for a retry.
    pub(super) outbound: Vec<u8>,
    /// What the endpoint sent.
    pub(super) answer: Buffer,
    /// The head of its answer.
    pub(super) response: ResponseHead,
    /// The answer as it goes downstream.
    pub(super) reply: Vec<u8>,
    /// What is remembered of the request.
    pub(super) record: Record,
}

/// A thread's workspaces that are not in use.
#[derive(Debug, Default)]
pub(super) struct Workspaces {
    #[expect(clippy::vec_box, reason = "a session holds a pointer, not half a kilobyte")]
    free: Vec<Box<Workspace>>,
    buffers: Vec<Buffer>,
}

impl Workspaces {
    pub(super) fn take(&mut self) -> Box<Workspace> {
        self.free.pop().unwrap_or_else(|| {
            Box::new(Workspace {
                inbound: Buffer::new(),
                request: RequestHead::default(),
                outbound: Vec::with_capacity(BUFFER_SIZE),
                answer: Buffer::new(),
                response: ResponseHead::default(),
                reply: Vec::with_capacity(BUFFER_SIZE),
                record: Record::default(),
            })
        })
    }

    /// A buffer by itself, empty.
    pub(super) fn take_buffer(&mut self) -> Buffer {
        self.buffers.pop().unwrap_or_else(Buffer::new)
    }

    /// Keeps it for whoever needs one next.
    pub(super) fn give_buffer(&mut self, mut buffer: Buffer) {
        if buffer.is_ordinary() && self.buffers.len() < KEPT_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// Keeps it for the next request, unless there are enough or one large message made it grow.
    pub(super) fn give(&mut self, mut space: Box<Workspace>) {
        let is_ordinary = space.inbound.is_ordinary()
            && space.answer.is_ordinary()
            && space.outbound.capacity() <= 2 * BUFFER_SIZE
            && space.reply.capacity() <= 2 * BUFFER_SIZE;
        if is_ordinary && self.free.len() < KEPT_MAX {
            space.inbound.clear();
            space.answer.clear();
            self.free.push(space);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_makes_room_by_moving_first_and_growing_then() {
        let mut buffer = Buffer::new();
        buffer.add(BUFFER_SIZE);
        buffer.consume(BUFFER_SIZE - 5);
        buffer.make_room();
        assert_eq!((buffer.filled().len(), buffer.spare().len()), (5, BUFFER_SIZE - 5));
        buffer.add(BUFFER_SIZE - 5);
        buffer.make_room();
        assert_eq!((buffer.filled().len(), buffer.spare().len()), (BUFFER_SIZE, BUFFER_SIZE));
    }

    #[test]
    fn a_grown_workspace_is_not_kept() {
        let mut spaces = Workspaces::default();
        let mut space = spaces.take();
        space.inbound.add(BUFFER_SIZE);
        space.inbound.make_room();
        spaces.give(space);
        assert_eq!(spaces.free.len(), 0);
        let space = spaces.take();
        spaces.give(space);
        assert_eq!(spaces.free.len(), 1);
    }
}

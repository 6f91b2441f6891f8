//! Bytes that were read and not yet used.

use super::stock::{Spare, Stock};

/// One read, and a usual head with a small body. Larger heads make the buffer grow.
pub(super) const BLOCK_SIZE: usize = 16 * 1024;

/// Memory to read into.
#[derive(Debug, Default)]
pub(super) struct Block(Vec<u8>);

impl Spare for Block {
    /// Four mebibytes. What waits has none, so it takes as many slow readers to need more.
    const KEPT_MAX: usize = 256;

    fn fresh() -> Self {
        Self(vec![0; BLOCK_SIZE])
    }

    fn reset(&mut self) -> bool {
        self.0.len() == BLOCK_SIZE
    }
}

/// A window of read bytes that moves through a block of memory. It has a block only while there is
/// something in it: whoever waits with an empty one gives the block to those that do not.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    block: Block,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn filled(&self) -> &[u8] {
        &self.block.0[self.start..self.end]
    }

    pub(super) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.block.0[self.start..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether something can be read without growing.
    pub(super) fn has_room(&self) -> bool {
        self.end - self.start < self.block.0.len().max(BLOCK_SIZE)
    }

    /// Where to read to; never empty. What is filled moves to the front for it if need be, and the
    /// buffer grows if that alone makes no room.
    pub(super) fn room(&mut self, blocks: &Stock<Block>) -> &mut [u8] {
        if self.end == self.block.0.len() {
            self.make_room(blocks);
        }
        &mut self.block.0[self.end..]
    }

    fn make_room(&mut self, blocks: &Stock<Block>) {
        if self.block.0.is_empty() {
            self.block = blocks.take();
            return;
        }
        self.block.0.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.block.0.len() {
            self.block.0.resize(2 * self.end, 0);
        }
    }

    /// So many bytes were read into the room.
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

    /// Gives the block back if there is nothing in it.
    pub(super) fn rest(&mut self, blocks: &Stock<Block>) {
        if self.is_empty() && !self.block.0.is_empty() {
            (self.start, self.end) = (0, 0);
            blocks.give(std::mem::take(&mut self.block));
        }
    }

    /// Gives the block back, whatever is in it.
    pub(super) fn clear(&mut self, blocks: &Stock<Block>) {
        self.start = self.end;
        self.rest(blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_makes_room_by_moving_first_and_growing_then() {
        let (blocks, mut buffer) = (Stock::default(), Buffer::default());
        assert_eq!(buffer.room(&blocks).len(), BLOCK_SIZE);
        buffer.add(BLOCK_SIZE);
        buffer.consume(BLOCK_SIZE - 5);
        assert_eq!((buffer.room(&blocks).len(), buffer.filled().len()), (BLOCK_SIZE - 5, 5));
        buffer.add(BLOCK_SIZE - 5);
        assert!(!buffer.has_room());
        assert_eq!((buffer.room(&blocks).len(), buffer.filled().len()), (BLOCK_SIZE, BLOCK_SIZE));
    }

    #[test]
    fn an_empty_buffer_that_rests_has_no_memory() {
        let (blocks, mut buffer) = (Stock::default(), Buffer::default());
        assert!(buffer.has_room() && buffer.filled().is_empty());
        buffer.room(&blocks)[0] = 7;
        buffer.add(1);
        buffer.rest(&blocks);
        assert_eq!(buffer.filled(), [7]);
        buffer.consume(1);
        buffer.rest(&blocks);
        assert_eq!((buffer.block.0.len(), format!("{blocks:?}")), (0, "1 spares".to_owned()));
    }

    #[test]
    fn a_grown_block_is_not_kept() {
        let (blocks, mut buffer) = (Stock::default(), Buffer::default());
        for _ in 0..2 {
            let room = buffer.room(&blocks).len();
            buffer.add(room);
        }
        buffer.clear(&blocks);
        assert_eq!((buffer.is_empty(), format!("{blocks:?}")), (true, "0 spares".to_owned()));
    }
}

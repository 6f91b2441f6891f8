//! A number that one thread writes and everybody may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter or a gauge of one writer: changing it is a plain load and store.
///
/// Two writers would lose counts. Each thread that counts has cells of its own.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// So many more.
    #[inline]
    pub fn add(&self, many: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(many), Relaxed);
    }

    /// So many now.
    #[inline]
    pub fn set(&self, many: u64) {
        self.0.store(many, Relaxed);
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

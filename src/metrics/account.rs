//! What was counted for one slot: by each thread apart, and through every instance that fills it.

use super::cell::Cell;
use super::histogram::{Distribution, Histogram, Took};

/// Classes of status, of which the first is never a final one: 2xx is `[2]`.
pub const CLASSES: usize = 6;

/// The counters of a slot. They outlive its instances, so that replacing one neither loses counts
/// nor makes new ones.
#[derive(Debug)]
pub struct Account {
    rows: Box<[Row]>,
}

/// One thread's part of it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Row {
    answers: [Cell; CLASSES],
    failures: Cell,
    first_byte: Histogram,
}

/// What was counted for a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Answers by class.
    pub answers: [u64; CLASSES],
    /// Tries that failed without an answer.
    pub failures: u64,
    /// From a request's head to the first bytes of its answer.
    pub first_byte: Distribution,
}

impl Account {
    /// Nothing was counted yet by any of so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { rows: std::iter::repeat_with(Row::default).take(threads).collect() }
    }

    /// An answer came. Only the thread itself may call this.
    #[inline]
    pub fn answered(&self, thread: usize, status: u16, after: Took) {
        let row = &self.rows[thread];
        row.answers[class_of(status)].add(1);
        row.first_byte.add(after);
    }

    /// A try failed. Only the thread itself may call this.
    pub fn failed(&self, thread: usize) {
        self.rows[thread].failures.add(1);
    }

    /// What all threads have counted.
    #[must_use]
    pub fn read(&self) -> Tallied {
        let mut sum = Tallied::default();
        for row in &self.rows {
            for (class, cell) in sum.answers.iter_mut().zip(&row.answers) {
                *class += cell.get();
            }
            sum.failures += row.failures.get();
            sum.first_byte.merge(&row.first_byte);
        }
        sum
    }
}

/// Where answers of a status are counted.
#[inline]
#[must_use]
pub fn class_of(status: u16) -> usize {
    usize::from(status / 100).min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_threads_count_for_a_slot_is_added_up() {
        let account = Account::new(2);
        account.answered(0, 204, Took::of(Duration::from_millis(1)));
        account.answered(1, 599, Took::of(Duration::from_millis(3)));
        account.failed(1);
        let sum = account.read();
        assert_eq!((sum.answers, sum.failures), ([0, 0, 1, 0, 0, 1], 1));
        assert_eq!((sum.first_byte.count(), sum.first_byte.sum()), (2, Duration::from_millis(4)));
    }
}

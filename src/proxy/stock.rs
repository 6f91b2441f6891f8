//! Memory that a thread keeps for what comes next.

use std::cell::RefCell;
use std::fmt;

/// What a stock keeps.
pub(super) trait Spare {
    /// So many of them: a burst's worth.
    const KEPT_MAX: usize;

    fn fresh() -> Self;

    /// Forgets what it was used for. `false` if it has grown too large to be kept.
    fn reset(&mut self) -> bool;
}

/// A thread's spares of one kind. The last one given back is the first one taken, because it is
/// the one that the processor's caches still hold.
pub(super) struct Stock<T>(RefCell<Vec<T>>);

impl<T> Default for Stock<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Spare> Stock<T> {
    pub(super) fn take(&self) -> T {
        self.0.borrow_mut().pop().unwrap_or_else(T::fresh)
    }

    pub(super) fn give(&self, mut spare: T) {
        let mut kept = self.0.borrow_mut();
        if spare.reset() && kept.len() < T::KEPT_MAX {
            kept.push(spare);
        }
    }
}

impl<T> fmt::Debug for Stock<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} spares", self.0.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Page(Vec<u8>);

    impl Spare for Page {
        const KEPT_MAX: usize = 3;

        fn fresh() -> Self {
            Self(Vec::new())
        }

        fn reset(&mut self) -> bool {
            self.0.len() < 3
        }
    }

    #[test]
    fn the_last_one_given_is_the_first_one_taken_unless_it_has_grown() {
        let stock = Stock::default();
        for bytes in [vec![1], vec![2; 2], vec![3; 3]] {
            stock.give(Page(bytes));
        }
        assert_eq!([stock.take().0, stock.take().0, stock.take().0], [vec![2, 2], vec![1], vec![]]);
    }

    #[test]
    fn it_keeps_a_bounded_number() {
        let stock = Stock::default();
        for _ in 0..4 {
            stock.give(Page::fresh());
        }
        assert_eq!(format!("{stock:?}"), "3 spares");
    }
}

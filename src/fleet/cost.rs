//! What an event and a plan cost, counted in looks at instances, not timed.

use std::cell::Cell;

thread_local! {
    /// Instances that were looked at by this test.
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what something costs, wherever the work is done.
pub(super) fn count_look() {
    LOOKS.set(LOOKS.get() + 1);
}

//! How long a body may keep a thread to itself.

use tokio::task::yield_now;

/// What one body may move before the others have their turn: some tens of microseconds, copied or
/// through a pipe, which nobody notices, and so much that the turns cost nothing that can be
/// measured.
const BYTES_MAX: usize = 64 * 1024;

/// What one body has moved while nobody else had a turn. Both of its sides may be so fast that
/// neither ever waits, and then nothing else would come up.
#[derive(Debug, Default)]
pub(super) struct Stint(usize);

impl Stint {
    /// So many bytes were moved.
    pub(super) fn moved(&mut self, count: usize) {
        self.0 += count;
    }

    /// Lets the others have their turn if it is time.
    pub(super) async fn rest(&mut self) {
        if self.0 >= BYTES_MAX {
            self.0 = 0;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_has_moved_enough_lets_the_others_have_their_turn() {
        let others = async {
            let turns = Rc::new(Cell::new(0));
            let theirs = Rc::clone(&turns);
            spawn_local(async move { theirs.set(1) });
            let mut stint = Stint::default();
            stint.moved(BYTES_MAX - 1);
            stint.rest().await;
            assert_eq!(turns.get(), 0, "it is not yet time");
            stint.moved(1);
            stint.rest().await;
            assert_eq!(turns.get(), 1);
            stint.rest().await;
            assert_eq!(stint.0, 0, "the next stint has begun");
        };
        LocalSet::new().run_until(others).await;
    }
}

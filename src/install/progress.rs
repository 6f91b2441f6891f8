//! What is done, told as it is done: one line for each call, with the time since the start.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use crate::clock::{self, Instant};

/// The clock of one command, and what was told last.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    waiting: RefCell<BTreeSet<&'static str>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { begun: clock::now(), waiting: RefCell::default() }
    }

    /// A call that has succeeded.
    pub(super) fn done(&self, what: &impl Display, took: Duration) {
        self.line(&format!("{what} ({:.1}s)", took.as_secs_f64()));
    }

    /// Something that has come about.
    pub(super) fn reached(&self, what: &str) {
        self.line(what);
    }

    /// What is waited for, when that is something else than before.
    pub(super) fn wait(&self, what: &BTreeSet<&'static str>) {
        let before = self.waiting.replace(what.clone());
        if before != *what && !what.is_empty() {
            let list: Vec<&str> = what.iter().copied().collect();
            self.line(&format!("waiting for {}", list.join(", ")));
        }
    }

    /// A failure after which it is tried again.
    pub(super) fn trouble(&self, what: &impl Display, error: &impl Display) {
        self.line(&format!("trying again to {what}: {error}"));
    }

    /// For how long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        clock::now().since(self.begun)
    }

    fn line(&self, text: &str) {
        println!("{:>7.1}s  {text}", self.elapsed().as_secs_f64());
    }
}

//! How far it is, for who watches: one line on the terminal while several things are done.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line where the total is known, and where it is not.
const OF_TOTAL: &str = "{pos}/{len} {wide_bar} {eta}";
const SO_FAR: &str = "{spinner} {pos} {per_sec}";

/// A line that moves, or nothing where nobody would see it.
#[derive(Clone)]
pub(super) struct Progress {
    line: ProgressBar,
}

impl Progress {
    /// The line for so many things, if that is known. One thing needs none.
    pub(super) fn new(total: Option<u64>) -> Self {
        if total == Some(1) || !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let line = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = if total.is_some() { OF_TOTAL } else { SO_FAR };
        // The templates are literals; if one were wrong, the default would do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            line.set_style(style);
        }
        Self { line }
    }

    pub(super) fn hidden() -> Self {
        Self { line: ProgressBar::hidden() }
    }

    /// One more is done, or has failed.
    pub(super) fn advance(&self) {
        self.line.inc(1);
    }

    /// Prints something without tearing the line.
    pub(super) fn past<T>(&self, print: impl FnOnce() -> T) -> T {
        self.line.suspend(print)
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        self.line.finish_and_clear();
    }
}

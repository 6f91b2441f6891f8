//! The only place of this program that reads a clock or waits for one.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<Instant> = OnceLock::new();

/// A monotonic point in time, since this process first asked for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one reading that the others go through")]
    pub(crate) fn now() -> Self {
        let now = Instant::now();
        Self::START.after(now - *START.get_or_init(|| now))
    }

    /// The first moment of the process.
    pub(crate) const START: Self = Self(0);

    /// A moment that never comes.
    pub(crate) const END: Self = Self(u64::MAX);

    /// The moment `later` than this one.
    pub(crate) fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The nanoseconds from `earlier` to this; zero if `earlier` is not earlier.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is from now until this moment.
    pub(crate) fn remaining(self) -> Duration {
        Duration::from_nanos(self.nanos_since(Self::now()))
    }
}

/// Waits; for what can only be asked again and again, such as whether a port is open.
#[expect(clippy::disallowed_methods, reason = "the callers ask again, and have a deadline")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

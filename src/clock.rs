//! The only place that reads a clock. The cores take an [`Instant`] as an argument.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A monotonic point in time: the time since this process first asked for one.
///
/// Unlike `std::time::Instant` it can be built in a test, compared with a literal and printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The first instant of the process.
    pub const START: Self = Self(Duration::ZERO);

    /// The instant `since_start` after [`Instant::START`].
    #[must_use]
    pub const fn at(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after [`Instant::START`] this is.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(after))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(before))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}s", self.0.as_secs_f64())
    }
}

static START: OnceLock<tokio::time::Instant> = OnceLock::new();

/// The time now. Follows tokio's clock, so that tests can pause it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reading that the others go through")]
pub fn now() -> Instant {
    let now = tokio::time::Instant::now();
    Instant(now.saturating_duration_since(*START.get_or_init(|| now)))
}

/// The calendar's time, as the duration since 1970. For records and people, never for decisions.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reading that the others go through")]
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in whole milliseconds, which is what databases keep.
#[must_use]
pub fn wall_milliseconds() -> Duration {
    let milliseconds = wall().as_millis();
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

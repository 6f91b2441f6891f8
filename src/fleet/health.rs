//! From single probes to a verdict: how much evidence in a row is enough.

use std::time::Duration;

use super::{Reason, Thresholds};
use crate::clock::Instant;

/// So many good probes in a row, and an instance is steady again. Of one that fails every tenth
/// they come every 13 probes; of one that fails every other, every 510.
const STEADY: u32 = 8;

/// An instance flaps only after so many failures without becoming steady: where probes are rare,
/// two of them can be far apart.
const FAILURES_TO_FLAP: u32 = 8;

/// What one probe of an instance's own health check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It answered that it is well.
    Well,
    /// It answered 503: alive, and too busy. Overload is not death.
    Shedding,
    /// It answered that it is well, and that its machine is about to be taken from us.
    Leaving,
    /// It refused the connection, or reset it.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// It answered with another error.
    Failed(u16),
}

impl Finding {
    /// Whether it did what was asked of it: it is alive.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Well | Self::Leaving | Self::Shedding)
    }
}

/// The evidence of the last probes in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    well: u32,
    refused: u32,
    unwell: u32,
    /// Since when it is not steady; nothing, if it is.
    unsteady: Option<Unsteady>,
    load: Load,
}

/// Well and unwell by turns, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unsteady {
    /// The first failure since it was steady.
    since: Instant,
    failures: u32,
}

/// Whether an instance takes its full share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// Its full share.
    #[default]
    Normal,
    /// Less, until a probe finds it well.
    Shedding,
}

/// What the evidence amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Well for as long as it takes.
    Well,
    /// Not enough in a row of anything.
    Undecided,
    /// Failed for as long as it takes.
    Failed(Reason),
}

impl Health {
    /// Whether it asked for less.
    #[must_use]
    pub const fn load(&self) -> Load {
        self.load
    }

    /// Whether nothing is held against it: it has been well for long enough.
    pub(super) const fn is_steady(&self) -> bool {
        self.unsteady.is_none()
    }

    /// Whether it has been well and unwell by turns for too long. What counts is the time since it
    /// was steady, whatever it has been in between, and in whatever way.
    pub(super) fn flaps(&self, limit: Duration, now: Instant) -> bool {
        self.unsteady.is_some_and(|unsteady| {
            unsteady.failures >= FAILURES_TO_FLAP && now.since(unsteady.since) >= limit
        })
    }

    /// What was before it was ready, or ready again, is held against it no longer.
    pub(super) fn settle(&mut self) {
        self.unsteady = None;
    }

    /// A request was refused. Suspicion alone convicts nobody: one refused probe more does.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.refused = self.refused.max(1);
        self.well = 0;
        self.unsteady.get_or_insert(Unsteady { since: now, failures: 0 });
    }

    /// Adds the finding of one more probe.
    pub(super) fn add(
        &mut self,
        finding: Finding,
        thresholds: &Thresholds,
        now: Instant,
    ) -> Verdict {
        if !finding.is_answer() {
            self.well = 0;
            let unsteady = self.unsteady.get_or_insert(Unsteady { since: now, failures: 0 });
            unsteady.failures = unsteady.failures.saturating_add(1);
        }
        match finding {
            Finding::Well | Finding::Leaving | Finding::Shedding => {
                self.add_answer(finding, thresholds)
            }
            Finding::Refused => {
                self.refused += 1;
                Self::failed_if(self.refused >= thresholds.refused, Reason::Refused)
            }
            Finding::TimedOut => self.add_unwell(thresholds, Reason::Unresponsive),
            Finding::Failed(status) => self.add_unwell(thresholds, Reason::Unhealthy(status)),
        }
    }

    fn add_answer(&mut self, finding: Finding, thresholds: &Thresholds) -> Verdict {
        self.refused = 0;
        self.unwell = 0;
        self.well = self.well.saturating_add(1);
        if self.well >= STEADY {
            self.unsteady = None;
        }
        self.load = if finding == Finding::Shedding { Load::Shedding } else { Load::Normal };
        if self.well >= thresholds.healthy { Verdict::Well } else { Verdict::Undecided }
    }

    fn add_unwell(&mut self, thresholds: &Thresholds, reason: Reason) -> Verdict {
        self.unwell += 1;
        Self::failed_if(self.unwell >= thresholds.unresponsive, reason)
    }

    fn failed_if(enough: bool, reason: Reason) -> Verdict {
        if enough { Verdict::Failed(reason) } else { Verdict::Undecided }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const THRESHOLDS: Thresholds =
        Thresholds { healthy: 2, refused: 2, unresponsive: 3, flapping: LIMIT };

    fn verdict_of(findings: &[Finding]) -> Verdict {
        let mut health = Health::default();
        let add = |_, finding: &Finding| health.add(*finding, &THRESHOLDS, at(0));
        findings.iter().fold(Verdict::Undecided, add)
    }

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    /// Whether it flaps after each round of these findings, one a second.
    fn flaps_after(rounds: u64, findings: &[Finding]) -> bool {
        let mut health = Health::default();
        let count = findings.len() as u64 * rounds;
        for (second, finding) in (0..count).zip(findings.iter().cycle()) {
            health.add(*finding, &THRESHOLDS, at(second));
        }
        health.flaps(LIMIT, at(count))
    }

    #[test]
    fn who_is_well_and_unwell_by_turns_flaps_after_a_while() {
        use Finding::{Failed, Refused, TimedOut, Well};
        assert!(!flaps_after(7, &[Refused, Well, TimedOut, Well]));
        assert!(flaps_after(8, &[Refused, Well, TimedOut, Well]));
        assert!(flaps_after(8, &[Failed(500), Well, Well, Well, Well]));
    }

    #[test]
    fn who_is_steady_in_between_does_not_flap() {
        let once_in = |count: u32| {
            let mut findings = vec![Finding::Well; count as usize];
            findings[0] = Finding::TimedOut;
            findings
        };
        assert!(!flaps_after(100, &once_in(STEADY + 1)));
        assert!(flaps_after(100, &once_in(STEADY)));
    }

    #[test]
    fn a_few_failures_far_apart_are_no_flapping() {
        let mut health = Health::default();
        for hour in 0..u64::from(FAILURES_TO_FLAP) {
            assert!(!health.flaps(LIMIT, at(hour * 3600)));
            health.add(Finding::TimedOut, &THRESHOLDS, at(hour * 3600));
            health.add(Finding::Well, &THRESHOLDS, at(hour * 3600 + 1));
        }
        assert!(health.flaps(LIMIT, at(8 * 3600)));
        health.settle();
        assert!(!health.flaps(LIMIT, at(8 * 3600)) && health.is_steady());
    }

    #[test]
    fn a_verdict_takes_its_number_of_findings_in_a_row() {
        use Finding::{Failed, Refused, TimedOut, Well};
        assert_eq!(verdict_of(&[Well]), Verdict::Undecided);
        assert_eq!(verdict_of(&[Well, Well]), Verdict::Well);
        assert_eq!(verdict_of(&[Refused, Well, Refused]), Verdict::Undecided);
        assert_eq!(verdict_of(&[Refused, Refused]), Verdict::Failed(Reason::Refused));
        assert_eq!(verdict_of(&[TimedOut, TimedOut]), Verdict::Undecided);
        let unhealthy = Verdict::Failed(Reason::Unhealthy(500));
        assert_eq!(verdict_of(&[TimedOut, TimedOut, Failed(500)]), unhealthy);
    }

    #[test]
    fn a_suspicion_needs_one_refused_probe_to_convict() {
        let mut health = Health::default();
        for _ in 0..10 {
            health.suspect(at(0));
        }
        assert_eq!(
            health.add(Finding::Refused, &THRESHOLDS, at(0)),
            Verdict::Failed(Reason::Refused)
        );
        health.add(Finding::Well, &THRESHOLDS, at(0));
        assert_eq!(health.add(Finding::Refused, &THRESHOLDS, at(0)), Verdict::Undecided);
    }

    #[test]
    fn overload_is_not_death() {
        assert_eq!(verdict_of(&[Finding::Shedding; 100]), Verdict::Well);
    }
}

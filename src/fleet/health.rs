//! From single probes to a verdict: how much evidence in a row is enough.

use super::{Reason, Thresholds};

/// What one probe of an instance's own health check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It answered that it is well.
    Well,
    /// It answered 503: alive, and too busy. Overload is not death.
    Shedding,
    /// It refused the connection, or reset it.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// It answered with another error.
    Failed(u16),
}

/// The evidence of the last probes in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    well: u32,
    refused: u32,
    unwell: u32,
    load: Load,
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

    /// Whether there is evidence against it.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.refused > 0 || self.unwell > 0
    }

    /// A request was refused. Suspicion alone convicts nobody: one refused probe more does.
    pub(super) fn suspect(&mut self) {
        self.refused = self.refused.max(1);
    }

    /// Adds the finding of one more probe.
    pub(super) fn add(&mut self, finding: Finding, thresholds: &Thresholds) -> Verdict {
        match finding {
            Finding::Well | Finding::Shedding => self.add_answer(finding, thresholds),
            Finding::Refused => {
                self.well = 0;
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
        self.load = if finding == Finding::Shedding { Load::Shedding } else { Load::Normal };
        if self.well >= thresholds.healthy { Verdict::Well } else { Verdict::Undecided }
    }

    fn add_unwell(&mut self, thresholds: &Thresholds, reason: Reason) -> Verdict {
        self.well = 0;
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

    const THRESHOLDS: Thresholds = Thresholds { healthy: 2, refused: 2, unresponsive: 3 };

    fn verdict_of(findings: &[Finding]) -> Verdict {
        let mut health = Health::default();
        findings.iter().fold(Verdict::Undecided, |_, finding| health.add(*finding, &THRESHOLDS))
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
            health.suspect();
        }
        assert_eq!(health.add(Finding::Refused, &THRESHOLDS), Verdict::Failed(Reason::Refused));
        health.add(Finding::Well, &THRESHOLDS);
        assert_eq!(health.add(Finding::Refused, &THRESHOLDS), Verdict::Undecided);
    }

    #[test]
    fn overload_is_not_death() {
        assert_eq!(verdict_of(&[Finding::Shedding; 100]), Verdict::Well);
    }
}

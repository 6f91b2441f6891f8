//! What is counted while a measurement lasts; several add up.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::median::median;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX_NANOS: u64 = 60_000_000_000;

/// Three digits: a percentile is within a thousandth of what was measured.
const DIGITS: u8 = 3;

/// What one measurement found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Requests that were answered, or messages that came back.
    pub(crate) requests: u64,
    /// Those that failed, in whichever way.
    pub(crate) errors: u64,
    /// Connections that the subject closed between two requests.
    pub(crate) closed: u64,
    /// How long it was measured, in all turns.
    pub(crate) seconds: f64,
    /// Latencies; with a rate, from when the request should have been sent.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// The last of them within a measurement; the median of those. What stops the machine for a
    /// moment is in all of the above, and here only if it comes with every other measurement.
    pub(crate) turn_p999_us: f64,
    /// Bytes received from the subject.
    pub(crate) bytes: u64,
    /// Requests from the very first one on, before and after the measurement too.
    pub(crate) requests_ever: u64,
}

pub(super) struct Tally {
    /// When the last measurement began, and when it ended.
    started: Option<Moment>,
    stopped: Option<Moment>,
    measured: Duration,
    report: Report,
    latencies: Histogram<u64>,
    /// Those of the measurement that is going on, and the percentiles of those before it.
    of_turn: Histogram<u64>,
    turns: Vec<f64>,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Self> {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX_NANOS, DIGITS)?;
        let (measured, report) = (Duration::ZERO, Report::default());
        let (of_turn, turns) = (latencies.clone(), Vec::new());
        Ok(Self { started: None, stopped: None, measured, report, latencies, of_turn, turns })
    }

    pub(super) fn start(&mut self, now: Moment) {
        (self.started, self.stopped) = (Some(now), None);
    }

    pub(super) fn stop(&mut self, now: Moment) {
        self.measured += Duration::from_nanos(now.nanos_since(self.started.unwrap_or(now)));
        self.stopped = Some(now);
    }

    fn counts(&self, begun: Moment) -> bool {
        self.started.is_some_and(|started| begun >= started)
            && self.stopped.is_none_or(|stopped| begun < stopped)
    }

    /// Counts a request that began at `begun` and ended well at `now`.
    pub(super) fn done(&mut self, begun: Moment, now: Moment) {
        self.report.requests_ever += 1;
        // What was on its way at the start balances what is on its way at the end.
        if self.started.is_some() && self.stopped.is_none() {
            self.report.requests += 1;
        }
        if self.counts(begun) {
            self.of_turn.saturating_record(now.nanos_since(begun));
        }
    }

    /// Everything that was asked for in this measurement is answered.
    pub(super) fn rest(&mut self) -> anyhow::Result<()> {
        self.turns.push(micros(&self.of_turn, 0.999));
        self.latencies.add(&self.of_turn)?;
        self.of_turn.clear();
        Ok(())
    }

    pub(super) fn failed(&mut self) {
        self.report.errors += 1;
    }

    pub(super) fn closed(&mut self) {
        self.report.closed += 1;
    }

    pub(super) fn received(&mut self, bytes: usize) {
        if self.started.is_some() && self.stopped.is_none() {
            self.report.bytes += bytes as u64;
        }
    }

    pub(super) fn ended(&self) -> u64 {
        self.report.requests_ever + self.report.errors
    }

    pub(super) fn errors(&self) -> u64 {
        self.report.errors
    }

    pub(super) fn report(self) -> Report {
        let [p50_us, p99_us, p999_us] =
            [0.5, 0.99, 0.999].map(|part| micros(&self.latencies, part));
        let turn_p999_us = median(self.turns).unwrap_or_default();
        let seconds = self.measured.as_secs_f64();
        Report { seconds, p50_us, p99_us, p999_us, turn_p999_us, ..self.report }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a latency has fewer than 52 bits")]
fn micros(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1e3
}

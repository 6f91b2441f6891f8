//! What a run has shown, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::laws::{Evidence, Ruling, Store, judge};
use super::schedule::Strike;
use super::traffic::{Counts, Kind, Slowest};
use crate::admin::{RepairTimes, Requests, Timeline};
use crate::cli::FaultKind;
use crate::fleet::InstanceId;
use crate::incidents::{Record, Repairs};

/// What is known of a run besides its counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) span: Duration,
    pub(super) cut_short: bool,
    /// For how long the machine did, in all: what was measured meanwhile says little.
    pub(super) stood_still: Duration,
    /// Faults that were asked for and cannot be made here, and why.
    pub(super) left_out: Vec<LeftOut>,
    /// What became of each strike.
    pub(super) done: Vec<Done>,
}

/// What became of a strike.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) is_made: bool,
    /// When, by the calendar.
    pub(super) at: Duration,
    pub(super) whom: Option<InstanceId>,
    pub(super) label: String,
}

/// The whole report. Fields are added, never renamed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seed: u64,
    seconds: f64,
    /// Whether somebody ended it before its time.
    cut_short: bool,
    /// For how long the machine stood still, in all: what was measured meanwhile says little.
    stood_still_ms: f64,
    faults: Vec<FaultReport>,
    left_out: Vec<LeftOut>,
    requests: RequestsReport,
    repairs: RepairsReport,
    laws: Vec<Ruling>,
}

/// One fault.
#[derive(Debug, Serialize)]
struct FaultReport {
    at_s: f64,
    fault: String,
    slot: String,
    /// Whom it met; nobody if the slot did not serve then.
    who: Option<String>,
    /// The outcome of the incident that it caused; `survived` if it caused none.
    outcome: String,
    /// From the fault until the slot served again.
    repaired_ms: Option<f64>,
}

/// A fault that cannot be made, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    pub(super) fault: String,
    pub(super) reason: String,
}

/// What the clients and the balancer counted.
#[derive(Debug, Serialize)]
struct RequestsReport {
    gets: CountsReport,
    posts: CountsReport,
    /// Tasks that are stored more often than they were posted.
    duplicated: usize,
    /// By the balancer; forwarders retry and hold by themselves.
    retried: u64,
    held: u64,
    ejections: u64,
    p50_ms: f64,
    p99_ms: f64,
    slowest: Option<SlowestReport>,
}

/// The request that took longest.
#[derive(Debug, Serialize)]
struct SlowestReport {
    took_ms: f64,
    method: &'static str,
    /// When it was sent.
    at_s: f64,
}

#[derive(Debug, Serialize)]
struct CountsReport {
    sent: u64,
    answered: u64,
    /// Failed, and could have been saved by another try.
    lost: u64,
    /// Failed, and must not be tried again.
    unsavable: u64,
}

#[derive(Debug, Serialize)]
struct RepairsReport {
    /// From the first sign that the controller saw.
    from_first_sign: Option<RepairTimes>,
    /// From the fault itself.
    from_fault: Option<RepairTimes>,
    by_fault: BTreeMap<String, RepairTimes>,
}

impl Report {
    pub(super) fn new(
        run: &Run,
        strikes: &[Strike],
        evidence: &Evidence,
        counted: (Requests, Requests),
        timeline: &Timeline,
    ) -> Self {
        let pairs = strikes.iter().zip(&run.done).filter(|(_, done)| done.is_made);
        let found: Vec<_> = pairs
            .map(|(strike, done)| found(strike, done, caused(done, &run.done, timeline)))
            .collect();
        Self {
            seed: run.seed,
            seconds: run.span.as_secs_f64(),
            cut_short: run.cut_short,
            stood_still_ms: millis(run.stood_still),
            repairs: RepairsReport::new(&found, timeline),
            faults: found,
            left_out: run.left_out.clone(),
            requests: RequestsReport::new(evidence, counted),
            laws: judge(evidence),
        }
    }

    pub(super) fn is_lawful(&self) -> bool {
        self.laws.iter().all(|ruling| ruling.held)
    }
}

impl RequestsReport {
    fn new(evidence: &Evidence, (before, after): (Requests, Requests)) -> Self {
        let Evidence { tally, store, .. } = evidence;
        Self {
            gets: (&tally.gets).into(),
            posts: (&tally.posts).into(),
            duplicated: match store {
                Store::Compared { twice, .. } => twice.len(),
                Store::Absent | Store::Unknown(_) => 0,
            },
            retried: after.retries.saturating_sub(before.retries),
            held: after.held.saturating_sub(before.held),
            ejections: after.ejections.saturating_sub(before.ejections),
            p50_ms: millis(tally.latencies.percentile(50)),
            p99_ms: millis(tally.latencies.percentile(99)),
            slowest: tally.slowest.map(SlowestReport::from),
        }
    }
}

impl RepairsReport {
    fn new(faults: &[FaultReport], timeline: &Timeline) -> Self {
        let times = |of: Vec<f64>| {
            let times = of.into_iter().map(|millis| Duration::from_secs_f64(millis / 1e3));
            Repairs::of_times(times.collect()).map(RepairTimes::from)
        };
        let mut by_fault: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for fault in faults {
            by_fault.entry(fault.fault.clone()).or_default().extend(fault.repaired_ms);
        }
        let repaired = timeline.incidents.iter().filter(|record| record.outcome == "repaired");
        Self {
            from_first_sign: times(repaired.filter_map(|record| record.over_ms).collect()),
            from_fault: times(faults.iter().filter_map(|fault| fault.repaired_ms).collect()),
            by_fault: by_fault
                .into_iter()
                .filter_map(|(fault, of)| Some((fault, times(of)?)))
                .collect(),
        }
    }
}

/// The incident of whom a fault met. Whoever survived one and not the next had its incident by the
/// last.
fn caused<'a>(done: &Done, all: &[Done], timeline: &'a Timeline) -> Option<&'a Record> {
    let id = done.whom.as_ref()?;
    let is_last = !all.iter().any(|other| other.whom.as_ref() == Some(id) && other.at > done.at);
    let mut records = timeline.incidents.iter();
    records.find(|record| is_last && record.lost.id == id.as_str())
}

/// What became of a fault.
fn found(strike: &Strike, done: &Done, incident: Option<&Record>) -> FaultReport {
    let id = done.whom.as_ref().map(InstanceId::as_str);
    let is_inside = strike.fault == FaultKind::LostList;
    let outcome = match (id, incident) {
        _ if is_inside => "ordered",
        (None, _) => "nobody served there",
        (Some(_), None) => "survived",
        (Some(_), Some(record)) => &record.outcome,
    };
    let repaired = incident.filter(|record| record.outcome == "repaired");
    FaultReport {
        at_s: (strike.at.as_secs_f64() * 1e3).round() / 1e3,
        fault: strike.fault.to_string(),
        slot: if is_inside { "-".to_owned() } else { strike.slot.to_string() },
        who: id.map(|id| if done.label.is_empty() { id.to_owned() } else { done.label.clone() }),
        outcome: outcome.to_owned(),
        repaired_ms: repaired.and_then(|record| since(record, done.at)).map(millis),
    }
}

/// From the fault until the slot served again; both are times of this machine's calendar.
fn since(record: &Record, fault: Duration) -> Option<Duration> {
    let detected = humantime::parse_rfc3339(&record.detected_at).ok()?;
    let detected = detected.duration_since(UNIX_EPOCH).ok()?;
    let over = Duration::try_from_secs_f64(record.over_ms? / 1e3).ok()?;
    Some((detected + over).saturating_sub(fault))
}

impl From<&Counts> for CountsReport {
    fn from(counts: &Counts) -> Self {
        let Counts { sent, answered, unsavable, lost } = *counts;
        Self { sent, answered, lost, unsavable }
    }
}

impl From<Slowest> for SlowestReport {
    fn from(slowest: Slowest) -> Self {
        Self {
            took_ms: millis(slowest.took),
            method: match slowest.kind {
                Kind::Get => "GET",
                Kind::Post => "POST",
            },
            at_s: millis(slowest.at) / 1e3,
        }
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

// === For people ===

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.cut_short { ", cut short" } else { "" };
        let count = self.faults.len();
        writeln!(out, "seed {}, {} s{cut}, {count} faults", self.seed, self.seconds)?;
        for fault in &self.faults {
            writeln!(out, "{fault}")?;
        }
        if self.stood_still_ms > 0.0 {
            let still = self.stood_still_ms;
            writeln!(out, "  the machine stood still for {still:.0} ms, and times say less")?;
        }
        for LeftOut { fault, reason } in &self.left_out {
            writeln!(out, "  left out    {fault}: {reason}")?;
        }
        writeln!(out, "{}{}", self.requests, self.repairs)?;
        for Ruling { law, held, because } in &self.laws {
            let word = if *held { "kept  " } else { "BROKEN" };
            let because = because.as_ref().map_or_else(String::new, |text| format!(": {text}"));
            writeln!(out, "{word}  {law}{because}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_s, fault, slot, who, outcome, repaired_ms } = self;
        let who = who.as_deref().unwrap_or("-");
        write!(out, "  {at_s:>7.1} s  {fault:<13}  {slot:<11}  {who:<12}  {outcome}")?;
        match repaired_ms {
            Some(millis) => write!(out, " in {millis:.0} ms"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RequestsReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, counts) in [("GET", &self.gets), ("POST", &self.posts)] {
            let CountsReport { sent, lost, unsavable, .. } = counts;
            writeln!(
                out,
                "{name:<5} {sent} sent, {lost} lost, {unsavable} failed that must not be sent twice"
            )?;
        }
        let Self { duplicated, retried, held, ejections, p50_ms, p99_ms, slowest, .. } = self;
        writeln!(out, "      {duplicated} POSTs carried out twice")?;
        writeln!(out, "      {retried} retried, {held} held, {ejections} ejections")?;
        write!(out, "      p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms")?;
        match slowest {
            Some(SlowestReport { took_ms, method, at_s }) => {
                writeln!(out, ", slowest {took_ms:.0} ms (a {method} at {at_s:.1} s)")
            }
            None => writeln!(out),
        }
    }
}

impl fmt::Display for RepairsReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, times: Option<&RepairTimes>| match times {
            Some(RepairTimes { count, p50_ms, p99_ms }) => {
                writeln!(out, "{count:>5} {what}: p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms")
            }
            None => writeln!(out, "    0 {what}"),
        };
        line("repairs, from the first sign", self.from_first_sign.as_ref())?;
        line("repairs, from the fault", self.from_fault.as_ref())?;
        for (fault, times) in &self.by_fault {
            line(&format!("  after {fault}"), Some(times))?;
        }
        Ok(())
    }
}

//! Rounds: within one, all subjects run side by side and are asked in short turns, so that whatever
//! disturbs the machine for a while disturbs all of them alike.

use std::net::SocketAddr;

use super::Plan;
use super::case::Unit;
use super::grid::{Grid, maybe, number};
use super::stand::{Bout, Sample, Stand};
use super::subject::Subject;
use crate::cli::LoadArgs;
use crate::median::median;

/// The load of a case, once the address of the subject is known.
pub(super) type Load<'a> = dyn Fn(SocketAddr) -> LoadArgs + 'a;

/// A table's row: a subject in front of some origins.
pub(super) struct Entrant {
    pub(super) label: String,
    pub(super) subject: Subject,
    pub(super) origins: Vec<SocketAddr>,
    pub(super) warmup_ms: u64,
}

/// What was measured, by entrant and round; `None` is one that failed.
pub(super) struct Series {
    rows: Vec<Row>,
    pub(super) notes: Vec<String>,
    /// The share of the subject's core that others used, in the median.
    pub(super) disturbance: Option<f64>,
}

struct Row {
    label: String,
    samples: Vec<Option<Sample>>,
}

/// A column that compares every row with one of them.
pub(super) struct Baseline {
    pub(super) header: String,
    pub(super) label: String,
}

impl Series {
    /// Measures all entrants, each anew in every round.
    pub(super) fn measure(
        stand: &mut Stand,
        entrants: &[Entrant],
        plan: &Plan,
        load: &Load<'_>,
    ) -> Self {
        let rows = entrants.iter().map(|entrant| Row::new(&entrant.label)).collect();
        let mut series = Self { rows, notes: Vec::new(), disturbance: None };
        for number in 1..=plan.rounds {
            eprint!("  round {number} of {}:", plan.rounds);
            let samples = round(stand, entrants, plan.turns, load);
            eprintln!();
            for (row, sample) in series.rows.iter_mut().zip(samples) {
                if let Err(error) = &sample {
                    series.notes.push(format!("{}, round {number}: {error:#}", row.label));
                }
                row.samples.push(sample.ok());
            }
        }
        series.note_disturbance();
        series
    }

    /// The lowest throughput among the rows, each at its median.
    pub(super) fn lowest_rate(&self) -> Option<f64> {
        let rates =
            self.rows.iter().filter_map(|row| middle(row, |each| rate(each, Unit::Request)));
        rates.min_by(f64::total_cmp)
    }

    /// Medians over the rounds, and the range of what matters most.
    pub(super) fn grid(&self, unit: Unit, baselines: &[Baseline]) -> Grid {
        let (rate_header, cost_header) = match unit {
            Unit::Request => ("requests/s", "CPU µs/request"),
            Unit::Gibibyte => ("GiB/s", "CPU ms/GiB"),
        };
        let fixed = ["subject", cost_header, "(from – to)"].map(str::to_owned);
        let compared = baselines.iter().map(|baseline| baseline.header.clone());
        let rest = [
            rate_header,
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "p99.9 in a turn",
            "core used",
            "RSS MiB",
            "errors",
        ];
        let mut grid = Grid::new(fixed.into_iter().chain(compared).chain(rest.map(str::to_owned)));
        for row in &self.rows {
            grid.row(self.cells(row, unit, baselines));
        }
        grid
    }

    fn cells(&self, row: &Row, unit: Unit, baselines: &[Baseline]) -> Vec<String> {
        let costs = || row.samples.iter().flatten().map(|sample| cost(sample, unit));
        let range = match (costs().min_by(f64::total_cmp), costs().max_by(f64::total_cmp)) {
            (Some(from), Some(to)) => format!("{} – {}", number(from, 2), number(to, 2)),
            _ => "–".to_owned(),
        };
        let errors: u64 = row.samples.iter().flatten().map(|sample| sample.report.errors).sum();
        let mut cells = vec![row.label.clone(), maybe(median(costs()), 2), range];
        cells.extend(baselines.iter().map(|each| maybe(self.ratio(row, unit, each), 3)));
        let rate_decimals = if unit == Unit::Request { 0 } else { 2 };
        let millis = |micros: f64| micros / 1e3;
        cells.extend([
            maybe(middle(row, |each| rate(each, unit)), rate_decimals),
            maybe(middle(row, |each| millis(each.report.p50_us)), 3),
            maybe(middle(row, |each| millis(each.report.p99_us)), 3),
            maybe(middle(row, |each| millis(each.report.p999_us)), 3),
            maybe(middle(row, |each| millis(each.report.turn_p999_us)), 3),
            maybe(middle(row, |each| used(each) * 100.0).map(f64::round), 0) + " %",
            maybe(middle(row, |each| mebibytes(each.resident_bytes)), 1),
            errors.to_string(),
        ]);
        cells
    }

    /// The median of the ratios of each round, in which both were measured close to each other.
    fn ratio(&self, row: &Row, unit: Unit, baseline: &Baseline) -> Option<f64> {
        // One with a log is compared with one with a log.
        let logs = if row.label.ends_with("+log") { "+log" } else { "" };
        let find = |label: &str| self.rows.iter().find(|other| other.label == label);
        let other = find(&format!("{}{logs}", baseline.label)).or_else(|| find(&baseline.label))?;
        let pairs = row.samples.iter().zip(&other.samples);
        let ratios = pairs.filter_map(|(ours, theirs)| {
            let theirs = cost(theirs.as_ref()?, unit);
            (theirs > 0.0).then_some(cost(ours.as_ref()?, unit) / theirs)
        });
        median(ratios)
    }

    fn note_disturbance(&mut self) {
        let samples = self.rows.iter().flat_map(|row| row.samples.iter().flatten());
        let shares: Vec<f64> = samples.map(|sample| sample.disturbance).collect();
        let worst = shares.iter().copied().fold(0.0, f64::max);
        self.disturbance = median(shares);
        if let Some(middle) = self.disturbance {
            let (middle, worst) = (number(middle * 100.0, 1), number(worst * 100.0, 1));
            self.notes.push(format!(
                "Others used {middle} % of the subject's core in the median, {worst} % at worst."
            ));
        }
    }
}

impl Row {
    fn new(label: &str) -> Self {
        Self { label: label.to_owned(), samples: Vec::new() }
    }
}

/// Starts and warms up everybody, and then lets them take turns.
fn round(
    stand: &mut Stand,
    entrants: &[Entrant],
    turns: u32,
    load: &Load<'_>,
) -> Vec<anyhow::Result<Sample>> {
    let mut bouts: Vec<anyhow::Result<Bout>> =
        entrants.iter().map(|entrant| bout(stand, entrant, load)).collect();
    for turn in 0..turns {
        for index in to_and_fro(turn, bouts.len()) {
            if let Ok(bout) = &mut bouts[index]
                && let Err(error) = bout.turn(stand)
            {
                bouts[index] = Err(error);
            }
        }
    }
    bouts.into_iter().map(|bout| bout.and_then(|bout| bout.end(stand))).collect()
}

/// Whose turn it is, so that nobody always goes after the same one.
fn to_and_fro(turn: u32, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| if turn.is_multiple_of(2) { index } else { count - 1 - index })
}

/// Starts and warms up a subject.
fn bout(stand: &mut Stand, entrant: &Entrant, load: &Load<'_>) -> anyhow::Result<Bout> {
    eprint!(" {}", entrant.label);
    let running = stand.start_with(entrant.subject, &entrant.origins)?;
    let load = load(running.address);
    stand.warm_up(&load, entrant.warmup_ms)?;
    stand.bout(running, &load)
}

fn middle(row: &Row, value: impl Fn(&Sample) -> f64) -> Option<f64> {
    median(row.samples.iter().flatten().map(value))
}

#[expect(clippy::cast_precision_loss, reason = "no count here has more than 52 bits")]
fn rate(sample: &Sample, unit: Unit) -> f64 {
    let report = &sample.report;
    match unit {
        Unit::Request => report.requests as f64 / report.seconds,
        Unit::Gibibyte => gibibytes(report.bytes) / report.seconds,
    }
}

/// CPU time per request in µs, or per GiB in ms.
#[expect(clippy::cast_precision_loss, reason = "no count here has more than 52 bits")]
fn cost(sample: &Sample, unit: Unit) -> f64 {
    let nanos = sample.cpu_nanos as f64;
    match unit {
        Unit::Request => nanos / 1e3 / sample.report.requests.max(1) as f64,
        Unit::Gibibyte => nanos / 1e6 / gibibytes(sample.report.bytes.max(1)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time of less than 2 to the 52nd nanoseconds")]
fn used(sample: &Sample) -> f64 {
    sample.cpu_nanos as f64 / 1e9 / sample.report.seconds
}

#[expect(clippy::cast_precision_loss, reason = "a size of less than 2 to the 52nd bytes")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

pub(super) fn gibibytes(bytes: u64) -> f64 {
    mebibytes(bytes) / 1024.0
}

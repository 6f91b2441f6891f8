//! `incidents`: what failed and how it was repaired, as a table for people.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::call::Client;
use super::failure::Failure;
use super::watch::Format;
use crate::admin::timeline::Timeline;
use crate::incidents::{KEPT_MAX, Record, StepRecord};

/// The columns, in order. From the fourth to the tenth they are times after the first sign.
const COLUMNS: [&str; 11] = [
    "ID", "DETECTED", "SLOT", "EJECTED", "LAUNCHED", "RUNNING", "PORT", "2XX", "SERVING",
    "OUTCOME", "EVIDENCE",
];

/// The columns with numbers.
const TIMES: std::ops::Range<usize> = 3..9;

/// What stands where there is nothing to tell.
const NOTHING: &str = "-";

/// What stands for a step that nobody saw.
const UNSEEN: &str = "?";

/// Prints the last so many.
pub(super) fn show(client: &Client, last: usize, format: Format) -> Result<(), Failure> {
    if !(1..=KEPT_MAX).contains(&last) {
        return Err(Failure::Last(last));
    }
    let answer = client.incidents(last)?;
    let mut out = io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", answer.text)?,
        Format::Human => write!(out, "{}", render(&answer.meant))?,
    }
    Ok(())
}

fn render(timeline: &Timeline) -> String {
    if timeline.incidents.is_empty() {
        return "nothing has failed, and nothing was replaced\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(COLUMNS);
    for record in &timeline.incidents {
        table.add_row(cells(record));
    }
    for column in TIMES {
        if let Some(times) = table.column_mut(column) {
            times.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{}\n", table.trim_fmt());
    if let Some(repairs) = &timeline.repairs {
        let plural = if repairs.count == 1 { "repair" } else { "repairs" };
        let (p50, p99) = (shown_millis(repairs.p50_ms), shown_millis(repairs.p99_ms));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {plural} · time to repair p50 {p50}, p99 {p99}", repairs.count);
    }
    text
}

fn cells(record: &Record) -> [String; 11] {
    let steps = &record.steps_ms;
    [
        record.id.to_string(),
        to_seconds(&record.detected_at),
        record.slot.clone(),
        shown(steps.ejected.as_ref()),
        shown(steps.launch_sent.as_ref()),
        shown(steps.running.as_ref()),
        shown(steps.port_open.as_ref()),
        shown(steps.first_2xx.as_ref()),
        shown(steps.serving.as_ref()),
        record.outcome.clone(),
        evidence(record),
    ]
}

fn evidence(record: &Record) -> String {
    let label = &record.lost.label;
    let who = if label.is_empty() { &record.lost.id } else { label };
    format!("{who}: {}", record.evidence.join("; "))
}

/// RFC 3339 without the fraction: the steps say more.
pub(super) fn to_seconds(time: &str) -> String {
    time.split('.').next().unwrap_or(time).replace('T', " ")
}

fn shown(step: Option<&StepRecord>) -> String {
    match step {
        Some(StepRecord::At(millis)) => shown_millis(*millis),
        Some(StepRecord::Not(word)) if word == "unseen" => UNSEEN.to_owned(),
        Some(StepRecord::Not(_)) | None => NOTHING.to_owned(),
    }
}

pub(super) fn shown_millis(millis: f64) -> String {
    match millis {
        ..1_000.0 => format!("{millis:.0}ms"),
        ..60_000.0 => format!("{:.1}s", millis / 1e3),
        _ => humantime::format_duration(std::time::Duration::from_secs((millis / 1e3) as u64))
            .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_exact_as_it_is_short() {
        let times = [0.4, 45.2, 999.0, 1_500.0, 61_000.0].map(shown_millis);
        assert_eq!(times, ["0ms", "45ms", "999ms", "1.5s", "1m 1s"]);
    }

    #[test]
    fn a_step_that_was_not_seen_is_told_from_one_that_was_not_taken() {
        let not = |word: &str| StepRecord::Not(word.to_owned());
        assert_eq!(shown(None), NOTHING);
        assert_eq!(shown(Some(&not("skipped"))), NOTHING);
        assert_eq!(shown(Some(&not("unseen"))), UNSEEN);
        assert_eq!(shown(Some(&StepRecord::At(3.0))), "3ms");
    }
}

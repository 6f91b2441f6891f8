//! How it is drawn. Everything is told by words as well as by colours.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};

use super::super::incidents::{shown_millis, to_seconds};
use super::super::table::{age, headline};
use super::scene::Scene;
use crate::admin;
use crate::cli::Colours;
use crate::clock::Instant;
use crate::incidents::Record;
use crate::metrics::Pace;

/// The columns of the slots, in order: the name, how wide it is, and which ones a narrow screen
/// does without first: those with the highest number.
const COLUMNS: [(&str, u16, u8); 11] = [
    ("SLOT", 12, 0),
    ("STATE", 11, 0),
    ("ADDRESS", 21, 6),
    ("PID/LABEL", 12, 7),
    ("SINCE", 6, 4),
    ("FLIGHT", 6, 3),
    ("REQ/S", 8, 1),
    ("ERR/S", 6, 2),
    ("P50", 7, 5),
    ("P99", 7, 2),
    ("NOTE", 10, 8),
];

/// Lines of the chart, and with the line above it.
const CHART: u16 = 5;

/// Lines that incidents and holds may take; a small screen shows the slots first.
const BELOW_MAX: u16 = 8;

/// After so many seconds what is shown is called old: an answer comes each second.
const STALE_SECONDS: u64 = 3;

/// What stands where nothing is known.
const NOTHING: &str = "-";

/// The colour, if there may be any.
fn colour(colours: Colours, colour: Color) -> Style {
    match colours {
        Colours::Wanted => Style::new().fg(colour),
        Colours::Unwanted => Style::new(),
    }
}

fn of_state(colours: Colours, state: &str) -> Style {
    let found = match state {
        "serving" => Color::Green,
        "standby" => Color::Cyan,
        "starting" | "outgoing" | "draining" => Color::Yellow,
        _ => Color::Red,
    };
    colour(colours, found)
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene, colours: Colours, now: Instant) {
    let below = below(scene, colours);
    let below_lines = u16::try_from(below.len()).unwrap_or(BELOW_MAX).min(BELOW_MAX);
    let [head, chart, slots, rest, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(CHART),
        Constraint::Min(3),
        Constraint::Length(below_lines),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Paragraph::new(headline(&scene.heard.overview)).style(bold), head);
    draw_chart(frame, scene, colours, chart);
    frame.render_widget(slot_table(scene, colours, slots.width), slots);
    frame.render_widget(Paragraph::new(below), rest);
    frame.render_widget(Paragraph::new(footer(scene, colours, now)), foot);
}

/// The requests of the last seconds, as many as there are columns, with the last one in words.
fn draw_chart(frame: &mut Frame<'_>, scene: &Scene, colours: Colours, area: Rect) {
    let requests = &scene.heard.history.seconds.requests;
    let shown = requests.len().saturating_sub(usize::from(area.width));
    let bars: Vec<u64> = requests[shown..].iter().copied().map(u64::from).collect();
    let block = Block::new().title(Line::from(traffic(scene)));
    let chart = Sparkline::default().data(bars).style(colour(colours, Color::Blue)).block(block);
    frame.render_widget(chart, area);
}

fn traffic(scene: &Scene) -> String {
    let Some(second) = &scene.heard.glance.second else {
        return "no second is over yet".to_owned();
    };
    let time = |millis: Option<f64>| millis.map_or_else(|| NOTHING.to_owned(), shown_time);
    let mut text = format!(
        "{} requests/s · p50 {} · p99 {}",
        second.requests,
        time(second.p50_ms),
        time(second.p99_ms)
    );
    let odd = [
        (second.answers_4xx, "4xx"),
        (second.answers_5xx, "5xx"),
        (second.retries, "retried"),
        (second.held, "held"),
        (second.ejections, "ejected"),
    ];
    for (count, name) in odd.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(" · {count} {name}"));
    }
    text
}

fn slot_table(scene: &Scene, colours: Colours, width: u16) -> Table<'static> {
    let shown = columns_that_fit(width);
    let slots = &scene.heard.overview.slots;
    let rows = slots.iter().map(|row| {
        let cells = cells(row, scene.heard.glance.slots.get(&row.slot));
        let style_of = |column: usize| match COLUMNS[column].0 {
            "STATE" => of_state(colours, &row.state),
            _ => Style::new(),
        };
        let cell = |&column: &usize| Cell::from(cells[column].clone()).style(style_of(column));
        Row::new(shown.iter().map(cell).collect::<Vec<_>>())
    });
    let rows: Vec<Row<'_>> = rows.collect();
    let header = Row::new(shown.iter().map(|&column| COLUMNS[column].0).collect::<Vec<_>>());
    let last = shown.last().copied();
    let widths = shown.iter().map(|&column| match COLUMNS[column].1 {
        width if Some(column) == last => Constraint::Min(width),
        width => Constraint::Length(width),
    });
    Table::new(rows, widths.collect::<Vec<_>>())
        .header(header.style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(1)
}

/// The columns for which there is room, in order; the most wanted ones whatever room there is.
fn columns_that_fit(width: u16) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    let needed = |shown: &[usize]| shown.iter().map(|&column| COLUMNS[column].1 + 1).sum::<u16>();
    while needed(&shown) > width + 1
        && let Some(least) = shown.iter().copied().max_by_key(|&column| COLUMNS[column].2)
        && COLUMNS[least].2 > 0
    {
        shown.retain(|&column| column != least);
    }
    shown
}

fn cells(row: &admin::Row, pace: Option<&Pace>) -> [String; 11] {
    let nothing = || NOTHING.to_owned();
    let time = |millis: Option<f64>| millis.map_or_else(nothing, shown_time);
    let rate = |rate: Option<f64>| rate.map_or_else(nothing, |rate| format!("{rate:.1}"));
    let of = row.occupant.as_ref();
    let label = of.map(|of| of.label.clone()).filter(|label| !label.is_empty());
    [
        row.slot.clone(),
        row.state.clone(),
        of.and_then(|of| of.address.as_ref()).map_or_else(nothing, ToString::to_string),
        label.unwrap_or_else(nothing),
        of.map_or_else(nothing, |of| age(of.since_seconds)),
        of.and_then(|of| of.in_flight).map_or_else(nothing, |count| count.to_string()),
        rate(pace.map(|pace| pace.answers_per_second)),
        rate(pace.map(|pace| pace.errors_per_second)),
        time(pace.and_then(|pace| pace.p50_ms)),
        time(pace.and_then(|pace| pace.p99_ms)),
        of.and_then(|of| of.reason.clone()).unwrap_or_default(),
    ]
}

/// What is waited for, and the newest incidents, newest first.
fn below(scene: &Scene, colours: Colours) -> Vec<Line<'static>> {
    let waiting = colour(colours, Color::Yellow);
    let holds = &scene.heard.overview.holds;
    let holds = holds.iter().map(|hold| Line::styled(format!("waiting: {}", hold.text), waiting));
    let incidents = scene.heard.timeline.incidents.iter().rev();
    holds.chain(incidents.map(|record| incident(record, colours))).collect()
}

fn incident(record: &Record, colours: Colours) -> Line<'static> {
    let style = match record.outcome.as_str() {
        "open" => colour(colours, Color::Red),
        _ => Style::new().add_modifier(Modifier::DIM),
    };
    let over = record
        .over_ms
        .map_or_else(String::new, |millis| format!(" after {}", shown_millis(millis)));
    let evidence = record.evidence.first().map_or("", String::as_str);
    let at = to_seconds(&record.detected_at);
    let (slot, cause, outcome) = (&record.slot, &record.cause, &record.outcome);
    Line::styled(format!("{at}  {slot}  {cause}, {outcome}{over}  {evidence}"), style)
}

fn footer(scene: &Scene, colours: Colours, now: Instant) -> Line<'static> {
    let seconds = scene.age(now).as_secs();
    let dim = Style::new().add_modifier(Modifier::DIM);
    match &scene.failure {
        Some(failure) if seconds >= STALE_SECONDS => {
            let text = format!("this is {seconds} s old: {failure}");
            Line::from(vec![
                Span::styled(text, colour(colours, Color::Red)),
                Span::styled(" · q quits", dim),
            ])
        }
        _ => Line::styled("q quits", dim),
    }
}

/// As exact as it is short.
fn shown_time(millis: f64) -> String {
    match millis {
        ..10.0 => format!("{millis:.2}ms"),
        _ => shown_millis(millis),
    }
}

#[cfg(test)]
mod tests;

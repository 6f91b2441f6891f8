//! The status as a table for people.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::admin::overview::{Overview, Spares, Tally};
use crate::admin::row::Row;

/// The columns, in order.
const COLUMNS: [&str; 8] =
    ["SLOT", "STATE", "ADDRESS", "PID/LABEL", "SINCE", "IN FLIGHT", "BACKEND", "NOTE"];

/// Which column has numbers.
const IN_FLIGHT: usize = 5;

/// What stands where nothing is known.
const NOTHING: &str = "-";

/// A headline, the slots, and what is waited for.
pub(super) fn render(overview: &Overview) -> String {
    let mut text = headline(overview);
    text.push('\n');
    if !overview.slots.is_empty() {
        let _ = writeln!(text, "{}", table(&overview.slots).trim_fmt());
    }
    for hold in &overview.holds {
        let _ = writeln!(text, "waiting: {}", hold.text);
    }
    text
}

pub(super) fn headline(overview: &Overview) -> String {
    let Tally { desired, serving, .. } = overview.instances;
    let (balancer, operation) = (overview.balancer, &overview.operation);
    let plural = if desired == 1 { "instance serves" } else { "instances serve" };
    let spares = match overview.standby {
        Spares { desired: 0, .. } => String::new(),
        Spares { desired, ready } => format!(", {ready} of {desired} standing by"),
    };
    format!("{serving} of {desired} {plural}{spares} · balancer http://{balancer} · {operation}")
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(COLUMNS);
    for row in rows {
        table.add_row(cells(row));
    }
    if let Some(numbers) = table.column_mut(IN_FLIGHT) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(row: &Row) -> [String; 8] {
    let (slot, state) = (row.slot.clone(), row.state.clone());
    let nothing = || NOTHING.to_owned();
    let Some(occupant) = &row.occupant else {
        return [slot, state, nothing(), nothing(), nothing(), nothing(), nothing(), String::new()];
    };
    [
        slot,
        state,
        shown(occupant.address.as_ref()),
        if occupant.label.is_empty() { nothing() } else { occupant.label.clone() },
        age(occupant.since_seconds),
        shown(occupant.in_flight),
        if occupant.backends.is_empty() { nothing() } else { listed(&occupant.backends) },
        occupant.reason.clone().unwrap_or_default(),
    ]
}

fn listed(addresses: &BTreeSet<SocketAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// A length of time in its two largest units.
pub(super) fn age(seconds: f64) -> String {
    // Saturates, and no age is negative.
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        (_, _, _) => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_at_most_two_units() {
        let ages = [
            (0.0, "0s"),
            (59.9, "59s"),
            (60.0, "1m00s"),
            (3599.0, "59m59s"),
            (3661.0, "1h01m"),
            (86400.0, "1d00h"),
            (900_000.0, "10d10h"),
        ];
        for (seconds, text) in ages {
            assert_eq!(age(seconds), text);
        }
    }
}

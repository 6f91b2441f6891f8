//! What an engine counts.

use super::families as family;
use super::text::Text;
use crate::proxy::{Counters, Levels, Meter};

/// The classes of final answers, in the order of `Counters::answers`.
pub(super) const CLASSES: [(usize, &str); 4] = [(2, "2xx"), (3, "3xx"), (4, "4xx"), (5, "5xx")];

pub(super) fn expose(text: &mut Text, role: &'static str, meter: &Meter) {
    let (counters, levels) = (meter.read(), meter.levels());
    expose_requests(text, role, (meter, &counters));
    expose_trouble(text, role, (&counters, levels));
    expose_connections(text, role, (&counters, levels));
}

fn expose_requests(text: &mut Text, role: &str, (meter, counters): (&Meter, &Counters)) {
    let role = ("role", role);
    text.single(&family::REQUESTS, &[role], counters.requests);
    text.begin(&family::RESPONSES);
    for (index, class) in CLASSES {
        text.sample(&[role, ("class", class)], counters.answers[index]);
    }
    let latencies = meter.latencies();
    text.begin(&family::FIRST_BYTE);
    text.histogram(&[role], &latencies.first_byte);
    text.begin(&family::DURATION);
    text.histogram(&[role], &latencies.total);
}

fn expose_trouble(text: &mut Text, role: &str, (counters, levels): (&Counters, Levels)) {
    let role = ("role", role);
    text.begin(&family::CUT);
    let cut = [
        ("endpoint", counters.aborted),
        ("client_left", counters.abandoned),
        ("client_slow", counters.slow),
    ];
    for (by, count) in cut {
        text.sample(&[role, ("by", by)], count);
    }
    text.single(&family::RETRIES, &[role], counters.retries);
    text.single(&family::RETRIES_LEFT, &[role], levels.retries_left);
    text.single(&family::HOLDS, &[role], counters.held);
    text.single(&family::HELD, &[role], levels.held);
    text.single(&family::HELD_BYTES, &[role], levels.held_bytes);
    text.single(&family::EJECTIONS, &[role], counters.ejections);
}

fn expose_connections(text: &mut Text, role: &str, (counters, levels): (&Counters, Levels)) {
    let role = ("role", role);
    text.single(&family::CLIENTS_ACCEPTED, &[role], counters.accepted);
    let open = counters.accepted.saturating_sub(counters.closed);
    text.single(&family::CLIENTS, &[role], open);
    text.begin(&family::CLIENTS_REFUSED);
    text.sample(&[role, ("why", "too_many")], counters.refused);
    text.sample(&[role, ("why", "no_proxy_header")], counters.unannounced);
    text.single(&family::UPSTREAM_OPENED, &[role], counters.connects);
    text.single(&family::UPSTREAM_REUSED, &[role], counters.reuses);
    text.begin(&family::UPSTREAM);
    text.sample(&[role, ("state", "idle")], levels.idle);
    text.sample(&[role, ("state", "busy")], levels.opened.saturating_sub(levels.idle));
    text.begin(&family::LOG_LINES);
    text.sample(&[role, ("outcome", "written")], counters.logged);
    text.sample(&[role, ("outcome", "dropped")], counters.unlogged);
    text.begin(&family::TRACE_SPANS);
    text.sample(&[role, ("outcome", "exported")], counters.exported);
    text.sample(&[role, ("outcome", "dropped")], counters.unexported);
}

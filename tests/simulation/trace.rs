//! What happened, for people: written only when somebody will read it.

use cloudaps::clock::Instant;
use cloudaps::fleet::{Event, Vitals};

use super::controller::Heard;

/// How many lines a report shows: enough for the story of the last seconds.
const SHOWN: usize = 120;

/// Whether the trace is written. A world that fails is lived once more to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    Off,
    On,
}

pub(crate) struct Trace {
    tracing: Tracing,
    lines: Vec<String>,
}

impl Trace {
    pub(crate) fn new(seed: u64, tracing: Tracing) -> Self {
        let mut trace = Self { tracing, lines: Vec::new() };
        trace.note(Instant::START, || format!("seed {seed}"));
        trace
    }

    pub(crate) fn note(&mut self, now: Instant, what: impl FnOnce() -> String) {
        if self.tracing == Tracing::On {
            self.lines.push(format!("{now} {}", what()));
        }
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// The end of a story, and how to hear it again.
pub(crate) fn report(seed: u64, trace: &[String]) -> String {
    let shown = trace[trace.len().saturating_sub(SHOWN)..].join("\n");
    format!("{shown}\nCLOUDAPS_SEED={seed} cargo test --test simulation every_law tells it again")
}

/// What was heard, in a line.
pub(crate) fn describe(heard: &Heard) -> String {
    match heard {
        Heard::Event(event) => describe_event(event),
        Heard::Refused(id) => format!("a request was refused by {id}"),
        Heard::Quiet(id) => format!("{id} is quiet"),
        Heard::ListFailed => "the listing failed".to_owned(),
        Heard::Scale(group, size) => {
            format!("the operator: scale {} {size}", group.name())
        }
        Heard::Order(slot, order) => format!("the operator: {order} {slot}"),
        Heard::Operate(operation) => format!("the operator: {operation}"),
    }
}

fn describe_event(event: &Event) -> String {
    match event {
        Event::Listed { began, found } => {
            let found = found.iter().map(|of| match of.vitals {
                Vitals::Gone(_) => format!(" {} (gone)", of.id),
                Vitals::Pending => format!(" {} (pending)", of.id),
                Vitals::Running => format!(" {}", of.id),
            });
            format!("listed since {began}:{}", found.collect::<String>())
        }
        Event::Launched(token, Ok(made)) => format!("launched {token}: {}", made.id),
        Event::Launched(token, Err(why)) => format!("launched {token}: {why}"),
        Event::Gone(id, how) => format!("{id} is gone: {how}"),
        Event::Probed(id, probe) => format!("{id} probed: {:?}", probe.finding),
        Event::Terminated(id, Ok(())) => format!("{id} is terminated"),
        Event::Terminated(id, Err(why)) => format!("{id} is not terminated: {why}"),
        Event::Repointed(id, to, result) => format!("{id} repointed to {to}: {result:?}"),
        other => format!("{other:?}"),
    }
}

//! What each thread has counted. One writer per cell, so counting is a plain load and store.

use crate::metrics::{CLASSES, Cell, Distribution, Histogram, Reading, Took, class_of};
use std::sync::Arc;

/// Sums over all threads, since the engine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Request heads that were accepted.
    pub requests: u64,
    /// Answers by class: 2xx is `answers[2]`, whoever gave them; 1xx are not final, so never here.
    pub answers: [u64; CLASSES],
    /// Tries after the first, of all requests.
    pub retries: u64,
    /// Requests that had to wait for an endpoint.
    pub held: u64,
    /// Answers that were cut short because the endpoint's was.
    pub aborted: u64,
    /// Requests whose client left before the answer.
    pub abandoned: u64,
    /// Answers that were cut short because the client took them too slowly.
    pub slow: u64,
    /// Times that an endpoint was ejected.
    pub ejections: u64,
    /// Client connections accepted.
    pub accepted: u64,
    /// Client connections that ended.
    pub closed: u64,
    /// Client connections that are open and have no session, because they have been silent.
    pub parked: u64,
    /// Client connections refused because there were as many from their address as there may be.
    pub refused: u64,
    /// Client connections ended because they did not begin with a PROXY header and had to.
    pub unannounced: u64,
    /// Connections opened to endpoints.
    pub connects: u64,
    /// Requests that began on a connection to an endpoint that was already open.
    pub reuses: u64,
    /// Lines written to the access log.
    pub logged: u64,
    /// Lines of the access log that were dropped: it could not be written, or not fast enough.
    pub unlogged: u64,
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that were dropped: the collector did not take them, or not fast enough.
    pub unexported: u64,
}

/// How long requests took, over all threads. Those that were refused before an endpoint was sought
/// are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// From a request's head to when the client's system had taken the first bytes of its answer.
    pub first_byte: Distribution,
    /// To when it had taken the last, or the request had failed.
    pub total: Distribution,
}

/// What there is at the moment, over all threads: as each of them found it at its last tick, a
/// second ago at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Connections to endpoints that carry no request.
    pub idle: u64,
    /// Connections to endpoints, with those that do.
    pub opened: u64,
    /// Requests that wait for an endpoint.
    pub held: u64,
    /// Bytes of those requests.
    pub held_bytes: u64,
    /// Retries that the budget has left.
    pub retries_left: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Count {
    Requests,
    Retries,
    Held,
    Aborted,
    Abandoned,
    Slow,
    Ejections,
    Accepted,
    Closed,
    Parked,
    Unparked,
    Refused,
    Unannounced,
    Connects,
    Reuses,
    Logged,
    Unlogged,
    Exported,
    Unexported,
    /// Followed by one cell for each class of status.
    Answers,
}

const ANSWERS: usize = Count::Answers as usize;
const CELLS: usize = ANSWERS + CLASSES;

/// One thread's cells.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    cells: [Cell; CELLS],
    /// Of answers that went out in one piece, as most do: their first byte is their last.
    pub(super) at_once: Histogram,
    /// Of all others.
    pub(super) first_byte: Histogram,
    pub(super) total: Histogram,
    levels: LevelCells,
}

#[derive(Debug, Default)]
struct LevelCells {
    idle: Cell,
    opened: Cell,
    held: Cell,
    held_bytes: Cell,
    retries_left: Cell,
}

impl Tally {
    pub(super) fn add(&self, count: Count) {
        self.bump(count as usize, 1);
    }

    pub(super) fn add_many(&self, count: Count, many: u64) {
        self.bump(count as usize, many);
    }

    pub(super) fn add_answer(&self, status: u16) {
        self.bump(ANSWERS + class_of(status), 1);
    }

    /// The answer's first bytes took so long, and its last ones, if they did not go out together.
    pub(super) fn add_times(&self, first_byte: Took, last_byte: Option<Took>) {
        match last_byte {
            None => self.at_once.add(first_byte),
            Some(total) => {
                self.first_byte.add(first_byte);
                self.total.add(total);
            }
        }
    }

    pub(super) fn set_levels(&self, levels: Levels) {
        let Levels { idle, opened, held, held_bytes, retries_left } = levels;
        self.levels.idle.set(idle);
        self.levels.opened.set(opened);
        self.levels.held.set(held);
        self.levels.held_bytes.set(held_bytes);
        self.levels.retries_left.set(retries_left);
    }

    fn bump(&self, cell: usize, many: u64) {
        self.cells[cell].add(many);
    }

    fn get(&self, count: Count) -> u64 {
        self.cells[count as usize].get()
    }
}

/// Reads what the threads count, while they run and after.
#[derive(Clone, Debug)]
pub struct Meter {
    tallies: Vec<Arc<Tally>>,
}

impl Meter {
    pub(super) const fn new(tallies: Vec<Arc<Tally>>) -> Self {
        Self { tallies }
    }

    /// What all threads have counted until now.
    #[must_use]
    pub fn read(&self) -> Counters {
        sum(self.tallies.iter().map(Arc::as_ref))
    }

    /// How long requests took until now.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        let mut sum = Latencies::default();
        for tally in &self.tallies {
            sum.first_byte.merge(&tally.at_once);
            sum.first_byte.merge(&tally.first_byte);
            sum.total.merge(&tally.at_once);
            sum.total.merge(&tally.total);
        }
        sum
    }

    /// What there is at the moment.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let mut sum = Levels::default();
        for LevelCells { idle, opened, held, held_bytes, retries_left } in
            self.tallies.iter().map(|tally| &tally.levels)
        {
            sum.idle += idle.get();
            sum.opened += opened.get();
            sum.held += held.get();
            sum.held_bytes += held_bytes.get();
            sum.retries_left += retries_left.get();
        }
        sum
    }

    /// What the history is folded from.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let Counters { requests, answers, retries, held, ejections, .. } = self.read();
        let [_, _, answers @ ..] = answers;
        let first_byte = self.latencies().first_byte;
        Reading { requests, answers, retries, held, ejections, first_byte }
    }
}

/// Adds the threads up.
pub(super) fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Counters {
    let mut sum = Counters::default();
    for tally in tallies {
        sum.requests += tally.get(Count::Requests);
        sum.retries += tally.get(Count::Retries);
        sum.held += tally.get(Count::Held);
        sum.aborted += tally.get(Count::Aborted);
        sum.abandoned += tally.get(Count::Abandoned);
        sum.slow += tally.get(Count::Slow);
        sum.ejections += tally.get(Count::Ejections);
        sum.accepted += tally.get(Count::Accepted);
        sum.closed += tally.get(Count::Closed);
        // Read in this order, there are never more that have left than have come.
        let unparked = tally.get(Count::Unparked);
        sum.parked += tally.get(Count::Parked).saturating_sub(unparked);
        sum.refused += tally.get(Count::Refused);
        sum.unannounced += tally.get(Count::Unannounced);
        sum.connects += tally.get(Count::Connects);
        sum.reuses += tally.get(Count::Reuses);
        sum.logged += tally.get(Count::Logged);
        sum.unlogged += tally.get(Count::Unlogged);
        sum.exported += tally.get(Count::Exported);
        sum.unexported += tally.get(Count::Unexported);
        for (class, cell) in sum.answers.iter_mut().zip(&tally.cells[ANSWERS..]) {
            *class += cell.get();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_summed_and_answers_kept_by_class() {
        let tallies = [Tally::default(), Tally::default()];
        for tally in &tallies {
            tally.add(Count::Requests);
            tally.add_answer(204);
        }
        tallies[1].add_answer(599);
        let sum = sum(tallies.iter());
        assert_eq!((sum.requests, sum.answers), (2, [0, 0, 2, 0, 0, 1]));
    }
}

//! The traffic of the last quarter of an hour by the second, and of the last day by the minute.
//!
//! It is folded from what the counters said at each second. It needs 44 bytes a step, 103 KB in
//! all, whatever the traffic and however many slots there are.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::histogram::Distribution;
use crate::clock::Instant;

/// Steps of a second that are kept: a quarter of an hour, which is as far back as somebody looks
/// who was just woken up.
pub const SECONDS_MAX: usize = 15 * 60;

/// Steps of a minute that are kept: a day, so that today can be told from yesterday.
pub const MINUTES_MAX: usize = 24 * 60;

/// Nothing was answered, so there is no percentile.
const NEVER: u32 = u32::MAX;

/// Classes of status that a final answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirection,
    /// 400 to 499.
    ClientError,
    /// 500 to 599.
    ServerError,
}

/// What the counters say at a moment: sums since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Request heads that were accepted.
    pub requests: u64,
    /// Answers by [`Class`].
    pub answers: [u64; 4],
    /// Tries after the first.
    pub retries: u64,
    /// Requests that had to wait for an endpoint.
    pub held: u64,
    /// Times that an endpoint was ejected.
    pub ejections: u64,
    /// From a request's head to the first bytes of its answer.
    pub first_byte: Distribution,
}

/// What happened in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Request heads that were accepted.
    pub requests: u32,
    /// Answers by [`Class`].
    pub answers: [u32; 4],
    /// Tries after the first.
    pub retries: u32,
    /// Requests that had to wait for an endpoint.
    pub held: u32,
    /// Times that an endpoint was ejected.
    pub ejections: u32,
    p50_micros: u32,
    p99_micros: u32,
}

/// Both series.
#[derive(Debug)]
pub struct History {
    began: Instant,
    seconds: Series,
    minutes: Series,
}

/// Steps of one length, oldest first.
#[derive(Debug)]
struct Series {
    step: u64,
    steps_max: usize,
    /// How many steps have passed since the beginning.
    passed: u64,
    /// What the counters said then.
    base: Reading,
    steps: VecDeque<Traffic>,
}

/// The history as the admin API tells it. Fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryView {
    /// The last quarter of an hour at most, by the second.
    pub seconds: Period,
    /// The last day at most, by the minute.
    pub minutes: Period,
}

/// Steps of one length, in columns that are equally long, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Period {
    /// How long a step is.
    pub step_seconds: u64,
    /// When the first step began, in seconds since 1970.
    pub begins_at: f64,
    /// Requests whose head was accepted.
    pub requests: Vec<u32>,
    /// Answers 200 to 299, whoever gave them.
    pub answers_2xx: Vec<u32>,
    /// Answers 300 to 399.
    pub answers_3xx: Vec<u32>,
    /// Answers 400 to 499.
    pub answers_4xx: Vec<u32>,
    /// Answers 500 to 599.
    pub answers_5xx: Vec<u32>,
    /// Tries after the first.
    pub retries: Vec<u32>,
    /// Requests that had to wait for an endpoint.
    pub held: Vec<u32>,
    /// Times that an endpoint was ejected.
    pub ejections: Vec<u32>,
    /// The time to the first byte that half of the answers did not exceed, in milliseconds;
    /// `null` if there was none.
    pub p50_ms: Vec<Option<f64>>,
    /// The one that all but one in a hundred did not exceed.
    pub p99_ms: Vec<Option<f64>>,
}

/// One step as the admin API tells it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// When it began, in seconds since 1970.
    pub begins_at: f64,
    /// Requests whose head was accepted.
    pub requests: u32,
    /// Answers 200 to 299, whoever gave them.
    pub answers_2xx: u32,
    /// Answers 300 to 399.
    pub answers_3xx: u32,
    /// Answers 400 to 499.
    pub answers_4xx: u32,
    /// Answers 500 to 599.
    pub answers_5xx: u32,
    /// Tries after the first.
    pub retries: u32,
    /// Requests that had to wait for an endpoint.
    pub held: u32,
    /// Times that an endpoint was ejected.
    pub ejections: u32,
    /// The time to the first byte that half of the answers did not exceed, in milliseconds;
    /// `null` if there was none.
    pub p50_ms: Option<f64>,
    /// The one that all but one in a hundred did not exceed.
    pub p99_ms: Option<f64>,
}

impl History {
    /// Nothing happened yet.
    #[must_use]
    pub fn new(began: Instant) -> Self {
        let seconds = Series::new(1, SECONDS_MAX);
        let minutes = Series::new(60, MINUTES_MAX);
        Self { began, seconds, minutes }
    }

    /// Takes in what the counters say now. To be called about once a second; what was counted
    /// while nobody did is taken for evenly spread.
    pub fn fold(&mut self, reading: &Reading, now: Instant) {
        // A call that comes a little early or late is about the second that it was meant for.
        let passed = (now.since(self.began) + Duration::from_millis(500)).as_secs();
        self.seconds.fold(reading, passed);
        self.minutes.fold(reading, passed);
    }

    /// Both series, at an instant whose time since 1970 is `wall`.
    #[must_use]
    pub fn view(&self, now: Instant, wall: Duration) -> HistoryView {
        let began = wall.saturating_sub(now.since(self.began));
        HistoryView { seconds: self.seconds.view(began), minutes: self.minutes.view(began) }
    }

    /// The newest second that is over, if one is.
    #[must_use]
    pub fn latest(&self, now: Instant, wall: Duration) -> Option<Step> {
        let began = wall.saturating_sub(now.since(self.began));
        let begins_at = self.seconds.begins_at(began, self.seconds.steps.len().checked_sub(1)?);
        self.seconds.steps.back().map(|traffic| traffic.step(begins_at))
    }
}

impl Series {
    fn new(step: u64, steps_max: usize) -> Self {
        Self { step, steps_max, passed: 0, base: Reading::default(), steps: VecDeque::new() }
    }

    fn fold(&mut self, reading: &Reading, seconds: u64) {
        let parts = (seconds / self.step).saturating_sub(self.passed);
        if parts == 0 {
            return;
        }
        self.passed += parts;
        let kept = parts.min(self.steps_max as u64);
        for part in parts - kept..parts {
            if self.steps.len() == self.steps_max {
                self.steps.pop_front();
            }
            self.steps.push_back(Traffic::between(&self.base, reading, Part { part, parts }));
        }
        self.base = reading.clone();
    }

    /// When a step began, as the time since 1970.
    fn begins_at(&self, began: Duration, index: usize) -> f64 {
        let after = self.passed - self.steps.len() as u64 + index as u64;
        let at = began + Duration::from_secs(after * self.step);
        (at.as_secs_f64() * 1000.0).round() / 1000.0
    }

    fn view(&self, began: Duration) -> Period {
        let column = |value: fn(&Traffic) -> u32| self.steps.iter().map(value).collect();
        let times = |micros: fn(&Traffic) -> u32| {
            self.steps.iter().map(|traffic| millis(micros(traffic))).collect()
        };
        Period {
            step_seconds: self.step,
            begins_at: self.begins_at(began, 0),
            requests: column(|step| step.requests),
            answers_2xx: column(|step| step.answers(Class::Success)),
            answers_3xx: column(|step| step.answers(Class::Redirection)),
            answers_4xx: column(|step| step.answers(Class::ClientError)),
            answers_5xx: column(|step| step.answers(Class::ServerError)),
            retries: column(|step| step.retries),
            held: column(|step| step.held),
            ejections: column(|step| step.ejections),
            p50_ms: times(|step| step.p50_micros),
            p99_ms: times(|step| step.p99_micros),
        }
    }
}

/// One of several equal parts of what happened.
#[derive(Clone, Copy)]
struct Part {
    part: u64,
    parts: u64,
}

impl Part {
    /// Its share. All shares together are the whole.
    fn of(self, before: u64, after: u64) -> u32 {
        let whole = u128::from(after.saturating_sub(before));
        let (part, parts) = (u128::from(self.part), u128::from(self.parts));
        let share = whole * (part + 1) / parts - whole * part / parts;
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

impl Traffic {
    fn between(before: &Reading, after: &Reading, part: Part) -> Self {
        let times = after.first_byte.since(&before.first_byte);
        let micros = |quantile| times.quantile(quantile).map_or(NEVER, micros);
        Self {
            requests: part.of(before.requests, after.requests),
            answers: std::array::from_fn(|at| part.of(before.answers[at], after.answers[at])),
            retries: part.of(before.retries, after.retries),
            held: part.of(before.held, after.held),
            ejections: part.of(before.ejections, after.ejections),
            p50_micros: micros(0.5),
            p99_micros: micros(0.99),
        }
    }

    const fn answers(&self, class: Class) -> u32 {
        self.answers[class as usize]
    }

    fn step(&self, begins_at: f64) -> Step {
        Step {
            begins_at,
            requests: self.requests,
            answers_2xx: self.answers(Class::Success),
            answers_3xx: self.answers(Class::Redirection),
            answers_4xx: self.answers(Class::ClientError),
            answers_5xx: self.answers(Class::ServerError),
            retries: self.retries,
            held: self.held,
            ejections: self.ejections,
            p50_ms: millis(self.p50_micros),
            p99_ms: millis(self.p99_micros),
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

fn millis(micros: u32) -> Option<f64> {
    (micros != NEVER).then(|| f64::from(micros) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_000_000);

    fn at(millis: u64) -> Instant {
        Instant::at(Duration::from_millis(millis))
    }

    /// What the counters say after so many requests, each of which took `millis`.
    fn reading(requests: u64, millis: u64) -> Reading {
        let mut reading = Reading { requests, answers: [requests, 0, 0, 0], ..Reading::default() };
        (0..requests).for_each(|_| reading.first_byte.add(Duration::from_millis(millis)));
        reading
    }

    fn seconds(history: &History, now: Instant) -> Vec<u32> {
        history.view(now, WALL).seconds.requests
    }

    #[test]
    fn a_step_is_what_was_counted_since_the_one_before() {
        let mut history = History::new(at(5000));
        history.fold(&reading(10, 1), at(6001));
        history.fold(&reading(25, 1), at(6999));
        assert_eq!(seconds(&history, at(7000)), [10, 15]);
        let latest = history.latest(at(7000), WALL).unwrap();
        assert_eq!((latest.requests, latest.answers_2xx, latest.answers_5xx), (15, 15, 0));
        assert_eq!(latest.begins_at, 999_999.0);
        assert!((0.8..=1.0).contains(&latest.p99_ms.unwrap()), "{latest:?}");
    }

    #[test]
    fn what_nobody_looked_at_is_spread_and_none_of_it_lost() {
        let mut history = History::new(at(0));
        history.fold(&reading(10, 1), at(4000));
        assert_eq!(seconds(&history, at(4000)), [2, 3, 2, 3]);
        history.fold(&reading(10, 1), at(4100));
        assert_eq!(seconds(&history, at(4100)), [2, 3, 2, 3]);
    }

    #[test]
    fn a_second_without_answers_has_no_percentile() {
        let mut history = History::new(at(0));
        assert_eq!(history.latest(at(0), WALL), None);
        history.fold(&Reading::default(), at(1000));
        assert_eq!(history.latest(at(1000), WALL).unwrap().p50_ms, None);
    }

    #[test]
    fn a_minute_sums_its_seconds_and_has_percentiles_of_its_own() {
        let mut history = History::new(at(0));
        for second in 1..=120 {
            let millis = if second <= 60 { 1 } else { 100 };
            let mut now = reading(60.min(second) * 10, 1);
            (60..second).for_each(|_| now.first_byte.add(Duration::from_millis(millis)));
            now.requests += second.saturating_sub(60);
            history.fold(&now, at(second * 1000));
        }
        let minutes = history.view(at(120_000), WALL).minutes;
        assert_eq!((minutes.step_seconds, minutes.begins_at), (60, 999_880.0));
        assert_eq!(minutes.requests, [600, 60]);
        let p50: Vec<f64> = minutes.p50_ms.into_iter().flatten().collect();
        assert!(p50[0] <= 1.0 && p50[1] > 75.0, "{p50:?}");
    }

    #[test]
    fn it_is_bounded_however_long_it_runs_and_after_a_long_pause() {
        let mut history = History::new(at(0));
        for day in 1..=3_u64 {
            history.fold(&reading(0, 1), at(day * 86_400_000));
            let view = history.view(at(day * 86_400_000), WALL);
            let lengths = (view.seconds.requests.len(), view.minutes.p99_ms.len());
            assert_eq!(lengths, (SECONDS_MAX, MINUTES_MAX));
            assert_eq!(view.seconds.begins_at, 1_000_000.0 - SECONDS_MAX as f64);
        }
        assert!(size_of::<Traffic>() * (SECONDS_MAX + MINUTES_MAX) <= 103_000);
    }
}

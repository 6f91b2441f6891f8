//! When which instance is to be probed. Pure: no clock, no sockets.
//!
//! Of each kind (those that start or are silent, and all others) no more than
//! [`PROBES_PER_SECOND`] are begun in a second. With more instances than that allows the interval
//! stretches, so that ten thousand of them are asked more rarely instead of drowning each other.
//! Who was never asked, or failed a request, does not wait for that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::Cadence;
use crate::clock::Instant;
use crate::fleet::InstanceId;

/// Probes of one kind that are begun in a second. A probe takes about 0.1 ms of the processor, so
/// this is a fifth of one; the default interval fits up to a thousand instances.
const PROBES_PER_SECOND: u32 = 2_000;

/// By how much of it a steady interval varies, so that what happened to start together does not
/// stay together: an eighth in either direction.
const JITTER: f64 = 1.0 / 8.0;

/// The rhythm in which an instance is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is about to serve.
    Starting,
    /// It serves, or failed to.
    Steady,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It said something, or could not be asked.
    Given,
    /// It refused, or said nothing in time.
    Silence,
}

/// Everybody who is probed, and when they are due.
#[derive(Debug)]
pub(super) struct Schedule {
    cadence: Cadence,
    entries: BTreeMap<InstanceId, Entry>,
    /// How many of them are probed at the quick rhythm.
    quick: u32,
    /// Who is to be asked as soon as there is room. Who is no longer may still be named here.
    at_once: VecDeque<InstanceId>,
    later: BTreeSet<(Instant, InstanceId)>,
}

#[derive(Debug)]
struct Entry {
    pace: Pace,
    /// What the last probe brought.
    last: Answer,
    state: State,
    /// How often it was told to wait at its pace.
    waits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As soon as there is room.
    AtOnce,
    /// From then on.
    Later(Instant),
    /// Being asked.
    Asked,
    /// Being asked, and then once more.
    AskedAndAgain,
}

/// An interval that is longer than it was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    instances: u32,
    set: Duration,
    now: Duration,
}

impl Schedule {
    pub(super) fn new(cadence: Cadence) -> Self {
        Self {
            cadence,
            entries: BTreeMap::new(),
            quick: 0,
            at_once: VecDeque::new(),
            later: BTreeSet::new(),
        }
    }

    /// Probes an instance from now on, or at another pace.
    pub(super) fn watch(&mut self, id: &InstanceId, pace: Pace, now: Instant) {
        let Some(entry) = self.entries.get(id) else {
            let entry = Entry { pace, last: Answer::Given, state: State::AtOnce, waits: 0 };
            self.quick += u32::from(entry.is_quick());
            self.entries.insert(id.clone(), entry);
            return self.at_once.push_back(id.clone());
        };
        if entry.pace != pace {
            self.change(id, |entry| (entry.pace, entry.waits) = (pace, 0));
            if let Some(State::Later(_)) = self.state(id) {
                self.wait(id, now);
            }
        }
    }

    /// Probes it no more.
    pub(super) fn forget(&mut self, id: &InstanceId) {
        self.take_from_later(id);
        if let Some(entry) = self.entries.remove(id) {
            self.quick -= u32::from(entry.is_quick());
        }
    }

    /// Asks it as soon as there is room. If it is being asked, once more: the answer that is on its
    /// way may be older than the reason to ask.
    pub(super) fn hurry(&mut self, id: &InstanceId) {
        match self.state(id) {
            Some(State::Later(_)) => self.put_first(id),
            Some(State::Asked) => self.set(id, State::AskedAndAgain),
            Some(State::AtOnce | State::AskedAndAgain) | None => {}
        }
    }

    /// Who is to be asked now; from here on it is being asked.
    pub(super) fn next(&mut self, now: Instant) -> Option<InstanceId> {
        while let Some(id) = self.at_once.pop_front() {
            if self.state(&id) == Some(State::AtOnce) {
                self.set(&id, State::Asked);
                return Some(id);
            }
        }
        let (due, id) = self.later.first().cloned()?;
        (due <= now).then(|| {
            self.take_from_later(&id);
            self.set(&id, State::Asked);
            id
        })
    }

    /// When there is somebody to ask.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.at_once.is_empty() {
            return self.later.first().map(|(due, _)| *due);
        }
        Some(Instant::START)
    }

    /// It was asked.
    pub(super) fn answered(&mut self, id: &InstanceId, answer: Answer, now: Instant) {
        self.change(id, |entry| entry.last = answer);
        match self.state(id) {
            Some(State::AskedAndAgain) => self.put_first(id),
            Some(_) => self.wait(id, now),
            None => {}
        }
    }

    /// Whether those that neither start nor are silent are asked more rarely than was set.
    pub(super) fn stretch(&self) -> Option<Stretch> {
        let instances = self.count(Pace::Steady);
        let now = self.interval(Pace::Steady);
        let set = self.cadence.steady;
        (now > set).then_some(Stretch { instances, set, now })
    }

    fn count(&self, pace: Pace) -> u32 {
        match pace {
            Pace::Starting => self.quick,
            Pace::Steady => self.entries.len() as u32 - self.quick,
        }
    }

    fn interval(&self, pace: Pace) -> Duration {
        let set = match pace {
            // A steady interval that is the shorter one holds for all.
            Pace::Starting => self.cadence.starting.min(self.cadence.steady),
            Pace::Steady => self.cadence.steady,
        };
        set.max(Duration::from_secs(self.count(pace).into()) / PROBES_PER_SECOND)
    }

    /// Sets when it is asked next.
    fn wait(&mut self, id: &InstanceId, now: Instant) {
        let Some(entry) = self.entries.get(id) else { return };
        let due = if entry.is_quick() {
            now + self.interval(Pace::Starting)
        } else {
            now + self.interval(Pace::Steady).mul_f64(entry.share(id))
        };
        self.take_from_later(id);
        self.change(id, |entry| (entry.state, entry.waits) = (State::Later(due), entry.waits + 1));
        self.later.insert((due, id.clone()));
    }

    fn put_first(&mut self, id: &InstanceId) {
        self.take_from_later(id);
        self.set(id, State::AtOnce);
        self.at_once.push_back(id.clone());
    }

    fn take_from_later(&mut self, id: &InstanceId) {
        if let Some(State::Later(due)) = self.state(id) {
            self.later.remove(&(due, id.clone()));
        }
    }

    fn state(&self, id: &InstanceId) -> Option<State> {
        self.entries.get(id).map(|entry| entry.state)
    }

    fn set(&mut self, id: &InstanceId, state: State) {
        self.change(id, |entry| entry.state = state);
    }

    fn change(&mut self, id: &InstanceId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(id) {
            self.quick -= u32::from(entry.is_quick());
            change(entry);
            self.quick += u32::from(entry.is_quick());
        }
    }
}

impl Entry {
    /// Silence is worth asking again at once: it is over soon, or a verdict is due.
    fn is_quick(&self) -> bool {
        self.pace == Pace::Starting || self.last == Answer::Silence
    }

    /// The part of a steady interval until it is asked again: any at first, so that those that
    /// began together are spread over the whole of it, and nearly one from then on. The same
    /// instance always gets the same, so that a run can be repeated.
    fn share(&self, id: &InstanceId) -> f64 {
        let mut hasher = DefaultHasher::new();
        (id, self.waits).hash(&mut hasher);
        let fraction = f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX);
        if self.waits == 0 { fraction } else { 1.0 - JITTER + 2.0 * JITTER * fraction }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instances, set, now } = self;
        write!(
            formatter,
            "{instances} instances are probed every {now:.1?}, not every {set:?}: \
             {PROBES_PER_SECOND} probes a second are the most"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::at(Duration::from_secs(100));
    const SECOND: Duration = Duration::from_secs(1);
    const CADENCE: Cadence = Cadence {
        starting: Duration::from_millis(10),
        steady: Duration::from_millis(500),
        timeout: Duration::from_millis(500),
    };

    fn id(number: u32) -> InstanceId {
        InstanceId::new(format!("i-{number}"))
    }

    /// So many that serve, each asked once.
    fn serving(count: u32) -> Schedule {
        let mut schedule = Schedule::new(CADENCE);
        for id in (0..count).map(id) {
            schedule.watch(&id, Pace::Starting, NOW);
            assert_eq!(schedule.next(NOW), Some(id.clone()));
            schedule.watch(&id, Pace::Steady, NOW);
        }
        (0..count).map(id).for_each(|id| schedule.answered(&id, Answer::Given, NOW));
        schedule
    }

    /// Asks everybody who is due until then, in steps of a millisecond; says how many were in each
    /// tenth of a second.
    fn asked_until(schedule: &mut Schedule, end: Instant) -> Vec<usize> {
        let mut tenths = vec![0];
        let mut now = NOW;
        for millis in 1.. {
            now = now + Duration::from_millis(1);
            if now > end {
                break;
            }
            while let Some(id) = schedule.next(now) {
                *tenths.last_mut().unwrap() += 1;
                schedule.answered(&id, Answer::Given, now);
            }
            if millis % 100 == 0 {
                tenths.push(0);
            }
        }
        tenths.pop();
        tenths
    }

    #[test]
    fn a_few_are_asked_at_the_interval_that_was_set() {
        let mut schedule = serving(3);
        let asked: usize = asked_until(&mut schedule, NOW + SECOND * 10).iter().sum();
        assert!((50..=75).contains(&asked), "{asked} probes of three in ten seconds");
        assert_eq!(schedule.stretch(), None);
    }

    #[test]
    fn ten_thousand_are_asked_more_rarely_and_evenly() {
        let mut schedule = serving(10_000);
        let tenths = asked_until(&mut schedule, NOW + SECOND * 15);
        let fair = PROBES_PER_SECOND as usize / 10;
        assert!(tenths.iter().all(|asked| *asked < fair * 8 / 5), "{tenths:?}");
        assert!(tenths.iter().all(|asked| *asked > fair * 2 / 5), "{tenths:?}");
        let told = schedule.stretch().unwrap().to_string();
        assert!(told.contains("10000 instances are probed every 5.0s, not every 500ms"), "{told}");
    }

    #[test]
    fn who_was_never_asked_or_failed_a_request_does_not_wait_for_the_others() {
        let mut schedule = serving(10_000);
        schedule.hurry(&id(7));
        schedule.watch(&id(10_000), Pace::Starting, NOW);
        assert_eq!(schedule.due(), Some(Instant::START));
        assert_eq!([schedule.next(NOW), schedule.next(NOW)], [Some(id(7)), Some(id(10_000))]);
        assert_eq!(schedule.next(NOW), None);
    }

    #[test]
    fn silence_among_many_is_asked_again_as_soon_as_among_few() {
        let mut schedule = serving(10_000);
        schedule.hurry(&id(7));
        assert_eq!(schedule.next(NOW), Some(id(7)));
        schedule.answered(&id(7), Answer::Silence, NOW);
        let due = NOW + CADENCE.starting;
        assert!(std::iter::from_fn(|| schedule.next(due)).any(|asked| asked == id(7)));
    }

    #[test]
    fn who_is_hurried_while_being_asked_is_asked_once_more() {
        let mut schedule = serving(1);
        schedule.hurry(&id(0));
        assert_eq!(schedule.next(NOW), Some(id(0)));
        schedule.hurry(&id(0));
        assert_eq!(schedule.next(NOW), None);
        schedule.answered(&id(0), Answer::Given, NOW);
        assert_eq!(schedule.next(NOW), Some(id(0)));
        schedule.answered(&id(0), Answer::Given, NOW);
        assert_eq!(schedule.next(NOW), None);
    }

    #[test]
    fn who_is_forgotten_is_asked_no_more_and_leaves_nothing_behind() {
        let mut schedule = serving(2);
        schedule.hurry(&id(0));
        (0..2).map(id).for_each(|id| schedule.forget(&id));
        assert_eq!(schedule.next(NOW + SECOND * 10), None);
        assert_eq!(schedule.due(), None);
        assert_eq!((schedule.quick, schedule.entries.len(), schedule.later.len()), (0, 0, 0));
    }
}

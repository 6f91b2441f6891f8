//! Probes those whose answer can still change something, when the schedule says so.
//!
//! Each probe has a connection of its own, although ten thousand could be kept: that would take
//! half of the descriptors that a process may have, and would no longer test that the instance
//! accepts. What makes many probes bearable is to begin fewer of them.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::counts::Counting;
use super::inbox::until;
use super::pulse::{Beat, Pulse};
use super::schedule::{Answer, Pace, Schedule, Stretch};
use super::{Cadence, PathChecks};
use crate::address::Address;
use crate::clock;
use crate::fleet::{Change, Event, Finding, Fleet, Group, InstanceId, Phase, Probe, Tracked};
use crate::probe::{self, Check};

/// Probes under way at once. As many as begin in half a second, which is how long silence takes by
/// default; each has a descriptor.
const PROBES_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Probers {
    events: mpsc::Sender<Event>,
    cadence: Cadence,
    schedule: Schedule,
    targets: BTreeMap<InstanceId, Target>,
    /// What the probes under way brought.
    tasks: JoinSet<Answer>,
    /// Whom they ask.
    asked: HashMap<Id, InstanceId>,
    /// What was last told of an interval that is longer than it was set.
    stretch: Option<Stretch>,
    counting: Counting,
}

/// Whom to ask, and how.
#[derive(Debug)]
struct Target {
    address: Address,
    check: Check,
    /// What the last probe found, for people.
    pulse: Arc<Pulse>,
    /// The last probe that was begun.
    task: Option<AbortHandle>,
}

impl Probers {
    pub(super) fn new(events: mpsc::Sender<Event>, cadence: Cadence, counting: Counting) -> Self {
        Self {
            events,
            cadence,
            schedule: Schedule::new(cadence),
            targets: BTreeMap::new(),
            tasks: JoinSet::new(),
            asked: HashMap::new(),
            stretch: None,
            counting,
        }
    }

    /// Probes exactly those whose answer can still change something.
    pub(super) fn follow(&mut self, fleet: &Fleet, news: &[Change], checks: &PathChecks) {
        for id in news.iter().map(Change::id) {
            let wanted = fleet.get(id).filter(|tracked| is_worth_asking(tracked));
            match wanted.and_then(|tracked| Some((tracked, target_of(tracked, checks)?))) {
                Some((tracked, target)) => self.watch(tracked, target),
                None => self.forget(id),
            }
        }
        self.tell_stretch();
    }

    /// Asks an instance now instead of at its next turn.
    pub(super) fn hurry(&mut self, id: &InstanceId) {
        self.schedule.hurry(id);
    }

    /// What the last probe of an instance found, if it is probed.
    pub(super) fn pulse(&self, id: &InstanceId) -> Option<Arc<Pulse>> {
        self.targets.get(id).map(|target| Arc::clone(&target.pulse))
    }

    /// What keeps the interval from being the one that was set, if anything does.
    pub(super) const fn stretch(&self) -> Option<Stretch> {
        self.stretch
    }

    /// Asks whoever is due, for as long as it is awaited; nothing is lost when it no longer is.
    pub(super) async fn run(&mut self) -> Infallible {
        loop {
            self.begin_due();
            let due = if self.tasks.len() < PROBES_MAX { self.schedule.due() } else { None };
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id() => match ended {
                    Ok((task, answer)) => self.end(task, answer),
                    // One that panicked brought nothing, and one that was aborted is over.
                    Err(error) => self.end(error.id(), Answer::Given),
                },
                () = until(due) => {}
            }
        }
    }

    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    fn watch(&mut self, tracked: &Tracked, target: Target) {
        let id = &tracked.instance.id;
        let pace = match tracked.phase {
            Phase::Starting => Pace::Starting,
            _ => Pace::Steady,
        };
        let known = self.targets.get(id);
        if known.is_some_and(|known| !known.is_same(&target)) {
            // What is said at its former address is about somebody else.
            self.forget(id);
        }
        self.targets.entry(id.clone()).or_insert(target);
        self.schedule.watch(id, pace, clock::now());
    }

    fn forget(&mut self, id: &InstanceId) {
        self.schedule.forget(id);
        if let Some(task) = self.targets.remove(id).and_then(|target| target.task) {
            task.abort();
        }
    }

    fn begin_due(&mut self) {
        let now = clock::now();
        while self.tasks.len() < PROBES_MAX
            && let Some(id) = self.schedule.next(now)
        {
            self.begin(&id);
        }
    }

    fn begin(&mut self, id: &InstanceId) {
        let Some(target) = self.targets.get_mut(id) else { return };
        let (address, check) = (target.address.clone(), target.check.clone());
        let (patience, events) = (self.cadence.timeout, self.events.clone());
        let (asked, counting) = (id.clone(), self.counting.clone());
        let pulse = Arc::clone(&target.pulse);
        let task = self.tasks.spawn(async move {
            let began = clock::now();
            let found = probe::probe(&address, &check, patience).await;
            let answer = answer_of(found.as_ref());
            if let Some(found) = found {
                let beat = Beat::new(found.finding, began);
                counting.probed(beat.finding, beat.took);
                pulse.beat(beat);
                // The receiver goes only when the controller does, and then nobody wants to know.
                let _ = events.send(Event::Probed(asked, found)).await;
            }
            answer
        });
        self.asked.insert(task.id(), id.clone());
        target.task = Some(task);
    }

    fn end(&mut self, task: Id, answer: Answer) {
        let Some(id) = self.asked.remove(&task) else { return };
        let Some(target) = self.targets.get_mut(&id) else { return };
        // Another one may have been begun since, at another address.
        if target.task.as_ref().is_some_and(|last| last.id() == task) {
            target.task = None;
            self.schedule.answered(&id, answer, clock::now());
        }
    }

    /// Told when it begins and when it ends, not with each instance that comes or goes.
    fn tell_stretch(&mut self) {
        let stretch = self.schedule.stretch();
        match (self.stretch, stretch) {
            (None, Some(stretch)) => tracing::info!("{stretch}"),
            (Some(_), None) => tracing::info!("instances are probed as often as was set again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.stretch = stretch;
    }
}

impl Target {
    fn is_same(&self, other: &Self) -> bool {
        (&self.address, &self.check) == (&other.address, &other.check)
    }
}

const fn answer_of(found: Option<&Probe>) -> Answer {
    match found {
        Some(Probe { finding: Finding::Refused | Finding::TimedOut, .. }) => Answer::Silence,
        _ => Answer::Given,
    }
}

fn is_worth_asking(tracked: &Tracked) -> bool {
    match &tracked.phase {
        Phase::Starting | Phase::Standby | Phase::Serving | Phase::Outgoing(_) => true,
        Phase::Condemned(reason) => !reason.is_gone(),
        Phase::Draining(..) | Phase::Terminating(..) => false,
    }
}

fn target_of(tracked: &Tracked, checks: &PathChecks) -> Option<Target> {
    let instance = &tracked.instance;
    let (address, check) = match instance.control {
        Some(control) => (control.into(), Check::Control { instance: instance.id.to_string() }),
        None => {
            let path = match instance.slot.group {
                Group::Instances => checks.instances.clone(),
                Group::Backend => checks.backend.clone(),
            };
            let instance_id = instance.id.to_string();
            (instance.address.clone()?, Check::Path { path, instance: instance_id })
        }
    };
    Some(Target { address, check, pulse: Arc::default(), task: None })
}

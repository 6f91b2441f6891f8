//! From what the controller sees to incidents.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::{Cause, Incident, IncidentId, KEPT_MAX, Outcome, Step, Steps, Surrender, Who};
use crate::clock::Instant;
use crate::fleet::{
    Change, Finding, Fleet, GroupSpec, InstanceId, Launch, LaunchToken, Operation, Passage, Phase,
    Slot, Spec, Tracked, Vitals,
};

/// Pieces of evidence that an incident keeps: the signs before the verdict and the first launches
/// that failed. A launch that fails a hundred times alike says nothing new.
const EVIDENCE_MAX: usize = 8;

/// Characters of a piece of evidence; a provider's error can be a page long.
const EVIDENCE_CHARS_MAX: usize = 200;

/// All incidents that are kept, oldest first. Immutable, and shared piece by piece.
pub type Snapshot = Arc<Vec<Arc<Incident>>>;

/// An incident began, or is over: what is counted of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// It began, for this reason.
    Began(Cause),
    /// It is over.
    Ended(Slot, Outcome),
}

/// One moment on both clocks: the one that measures, and the one that people read.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For the time between two things.
    pub instant: Instant,
    /// For the date, as the time since 1970.
    pub wall: Duration,
}

/// The incidents of a fleet.
#[derive(Debug, Default)]
pub struct Incidents {
    last: u64,
    all: BTreeMap<IncidentId, Arc<Incident>>,
    /// The slots that do not serve.
    open: BTreeMap<Slot, Thread>,
    /// Since when there is something odd about an instance, and what was the first of it.
    signs: BTreeMap<InstanceId, Sign>,
    /// Whether something changed since the last snapshot.
    changed: bool,
    /// What happened since somebody last asked: as many as a turn has news.
    milestones: Vec<Milestone>,
}

/// What has to be remembered of an incident only while it is open.
#[derive(Debug)]
struct Thread {
    id: IncidentId,
    /// What had passed of it at `base`: nothing, or what passed before this `up` began.
    carried: Duration,
    base: Instant,
    /// The launch that is on its way.
    token: Option<LaunchToken>,
    origin: Origin,
    duty: Duty,
}

/// What whoever was lost did. Where there are spares, that is what has to be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// It took traffic: whoever is promoted first makes up for it.
    Traffic,
    /// It was to: its own slot has to be filled.
    Readiness,
}

/// Who saw the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// We did, and whatever came after.
    Ours,
    /// An earlier `up`: steps may have been taken that nobody saw.
    Inherited,
}

#[derive(Debug)]
struct Sign {
    since: Instant,
    what: String,
}

impl Incidents {
    /// Goes on where an earlier `up` ended. Keeps the newest.
    #[must_use]
    pub fn resume(kept: impl IntoIterator<Item = Incident>, now: Moment) -> Self {
        let mut incidents = Self::default();
        for incident in kept {
            incidents.last = incidents.last.max(incident.id.0);
            if incident.outcome == Outcome::Open {
                let thread = Thread {
                    id: incident.id,
                    carried: now.wall.saturating_sub(incident.detected),
                    base: now.instant,
                    token: None,
                    origin: Origin::Inherited,
                    duty: Duty::Traffic,
                };
                incidents.open.insert(incident.slot, thread);
            }
            incidents.all.insert(incident.id, Arc::new(incident));
        }
        incidents.forget_oldest();
        incidents
    }

    /// All that are kept, if anything changed since this was last asked.
    pub fn take_news(&mut self) -> Option<Snapshot> {
        std::mem::take(&mut self.changed).then(|| self.snapshot())
    }

    /// What began and ended since this was last asked.
    pub fn take_milestones(&mut self) -> Vec<Milestone> {
        std::mem::take(&mut self.milestones)
    }

    /// All that are kept.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Arc::new(self.all.values().cloned().collect())
    }

    /// A first sign that something is wrong with an instance; later ones say nothing new until it
    /// is well again.
    pub fn suspected(&mut self, id: &InstanceId, what: impl Display, now: Instant) {
        if !self.signs.contains_key(id) {
            self.signs.insert(id.clone(), Sign { since: now, what: bounded(&what) });
        }
    }

    /// What a probe found.
    pub fn probed(&mut self, id: &InstanceId, finding: Finding, now: Instant) {
        match finding {
            Finding::Well | Finding::Leaving | Finding::Shedding => drop(self.signs.remove(id)),
            Finding::Refused => self.suspected(id, "a probe was refused", now),
            Finding::TimedOut => self.suspected(id, "a probe was not answered in time", now),
            Finding::Failed(0) => self.suspected(id, "a probe's answer was not understood", now),
            Finding::Failed(status) => {
                self.suspected(id, format_args!("a probe was answered {status}"), now);
            }
        }
        let Some(slot) = self.succeeded_by(id) else { return };
        self.amend(slot, now, |incident, after| {
            if finding.is_answer() || matches!(finding, Finding::Failed(_)) {
                incident.steps.port_open.take(after);
            }
            if matches!(finding, Finding::Well | Finding::Leaving) {
                incident.steps.first_2xx.take(after);
            }
        });
    }

    /// The provider is asked for an instance. What it is for has to be known already.
    pub fn launched(&mut self, launch: &Launch, now: Instant) {
        let Some(thread) = self.open.get_mut(&launch.slot) else { return };
        thread.token = Some(launch.token.clone());
        self.amend(launch.slot, now, |incident, after| {
            incident.launches += 1;
            incident.steps.launch_sent.take(after);
        });
    }

    /// The provider made none.
    pub fn launch_failed(&mut self, token: &LaunchToken, cause: &str, now: Instant) {
        let is_for = |thread: &Thread| thread.token.as_ref() == Some(token);
        let slot = self.open.iter().find(|(_, thread)| is_for(thread)).map(|(slot, _)| *slot);
        let Some(slot) = slot else { return };
        self.amend(slot, now, |incident, _| {
            note(incident, format_args!("a launch failed: {cause}"));
        });
    }

    /// What changed about the fleet, which is now as it is.
    pub fn changed(&mut self, fleet: &Fleet, news: &[Change], now: Moment) {
        for change in news {
            let id = change.id();
            match change {
                Change::Phase(passage) => self.passed(passage, now),
                Change::Forgotten(id) => drop(self.signs.remove(id)),
                _ => {}
            }
            let runs = |tracked: &Tracked| tracked.instance.vitals == Vitals::Running;
            if fleet.get(id).is_some_and(runs)
                && let Some(slot) = self.succeeded_by(id)
            {
                self.amend(slot, now.instant, |of, after| of.steps.running.take(after));
            }
        }
    }

    /// Ends what needs no repair any more: somebody else serves in the slot, or it is not wanted.
    pub fn settle(&mut self, fleet: &Fleet, spec: &Spec, now: Instant) {
        let slots: Vec<Slot> = self.open.keys().copied().collect();
        for slot in slots {
            if let Some(id) = self.filled_by(slot, fleet, spec.group(slot.group)) {
                self.close(slot, |of, after| outcome(of, &id, after), now);
            } else if let Some(why) = surrender(slot, spec) {
                self.close(slot, |_, after| Outcome::GivenUp(after, why), now);
            }
        }
    }
}

// === An instance's steps ===

impl Incidents {
    fn passed(&mut self, passage: &Passage, now: Moment) {
        let slot = passage.slot;
        match &passage.phase {
            Phase::Starting => self.started(passage, now.instant),
            Phase::Serving if passage.was == Some(Phase::Standby) => {
                self.promoted(passage, now.instant);
            }
            Phase::Serving => {
                self.close(slot, |of, after| outcome(of, &passage.id, after), now.instant);
            }
            phase => {
                let Some(cause) = phase.reason().and_then(Cause::of) else { return };
                // Who has left the slot already leaves nothing to repair.
                let filled = passage.was.as_ref().is_none_or(Phase::fills_slot);
                if !self.open.contains_key(&slot) && filled {
                    self.begin(passage, cause, now);
                }
                self.amend(slot, now.instant, |incident, after| failed(incident, passage, after));
            }
        }
    }

    fn started(&mut self, passage: &Passage, now: Instant) {
        let Some(thread) = self.open.get(&passage.slot) else { return };
        let is_ours = thread.token.is_some();
        self.amend(passage.slot, now, |incident, _| {
            // After a restart, who was lost may be found once more.
            if incident.lost.id == passage.id {
                return;
            }
            incident.successor = Some(who(passage));
            if !is_ours {
                let Steps { launch_sent, running, .. } = &mut incident.steps;
                launch_sent.miss(Step::Unseen);
                running.miss(Step::Unseen);
            }
        });
    }

    /// A spare, or a newborn that does not wait to be one, takes the place that is its own, or else
    /// the one that has been empty for longest.
    fn promoted(&mut self, passage: &Passage, now: Instant) {
        let is_vacant = |slot: &Slot, thread: &Thread| {
            slot.group == passage.slot.group && thread.duty == Duty::Traffic
        };
        let vacant = self.open.iter().filter(|(slot, thread)| is_vacant(slot, thread));
        let first = vacant.min_by_key(|(slot, thread)| (**slot != passage.slot, thread.id));
        let Some(slot) = first.map(|(slot, _)| *slot) else { return };
        self.amend(slot, now, |incident, _| {
            if incident.lost.id != passage.id {
                incident.successor = Some(who(passage));
            }
        });
        self.close(slot, |of, after| outcome(of, &passage.id, after), now);
    }

    /// Who does what the one did that the slot lost, if anybody does.
    fn filled_by(&self, slot: Slot, fleet: &Fleet, spec: &GroupSpec) -> Option<InstanceId> {
        let thread = self.open.get(&slot)?;
        let serves = |of: &Tracked| of.phase == Phase::Serving;
        let filler = match (spec.standby, thread.duty) {
            (0, _) => fleet.in_slot(slot).find(|of| serves(of)),
            (_, Duty::Readiness) => fleet.in_slot(slot).find(|of| of.phase.is_ready()),
            // The one that is to be missing last: there is none if as many serve as should.
            (_, Duty::Traffic) => {
                let last = (spec.size as usize).checked_sub(1)?;
                fleet.members(slot.group).filter(|of| serves(of)).nth(last)
            }
        };
        filler.map(|of| of.instance.id.clone())
    }

    /// Opens an incident: it began with the first sign, which may be older than the verdict.
    fn begin(&mut self, passage: &Passage, cause: Cause, now: Moment) {
        self.last += 1;
        let id = IncidentId(self.last);
        let sign = self.signs.remove(&passage.id).filter(|_| cause != Cause::Ordered);
        let since = sign.as_ref().map_or(now.instant, |sign| sign.since);
        let incident = Incident {
            id,
            slot: passage.slot,
            cause,
            evidence: sign.map(|sign| sign.what).into_iter().collect(),
            lost: who(passage),
            successor: None,
            detected: now.wall.saturating_sub(now.instant.since(since)),
            steps: Steps::default(),
            launches: 0,
            outcome: Outcome::Open,
        };
        let duty = match passage.was {
            Some(Phase::Serving | Phase::Outgoing(_)) => Duty::Traffic,
            _ => Duty::Readiness,
        };
        let (carried, origin, token) = (Duration::ZERO, Origin::Ours, None);
        let thread = Thread { id, carried, base: since, token, origin, duty };
        self.open.insert(passage.slot, thread);
        self.all.insert(id, Arc::new(incident));
        self.milestones.push(Milestone::Began(cause));
        self.changed = true;
        self.forget_oldest();
    }
}

// === Keeping them ===

impl Incidents {
    /// Changes the open incident of a slot, if there is one, given the time since it began.
    fn amend(&mut self, slot: Slot, now: Instant, change: impl FnOnce(&mut Incident, Duration)) {
        let Some(thread) = self.open.get(&slot) else { return };
        let Some(known) = self.all.get_mut(&thread.id) else { return };
        let mut incident = Incident::clone(known);
        change(&mut incident, thread.carried.saturating_add(now.since(thread.base)));
        if incident != **known {
            *known = Arc::new(incident);
            self.changed = true;
        }
    }

    fn close(
        &mut self,
        slot: Slot,
        outcome: impl FnOnce(&Incident, Duration) -> Outcome,
        now: Instant,
    ) {
        let Some(origin) = self.open.get(&slot).map(|thread| thread.origin) else { return };
        self.amend(slot, now, |incident, after| {
            incident.outcome = outcome(incident, after);
            finish(incident, after, origin);
        });
        let closed = self.open.remove(&slot).and_then(|thread| self.all.get(&thread.id));
        self.milestones.extend(closed.map(|of| Milestone::Ended(slot, of.outcome)));
    }

    /// The slot whose open incident this instance is to end. Few are open at a time, mostly none.
    fn succeeded_by(&self, id: &InstanceId) -> Option<Slot> {
        let is_by = |thread: &Thread| {
            let successor = self.all.get(&thread.id).and_then(|of| of.successor.as_ref());
            successor.is_some_and(|successor| successor.id == *id)
        };
        self.open.iter().find(|(_, thread)| is_by(thread)).map(|(slot, _)| *slot)
    }

    fn forget_oldest(&mut self) {
        while self.all.len() > KEPT_MAX {
            let oldest = self.all.pop_first().map(|(id, _)| id);
            self.open.retain(|_, thread| Some(thread.id) != oldest);
        }
    }
}

/// One more thing that went wrong in a slot that does not serve.
fn failed(incident: &mut Incident, passage: &Passage, after: Duration) {
    let Some(reason) = passage.phase.reason() else { return };
    if incident.successor.as_ref().is_some_and(|of| of.id == passage.id) {
        note(incident, format_args!("{}: {reason}", passage.label));
        incident.successor = None;
        let Steps { running, port_open, first_2xx, .. } = &mut incident.steps;
        for step in [running, port_open, first_2xx] {
            *step = Step::Awaited;
        }
    } else if passage.id == incident.lost.id {
        note(incident, reason);
        match (&passage.was, &passage.phase) {
            // It takes traffic until its successor does.
            (_, Phase::Outgoing(_)) => {}
            (None | Some(Phase::Starting), _) => incident.steps.ejected.miss(Step::Skipped),
            _ => incident.steps.ejected.take(after),
        }
    }
}

fn surrender(slot: Slot, spec: &Spec) -> Option<Surrender> {
    match spec.operation {
        Operation::Stopping => Some(Surrender::Stopped),
        Operation::Active | Operation::Paused => {
            (slot.index >= spec.group(slot.group).slots()).then_some(Surrender::Unwanted)
        }
    }
}

fn who(passage: &Passage) -> Who {
    Who { id: passage.id.clone(), label: passage.label.clone() }
}

/// How an incident ends when an instance serves in its slot.
fn outcome(incident: &Incident, by: &InstanceId, after: Duration) -> Outcome {
    match incident.cause {
        _ if incident.lost.id == *by => Outcome::Recovered(after),
        Cause::Ordered => Outcome::Ordered(after),
        _ => Outcome::Repaired(after),
    }
}

/// What was not seen until now will not be seen any more.
fn finish(incident: &mut Incident, after: Duration, origin: Origin) {
    let steps = &mut incident.steps;
    if matches!(incident.outcome, Outcome::Repaired(_) | Outcome::Ordered(_)) {
        steps.serving.take(after);
    }
    let missed = match (incident.outcome, origin) {
        (Outcome::Repaired(_) | Outcome::Ordered(_), Origin::Inherited) => Step::Unseen,
        _ => Step::Skipped,
    };
    let Steps { ejected, launch_sent, running, port_open, first_2xx, serving } = steps;
    for step in [ejected, launch_sent, running, port_open, first_2xx, serving] {
        step.miss(missed);
    }
}

fn note(incident: &mut Incident, what: impl Display) {
    let what = bounded(&what);
    if incident.evidence.len() < EVIDENCE_MAX && !incident.evidence.contains(&what) {
        incident.evidence.push(what);
    }
}

fn bounded(what: &impl Display) -> String {
    what.to_string().chars().take(EVIDENCE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;

//! One probing task per instance, started and stopped as the fleet changes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::{Cadence, PathChecks};
use crate::address::Address;
use crate::fleet::{Change, Event, Finding, Fleet, Group, InstanceId, Phase, Probe, Tracked};
use crate::probe::{self, Check};

#[derive(Debug)]
pub(super) struct Probers {
    events: mpsc::Sender<Event>,
    cadence: Cadence,
    running: BTreeMap<InstanceId, Prober>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Prober {
    /// The time between two probes. Sending it again, even unchanged, means: ask now.
    interval: watch::Sender<Duration>,
    task: AbortHandle,
}

/// Whom to ask, and how.
struct Target {
    id: InstanceId,
    address: Address,
    check: Check,
}

impl Probers {
    pub(super) fn new(events: mpsc::Sender<Event>, cadence: Cadence) -> Self {
        Self { events, cadence, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Probes exactly those whose answer can still change something.
    pub(super) fn follow(&mut self, fleet: &Fleet, news: &[Change], checks: &PathChecks) {
        for id in news.iter().map(Change::id) {
            match fleet.get(id).filter(|tracked| is_worth_asking(tracked)) {
                Some(tracked) => self.adapt(tracked, checks),
                None => self.end(id),
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Asks an instance now instead of at its next turn.
    pub(super) fn hurry(&self, id: &InstanceId) {
        if let Some(prober) = self.running.get(id) {
            prober.interval.send_modify(|_| {});
        }
    }

    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    fn adapt(&mut self, tracked: &Tracked, checks: &PathChecks) {
        let wanted = match tracked.phase {
            Phase::Starting => self.cadence.starting,
            _ => self.cadence.steady,
        };
        match self.running.get(&tracked.instance.id) {
            Some(prober) => {
                prober
                    .interval
                    .send_if_modified(|interval| std::mem::replace(interval, wanted) != wanted);
            }
            None => self.start(tracked, checks, wanted),
        }
    }

    fn end(&mut self, id: &InstanceId) {
        if let Some(prober) = self.running.remove(id) {
            prober.task.abort();
        }
    }

    fn start(&mut self, tracked: &Tracked, checks: &PathChecks, interval: Duration) {
        let Some(target) = target_of(tracked, checks) else { return };
        let id = target.id.clone();
        let (interval, changes) = watch::channel(interval);
        let task = run(target, changes, self.cadence, self.events.clone());
        let task = self.tasks.spawn(task);
        self.running.insert(id, Prober { interval, task });
    }
}

fn is_worth_asking(tracked: &Tracked) -> bool {
    match &tracked.phase {
        Phase::Starting | Phase::Serving | Phase::Outgoing(_) => true,
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
            (instance.address.clone()?, Check::Path(path))
        }
    };
    Some(Target { id: instance.id.clone(), address, check })
}

async fn run(
    target: Target,
    mut interval: watch::Receiver<Duration>,
    cadence: Cadence,
    events: mpsc::Sender<Event>,
) {
    loop {
        let steady = *interval.borrow_and_update();
        let found = probe::probe(&target.address, &target.check, cadence.timeout).await;
        let wait = match found {
            // Silence is worth asking again at once: it is over soon, or a verdict is due.
            Some(Probe { finding: Finding::Refused | Finding::TimedOut, .. }) => {
                steady.min(cadence.starting)
            }
            _ => steady,
        };
        if let Some(found) = found
            && events.send(Event::Probed(target.id.clone(), found)).await.is_err()
        {
            return;
        }
        tokio::select! {
            biased;
            changed = interval.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

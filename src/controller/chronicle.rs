//! Tells the incidents what the controller sees, and publishes them.

use std::fmt::Display;

use tokio::sync::watch;

use super::counts::Counting;
use crate::clock;
use crate::fleet::{Change, Event, Fleet, InstanceId, Launch, Spec};
use crate::incidents::{Incident, Incidents, Moment, Snapshot};

#[derive(Debug)]
pub(super) struct Chronicle {
    incidents: Incidents,
    published: watch::Sender<Snapshot>,
    counting: Counting,
}

impl Chronicle {
    /// Goes on where an earlier controller ended.
    pub(super) fn resume(kept: Vec<Incident>, counting: Counting) -> Self {
        let incidents = Incidents::resume(kept, now());
        let published = watch::Sender::new(incidents.snapshot());
        Self { incidents, published, counting }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.published.subscribe()
    }

    pub(super) fn launching(&mut self, launch: &Launch) {
        self.counting.launching(launch.slot.group);
        self.incidents.launched(launch, clock::now());
        self.publish();
    }

    /// A request failed at an instance.
    pub(super) fn suspected(&mut self, id: &InstanceId, failure: impl Display) {
        self.incidents.suspected(id, format_args!("a request: it {failure}"), clock::now());
    }

    /// What an event tells that does not show in the fleet.
    pub(super) fn heard(&mut self, event: &Event) {
        match event {
            Event::Probed(id, probe) => self.incidents.probed(id, probe.finding, clock::now()),
            Event::Launched(token, Err(cause)) => {
                self.incidents.launch_failed(token, cause, clock::now());
            }
            _ => {}
        }
    }

    /// Takes in what changed, and hands out what follows.
    pub(super) fn follow(&mut self, fleet: &Fleet, news: &[Change], spec: &Spec) {
        let now = now();
        self.incidents.changed(fleet, news, now);
        self.incidents.settle(fleet, spec, now.instant);
        self.publish();
    }

    fn publish(&mut self) {
        for milestone in self.incidents.take_milestones() {
            self.counting.reached(&milestone);
        }
        if let Some(snapshot) = self.incidents.take_news() {
            self.published.send_replace(snapshot);
        }
    }
}

fn now() -> Moment {
    Moment { instant: clock::now(), wall: clock::wall() }
}

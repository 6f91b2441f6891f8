//! Looks at the counters once a second, and remembers.
//!
//! The only task that folds them, so that the history and the pace of the slots are the same for
//! whoever looks. It reads what the data plane counts and never makes it wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use utoipa::ToSchema;

use crate::clock;
use crate::controller::Accounts;
use crate::metrics::{History, HistoryView, OTHERS, Pace, Paces, Step};
use crate::proxy::Meter;

/// How often it looks: the length of the history's shortest step.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the counters.
#[derive(Debug)]
pub struct Recorder {
    meter: Meter,
    accounts: watch::Receiver<Arc<Accounts>>,
    paces: Paces<String>,
    history: Arc<Mutex<History>>,
    latest: watch::Sender<Arc<Glance>>,
}

/// What was recorded, for who wants to see it.
#[derive(Clone, Debug)]
pub struct Recording {
    history: Arc<Mutex<History>>,
    latest: watch::Receiver<Arc<Glance>>,
}

/// The traffic of this moment: the answer to `GET /v1/pace`. Fields are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Glance {
    /// The last second that is over; `null` in the first one.
    pub second: Option<Step>,
    /// How fast each slot worked in the last ten seconds; `others` are those beyond the first 256.
    pub slots: BTreeMap<String, Pace>,
}

impl Recorder {
    /// A recorder that has seen nothing yet.
    #[must_use]
    pub fn new(meter: Meter, accounts: watch::Receiver<Arc<Accounts>>) -> Self {
        Self {
            meter,
            accounts,
            paces: Paces::default(),
            history: Arc::new(Mutex::new(History::new(clock::now()))),
            latest: watch::Sender::default(),
        }
    }

    /// What it records.
    #[must_use]
    pub fn recording(&self) -> Recording {
        Recording { history: Arc::clone(&self.history), latest: self.latest.subscribe() }
    }

    /// Records until dropped.
    pub async fn run(mut self) {
        let mut looks = interval(LOOK);
        // What was missed is spread over the time that it took; looking twice shows nothing.
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            looks.tick().await;
            self.look();
        }
    }

    fn look(&mut self) {
        let (reading, now) = (self.meter.reading(), clock::now());
        let second = {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            history.fold(&reading, now);
            history.latest(now, clock::wall())
        };
        let accounts = Arc::clone(&self.accounts.borrow());
        let slots = accounts.slots.iter().map(|(slot, account)| (slot.to_string(), account.read()));
        let others = accounts.others.read();
        let others = (others != Default::default()).then(|| (OTHERS.to_owned(), others));
        let slots = self.paces.fold(slots.chain(others));
        self.latest.send_replace(Arc::new(Glance { second, slots }));
    }
}

impl Recording {
    /// The last quarter of an hour and the last day.
    #[must_use]
    pub fn history(&self) -> HistoryView {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.view(clock::now(), clock::wall())
    }

    /// The traffic of this moment.
    #[must_use]
    pub fn latest(&self) -> Arc<Glance> {
        Arc::clone(&self.latest.borrow())
    }

    /// The same, told anew once a second.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Glance>> {
        self.latest.clone()
    }
}

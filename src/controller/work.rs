//! The controller's effects: calls to the provider and to forwarders, each in a task of its own,
//! so that a slow cloud delays nothing else. Every call has a deadline and comes back as an event.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use super::Listing as Intervals;
use super::counts::{Counting, Ending, Verb};
use crate::clock::{self, Instant};
use crate::fleet::{Backends, Event, InstanceId, Launch};
use crate::probe;
use crate::provider::{self, Fault, Provider};

/// A launch call that is not answered by then has failed; if it made an instance all the same,
/// the next list shows it. EC2 answers within two seconds as a rule.
const LAUNCH_CALL_MAX: Duration = Duration::from_secs(60);

/// A termination that is not answered by then is asked for again. Longer than the longest
/// `stop_timeout` that anybody would set.
const TERMINATE_CALL_MAX: Duration = Duration::from_secs(900);

/// A list that takes longer is given up; its age would make it worthless.
const LIST_CALL_MAX: Duration = Duration::from_secs(30);

/// How long a forwarder has to take new backends. It only stores addresses; the next probe
/// finds out if it did not.
const REPOINT_CALL_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Work<P> {
    provider: Arc<P>,
    events: mpsc::Sender<Event>,
    control_token: Arc<str>,
    counting: Counting,
    outlook: watch::Sender<Outlook>,
    tasks: JoinSet<()>,
}

/// Whether the provider is about to have news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// A machine is about to come, to start or to go.
    Expecting,
    /// Nothing is.
    Steady,
}

impl<P: Provider> Work<P> {
    pub(super) fn new(
        provider: Arc<P>,
        events: mpsc::Sender<Event>,
        control_token: String,
        counting: Counting,
    ) -> Self {
        let control_token = control_token.into();
        // Before the first list nobody knows.
        let outlook = watch::Sender::new(Outlook::Expecting);
        Self { provider, events, control_token, counting, outlook, tasks: JoinSet::new() }
    }

    /// Asks the provider what exists: now, and then as often as what is expected asks for.
    pub(super) fn keep_listing(&mut self, intervals: Intervals) {
        let (provider, events) = (Arc::clone(&self.provider), self.events.clone());
        let (counting, mut outlook) = (self.counting.clone(), self.outlook.subscribe());
        self.tasks.spawn(async move {
            let mut listing = Listing::Works;
            loop {
                let began = clock::now();
                listing = list(&*provider, &events, &counting, listing).await;
                wait_to_list(began, intervals, &mut outlook).await;
            }
        });
    }

    /// What is expected from now on.
    pub(super) fn expect(&mut self, outlook: Outlook) {
        self.outlook.send_if_modified(|was| std::mem::replace(was, outlook) != outlook);
    }

    pub(super) fn launch(&mut self, launch: Launch) {
        let (provider, events) = (Arc::clone(&self.provider), self.events.clone());
        let counting = self.counting.clone();
        self.tasks.spawn(async move {
            let began = clock::now();
            let result = timeout(LAUNCH_CALL_MAX, provider.launch(&launch)).await;
            note(&counting, Verb::Launch, began, &result);
            let result = match result {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {LAUNCH_CALL_MAX:?}")),
            };
            if let Err(cause) = &result {
                tracing::warn!("{}: the launch failed: {cause}", launch.slot);
            }
            send(&events, Event::Launched(launch.token, result)).await;
        });
    }

    pub(super) fn terminate(&mut self, id: InstanceId) {
        let (provider, events) = (Arc::clone(&self.provider), self.events.clone());
        let counting = self.counting.clone();
        self.tasks.spawn(async move {
            let began = clock::now();
            let result = timeout(TERMINATE_CALL_MAX, provider.terminate(&id)).await;
            note(&counting, Verb::Terminate, began, &result);
            let result = match result {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {TERMINATE_CALL_MAX:?}")),
            };
            if let Err(cause) = &result {
                tracing::warn!("{id}: it could not be ended: {cause}");
            }
            send(&events, Event::Terminated(id, result)).await;
        });
    }

    pub(super) fn repoint(&mut self, id: InstanceId, control: SocketAddr, to: Arc<Backends>) {
        let (events, token) = (self.events.clone(), Arc::clone(&self.control_token));
        self.tasks.spawn(async move {
            let result = probe::repoint(control, &to, &token, REPOINT_CALL_MAX).await;
            if let Err(cause) = &result {
                tracing::warn!("{id}: it was not told to relay to {to}: {cause}");
            }
            send(&events, Event::Repointed(id, to, result)).await;
        });
    }

    /// Lets go of the tasks that ended.
    pub(super) fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }

    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Waits until the next list is due. What is expected can change meanwhile.
async fn wait_to_list(
    began: Instant,
    intervals: Intervals,
    outlook: &mut watch::Receiver<Outlook>,
) {
    loop {
        let interval = match *outlook.borrow_and_update() {
            Outlook::Expecting => intervals.expecting,
            Outlook::Steady => intervals.steady,
        };
        let due = began + interval;
        tokio::select! {
            () = sleep(due.since(clock::now())) => return,
            // The sender goes only when the controller does, and this with it.
            Ok(()) = outlook.changed() => {}
        }
    }
}

/// Whether the last list was answered: only a change is worth a line in the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    Works,
    Fails(Fault),
}

async fn list<P: Provider>(
    provider: &P,
    events: &mpsc::Sender<Event>,
    counting: &Counting,
    was: Listing,
) -> Listing {
    let began = clock::now();
    let listed = timeout(LIST_CALL_MAX, provider.list()).await;
    note(counting, Verb::List, began, &listed);
    let (fault, cause) = match listed {
        Ok(Ok(found)) => {
            if was != Listing::Works {
                tracing::info!("the provider lists again");
            }
            send(events, Event::Listed { began, found }).await;
            return Listing::Works;
        }
        Ok(Err(error)) => (error.fault, error.to_string()),
        Err(_) => (Fault::Unavailable, format!("no answer within {LIST_CALL_MAX:?}")),
    };
    if was != Listing::Fails(fault) {
        tracing::warn!("the provider does not list: {cause}");
    }
    Listing::Fails(fault)
}

/// Counts a call by how it ended.
fn note<T>(
    counting: &Counting,
    verb: Verb,
    began: Instant,
    result: &Result<Result<T, provider::Error>, Elapsed>,
) {
    let ending = match result {
        Ok(Ok(_)) => Ending::Ok,
        Ok(Err(error)) => error.fault.into(),
        Err(_) => Ending::TimedOut,
    };
    counting.called(verb, ending, clock::now().since(began));
}

/// The receiver goes only when the controller does, and then nobody wants to know.
async fn send(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await;
}

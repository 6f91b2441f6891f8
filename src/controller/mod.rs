//! The control loop: observe, plan, execute.
//!
//! One task owns the fleet. Everything else (probes, the provider's calls, the data plane, the
//! operator) sends it events, and it sends out snapshots. Nothing is done directly in reaction to
//! an event: events are folded in, and what to do follows from all that is known.

mod accounts;
mod chronicle;
mod command;
mod counts;
mod inbox;
mod log;
mod probers;
mod pulse;
mod roster;
mod schedule;
mod status;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use accounts::Accounts;
pub use command::{Answer, BACKENDS_MAX, Command, INSTANCES_MAX, Order, Refusal};
pub use counts::{Counting, Counts, Ending, PROBE_NAMES, Verb, probe_name};
pub use pulse::{Beat, Pulse};
pub use status::{Limits, Occupant, Row, Status};

use crate::clock::{self, Instant};
use crate::fleet::{self, Action, Event, Fleet, Hold, Operation, Ownership, Spec};
use crate::incidents::{Incident, Snapshot};
use crate::pool::{Balance, Pool, Secret};
use crate::provider::{Notice, Provider};
use crate::proxy::Report;
use chronicle::Chronicle;
use inbox::{Inbox, Input};
use log::Log;
use probers::Probers;
use roster::Roster;
use status::Board;
use work::{Outlook, Work};

/// Events that wait for the next turn. More than all instances of a large fleet send at once; a
/// sender that finds it full waits, and nothing is lost.
const EVENTS_MAX: usize = 1024;

/// Events folded in per turn before the plan is asked again, so that a flood cannot starve it.
const EVENTS_PER_TURN: usize = 256;

/// What the controller needs to know besides the desired fleet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Differs between two starts, so that launch tokens never repeat.
    pub nonce: u32,
    /// How the data plane picks.
    pub balancing: Balancing,
    /// How servers without a control listener are probed.
    pub check: PathChecks,
    /// When to probe.
    pub cadence: Cadence,
    /// How often the provider is asked what exists.
    pub listing: Listing,
    /// What forwarders want to see before they take new backends.
    pub control_token: String,
    /// How many threads carry traffic: each reports by itself.
    pub threads: usize,
    /// Cancelled when the operator wants everything down.
    pub down: CancellationToken,
    /// What an earlier `up` wrote down.
    pub incidents: Vec<Incident>,
}

/// How often the provider is asked what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// While nothing is expected to change.
    pub steady: Duration,
    /// While a machine is about to come or to go.
    pub expecting: Duration,
}

/// How the data plane picks.
#[derive(Clone, Debug, Default)]
pub struct Balancing {
    /// How endpoints are compared.
    pub balance: Balance,
    /// What the tokens of clients that stick to an endpoint are made with; `None`: none does.
    pub secret: Option<Secret>,
}

/// The paths at which servers without a control listener are probed.
#[derive(Clone, Debug)]
pub struct PathChecks {
    /// For the group `instances`.
    pub instances: String,
    /// For the group `backend`.
    pub backend: String,
}

/// When to probe.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// Between two probes of an instance that starts.
    pub starting: Duration,
    /// Between two probes of any other.
    pub steady: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Where the controller hears from the rest of the process.
#[derive(Debug)]
pub struct Sources {
    /// What the provider noticed.
    pub notices: mpsc::Receiver<Notice>,
    /// What the data plane found.
    pub reports: mpsc::Receiver<Report>,
    /// What the operator wants.
    pub commands: mpsc::Receiver<Command>,
}

/// Owns the fleet, and runs the loop.
#[derive(Debug)]
pub struct Controller<P> {
    spec: Spec,
    fleet: Fleet,
    settings: Settings,
    inbox: Inbox,
    work: Work<P>,
    probers: Probers,
    roster: Roster,
    board: Board,
    status: watch::Sender<Arc<Status>>,
    holds: Vec<Hold>,
    /// Whether something changed that is not in the fleet's journal: what is desired.
    outdated: bool,
    /// Whether the instances are left to the next controller.
    leaves: bool,
    log: Log,
    chronicle: Chronicle,
    counting: Counting,
}

impl<P: Provider> Controller<P> {
    /// A controller that knows nothing of the fleet yet; it learns it from the provider's list.
    #[must_use]
    pub fn new(spec: Spec, mut settings: Settings, provider: Arc<P>, sources: Sources) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let counting = Counting::default();
        let kept = std::mem::take(&mut settings.incidents);
        let chronicle = Chronicle::resume(kept, counting.clone());
        let token = settings.control_token.clone();
        Self {
            fleet: Fleet::new(settings.nonce),
            inbox: Inbox::new(sources, events),
            work: Work::new(provider, sender.clone(), token, counting.clone()),
            probers: Probers::new(sender, settings.cadence, counting.clone()),
            roster: Roster::new(settings.threads, settings.balancing.clone()),
            board: Board::default(),
            status: watch::Sender::new(Arc::new(Status::before_the_first_list(&spec))),
            holds: Vec::new(),
            outdated: true,
            leaves: false,
            log: Log::default(),
            chronicle,
            counting,
            spec,
            settings,
        }
    }

    /// The snapshots that the data plane picks from.
    #[must_use]
    pub fn pool(&self) -> watch::Receiver<Arc<Pool>> {
        self.roster.subscribe()
    }

    /// Where the data plane counts what each slot answers.
    #[must_use]
    pub fn accounts(&self) -> watch::Receiver<Arc<Accounts>> {
        self.roster.accounts()
    }

    /// What the controller counts.
    #[must_use]
    pub fn counting(&self) -> Counting {
        self.counting.clone()
    }

    /// What the operator sees.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    /// What failed, and how it was repaired.
    #[must_use]
    pub fn incidents(&self) -> watch::Receiver<Snapshot> {
        self.chronicle.subscribe()
    }

    /// Reconciles until everything was stopped by [`Command::Stop`], or until [`Command::Leave`].
    pub async fn run(mut self) {
        self.work.keep_listing(self.settings.listing);
        loop {
            let plan = fleet::plan(&self.spec, &self.fleet, clock::now());
            self.begin(&plan.actions);
            self.publish(plan.holds);
            for action in plan.actions {
                self.execute(action);
            }
            self.work.expect(self.outlook());
            if self.is_stopped() {
                break;
            }
            self.fold_events_until(plan.wake_at).await;
        }
        self.probers.stop().await;
        self.work.stop().await;
    }

    /// Whether nothing is left to do for good.
    fn is_stopped(&self) -> bool {
        let ours = self.spec.instances.ownership == Ownership::Owned;
        let is_done = !ours || self.fleet.is_empty();
        self.leaves || self.spec.operation == Operation::Stopping && is_done
    }

    /// Whether the provider is about to have news.
    fn outlook(&self) -> Outlook {
        if self.fleet.expects_change(&self.spec) { Outlook::Expecting } else { Outlook::Steady }
    }

    /// Records what is about to be done, so that the next plan counts it.
    fn begin(&mut self, actions: &[Action]) {
        let now = clock::now();
        for action in actions {
            self.fleet.begin(action, &self.spec, now);
            tracing::debug!("{action}");
        }
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Launch(launch) => {
                self.chronicle.launching(&launch);
                self.work.launch(launch);
            }
            Action::Terminate(id, _) => self.work.terminate(id),
            Action::Repoint { id, control, to } => self.work.repoint(id, control, to),
            // Telling the pool was all, if it had to be told.
            Action::Supersede(..) | Action::Promote(_) | Action::Demote(_) => {}
            // Taking it out of the pool was all; the threads report when they are done with it.
            Action::Drain(id, _) if self.roster.has_traffic(&id) => {}
            Action::Drain(id, _) => self.inbox.put_back(Event::Drained(id)),
        }
    }

    /// Hands out what follows from the fleet as it now is, if anything about it changed.
    fn publish(&mut self, holds: Vec<Hold>) {
        let news = self.fleet.take_journal();
        self.chronicle.follow(&self.fleet, &news, &self.spec);
        if news.is_empty() && holds == self.holds && !std::mem::take(&mut self.outdated) {
            return;
        }
        let now = clock::now();
        for change in &news {
            self.log.transition(change, now);
        }
        self.log.holds(&self.holds, &holds);
        self.holds = holds;
        self.roster.publish(&self.fleet, &news, now);
        self.probers.follow(&self.fleet, &news, &self.settings.check);
        self.board.follow(&self.fleet, &self.roster, &self.probers, &news);
        let mut status = Status::new(&self.spec, &self.board, &self.holds, now);
        status.slow_probes = self.probers.stretch().map(|stretch| stretch.to_string());
        self.status.send_replace(Arc::new(status));
    }

    /// Waits for the first event, then takes in all that come with it: what a turn costs, and what
    /// a new snapshot costs the threads that carry traffic, is paid once for all of them.
    async fn fold_events_until(&mut self, wake_at: Option<Instant>) {
        let first = tokio::select! {
            biased;
            // Those that are due are asked first, or a flood of reports would end the probing.
            never = self.probers.run() => match never {},
            input = self.inbox.next(wake_at) => input,
        };
        let Some(first) = first else { return };
        let mut batch = Batch::default();
        self.take_into(&mut batch, first);
        self.take_waiting_into(&mut batch);
        let mut before = 0;
        while batch.can_wait() && batch.taken > before {
            before = batch.taken;
            // Whoever is about to say something gets to say it now.
            tokio::task::yield_now().await;
            self.take_waiting_into(&mut batch);
        }
        self.work.reap();
    }

    fn take_waiting_into(&mut self, batch: &mut Batch) {
        while batch.taken < EVENTS_PER_TURN
            && let Some(input) = self.inbox.try_next()
        {
            self.take_into(batch, input);
        }
    }

    fn take_into(&mut self, batch: &mut Batch, input: Input) {
        batch.taken += 1;
        batch.is_urgent |= input.is_urgent();
        self.take_in(input);
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Event(event) => self.observe(event),
            Input::Notice(Notice::Gone(id, how)) => self.observe(Event::Gone(id, how)),
            Input::Report(report) => self.hear(report),
            Input::Command(command) => self.obey(command),
        }
    }

    /// What the data plane found raises suspicion: the instance is asked at once.
    fn hear(&mut self, report: Report) {
        match report {
            Report::Failed { endpoint, failure } => {
                let Some(id) = self.roster.instance(endpoint) else { return };
                self.probers.hurry(&id);
                self.chronicle.suspected(&id, failure);
                if roster::is_refusal(failure) {
                    self.observe(Event::Suspected(id));
                }
            }
            Report::Quiet { endpoint, thread } => {
                if let Some(id) = self.roster.quiet(endpoint, thread) {
                    self.observe(Event::Drained(id));
                }
            }
        }
    }

    fn observe(&mut self, event: Event) {
        self.chronicle.heard(&event);
        self.fleet.observe(event, &self.spec, clock::now());
    }
}

/// What one turn takes in.
#[derive(Debug, Default)]
struct Batch {
    taken: usize,
    is_urgent: bool,
}

impl Batch {
    /// Whether the plan can wait for what else is about to come.
    const fn can_wait(&self) -> bool {
        !self.is_urgent && self.taken < EVENTS_PER_TURN
    }
}

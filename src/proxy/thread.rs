//! What the sessions of one thread share: the snapshot, the counters, the buffers, the budget.
//! Everything here belongs to one thread, so none of it needs a lock.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::sync::{Notify, mpsc};

use super::access_log::Lines;
use super::attend::Attendants;
use super::buffer::Block;
use super::client::Client;
use super::counters::{Count, Levels, Tally};
use super::engine::Starting;
use super::error::{Error, Kind};
use super::failures::{Failures, Subject};
use super::pace::Pace;
use super::parking::Parking;
use super::per_client::PerClient;
use super::pipes::Pipes;
use super::report::{Failure, Report};
use super::settings::{Settings, Timeouts};
use super::snapshot::{Leaving, Snapshot};
use super::space::{AnswerSpace, RequestSpace};
use super::stock::Stock;
use super::traces::Spans;
use super::trail::Sinks;
use super::upstream::Upstream;
use crate::clock::{self, Instant};
use crate::http1::{self, RequestHead, RequestId};
use crate::pool::{Ask, Budget, Endpoint, Pool, Ties, Tried, Turn};

/// How often the thread does what is not worth a timer of its own: connections that have been idle
/// for too long are closed, up to two of these late, and the `Date` is written anew.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// One thread of the engine.
pub(super) struct Thread {
    pub(super) index: usize,
    pub(super) settings: Settings,
    /// How slowly a body may be sent to us...
    pub(super) sender_pace: Pace,
    /// ...and an answer taken. Both follow from the settings, at the price of some divisions.
    pub(super) reader_pace: Pace,
    pub(super) tally: Arc<Tally>,
    /// Where the thread tells of its requests, if it does.
    pub(super) sinks: Option<Rc<Sinks>>,
    /// Our own name and port, for a request of HTTP/1.0 that names no host.
    pub(super) authority: Vec<u8>,
    pub(super) reports: mpsc::Sender<Report>,
    /// Shared by all threads, which come here when a connection opens or closes.
    pub(super) per_client: Arc<PerClient>,
    snapshot: RefCell<Snapshot>,
    leaving: RefCell<Leaving>,
    /// A new snapshot was applied.
    pub(super) changed: Notify,
    /// An endpoint that does not serve has nothing in flight any more.
    pub(super) settled: Rc<Notify>,
    /// A client has left.
    pub(super) parted: Notify,
    /// Those that have a session.
    clients: RefCell<Slab<Weak<Client>>>,
    /// Tasks that can serve the next one.
    pub(super) attendants: Attendants,
    /// Those that have been idle for long, in the care of one task.
    pub(super) parking: Parking,
    connected: Cell<usize>,
    /// Memory for what is in flight; what only waits has none.
    pub(super) blocks: Stock<Block>,
    pub(super) heads: Stock<Box<RequestHead>>,
    pub(super) requests: Stock<Box<RequestSpace>>,
    pub(super) answers: Stock<Box<AnswerSpace>>,
    /// What large bodies go through.
    pub(super) pipes: Pipes,
    budget: RefCell<Budget>,
    held: Cell<Held>,
    random: RefCell<fastrand::Rng>,
    turn: Cell<Turn>,
    tick: Cell<u32>,
    date: Cell<[u8; 29]>,
    failures: RefCell<Failures>,
    is_draining: Cell<bool>,
}

/// What the requests that wait on this thread take up.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    requests: usize,
    bytes: usize,
}

/// One request's place among those that wait.
pub(super) struct HeldPlace {
    thread: Rc<Thread>,
    bytes: usize,
}

impl Thread {
    pub(super) fn new(
        mut starting: Starting,
        tally: Arc<Tally>,
        reports: mpsc::Sender<Report>,
        parking: Parking,
    ) -> Self {
        let sinks = sinks(&mut starting, &tally);
        let Starting { index, settings, authority, per_client, seed, .. } = starting;
        let (rate, stall) = (settings.limits.body_rate, settings.timeouts.stall);
        let budget = Budget::new(settings.retry.budget, clock::now());
        Self {
            index,
            settings,
            sender_pace: Pace::of_sender(rate, stall),
            reader_pace: Pace::of_reader(rate, stall),
            sinks,
            tally,
            authority,
            reports,
            per_client,
            snapshot: RefCell::default(),
            leaving: RefCell::default(),
            changed: Notify::new(),
            settled: Rc::default(),
            parted: Notify::new(),
            clients: RefCell::default(),
            attendants: Attendants::default(),
            parking,
            connected: Cell::new(0),
            blocks: Stock::default(),
            heads: Stock::default(),
            requests: Stock::default(),
            answers: Stock::default(),
            pipes: Pipes::default(),
            budget: RefCell::new(budget),
            held: Cell::default(),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            turn: Cell::new(Turn::somewhere(seed)),
            tick: Cell::new(0),
            date: Cell::new(http1::date(clock::wall())),
            failures: RefCell::new(Failures::new(index)),
            is_draining: Cell::new(false),
        }
    }

    /// Takes over a new pool and wakes whoever waits for one.
    pub(super) fn apply(&self, pool: Arc<Pool>) {
        let open =
            |endpoint: &Endpoint| Upstream::new(endpoint, self.index, Rc::clone(&self.settled));
        let before = self.snapshot.take();
        let next = before.follow(pool, &mut self.leaving.borrow_mut(), open);
        *self.snapshot.borrow_mut() = next;
        self.changed.notify_waiters();
        self.settled.notify_one();
    }

    /// Whether a serving endpoint is left that was not tried.
    pub(super) fn has_untried(&self, tried: &Tried) -> bool {
        self.snapshot.borrow().pool.has_untried(tried)
    }

    /// How many snapshots this thread has applied.
    pub(super) fn snapshot_number(&self) -> u64 {
        self.snapshot.borrow().number
    }

    /// Picks an endpoint from the newest snapshot.
    pub(super) fn pick(
        &self,
        tried: &Tried,
        ties: Ties,
        now: Instant,
    ) -> (u64, Option<Rc<Upstream>>) {
        let snapshot = self.snapshot.borrow();
        let ask = Ask { thread: self.index, tried, ties, draw: self.draw(), now };
        let mut turn = self.turn.get();
        let picked = snapshot.pick(ask, &mut turn);
        self.turn.set(turn);
        (snapshot.number, picked)
    }

    /// Sends the reports that an endpoint is quiet. It waits for room: a drain ends by them.
    pub(super) async fn tell_quiet(&self) {
        loop {
            let quiet = self.leaving.borrow_mut().take_quiet();
            for endpoint in quiet {
                // Without a controller there is nobody to tell, and nothing to do about it.
                let _ = self.reports.send(Report::Quiet { endpoint, thread: self.index }).await;
            }
            self.settled.notified().await;
        }
    }

    /// Does what is due once a second.
    pub(super) async fn tick(&self) {
        let Timeouts { idle, park, upstream_idle, .. } = self.settings.timeouts;
        loop {
            tokio::time::sleep(TICK).await;
            self.tick.set(self.tick.get().wrapping_add(1));
            self.date.set(http1::date(clock::wall()));
            self.failures.borrow_mut().tell_more();
            self.sinks.iter().for_each(|sinks| sinks.tell_drops());
            let swept = self.snapshot.borrow().sweep(oldest(self.tick.get(), upstream_idle));
            self.note_levels(swept);
            self.sweep_clients(oldest(self.tick.get(), idle), oldest(self.tick.get(), park));
        }
    }

    fn note_levels(&self, (opened, idle): (usize, usize)) {
        let Held { requests, bytes } = self.held.get();
        let retries_left = self.budget.borrow_mut().left(clock::now());
        let [idle, opened, held, held_bytes] =
            [idle, opened, requests, bytes].map(|level| level as u64);
        self.tally.set_levels(Levels { idle, opened, held, held_bytes, retries_left });
    }

    /// Closes the connections that have been idle since before tick `closes`, and parks those that
    /// have been so since before tick `parks`.
    fn sweep_clients(&self, closes: u32, parks: u32) {
        self.parking.close_idle_before(closes);
        self.each_client(|client| {
            client.close_if_idle_before(closes);
            client.park_if_idle_before(parks);
            client.watch_if_waiting();
        });
    }

    /// From now on connections end with the answer, and idle ones at once.
    pub(super) fn drain(&self) {
        self.is_draining.set(true);
        self.parking.close_idle_before(u32::MAX);
        self.each_client(|client| client.close_if_idle_before(u32::MAX));
    }

    fn each_client(&self, act: impl Fn(&Client)) {
        let clients = self.clients.borrow();
        let clients = clients.iter().filter_map(|(_, client)| client.upgrade());
        clients.for_each(|client| act(&client));
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    pub(super) fn enter(&self) {
        self.connected.set(self.connected.get() + 1);
        self.tally.add(Count::Accepted);
    }

    /// From here on the client is found when the thread drains, until its place is forgotten.
    pub(super) fn remember(&self, client: &Rc<Client>) -> usize {
        self.clients.borrow_mut().insert(Rc::downgrade(client))
    }

    /// The client has no session any more.
    pub(super) fn forget(&self, place: usize) {
        self.clients.borrow_mut().try_remove(place);
    }

    /// Tells the log of a connection on which no request will be read. It has to be reset: nothing
    /// was promised, so nothing is owed, and no state of it stays behind.
    pub(super) fn note_refused_connection(&self, error: Error, address: IpAddr) {
        let is_crowd = error.kind == Kind::Crowd;
        self.tally.add(if is_crowd { Count::Refused } else { Count::Unannounced });
        self.note_failed(error, Subject { client: Some(address), request_id: None });
    }

    pub(super) fn leave(&self) {
        self.connected.set(self.connected.get() - 1);
        self.tally.add(Count::Closed);
        self.parted.notify_one();
    }

    /// How many clients are connected.
    pub(super) fn connected(&self) -> usize {
        self.connected.get()
    }

    /// Whether one more client may connect.
    pub(super) fn has_room(&self) -> bool {
        self.connected.get() < self.share(self.settings.limits.connections_max)
    }

    pub(super) fn earn_retry(&self) {
        self.budget.borrow_mut().earn();
    }

    pub(super) fn has_retry(&self, now: Instant) -> bool {
        self.budget.borrow_mut().has_one(now)
    }

    pub(super) fn spend_retry(&self) {
        self.budget.borrow_mut().spend();
        self.tally.add(Count::Retries);
    }

    /// A place among the requests that wait, if there is one.
    pub(super) fn hold(self: &Rc<Self>, bytes: usize) -> Option<HeldPlace> {
        let Held { requests, bytes: before } = self.held.get();
        let limits = &self.settings.hold;
        let fits = requests < self.share(limits.requests_max)
            && before + bytes <= self.share(limits.bytes_max);
        fits.then(|| {
            self.held.set(Held { requests: requests + 1, bytes: before + bytes });
            self.tally.add(Count::Held);
            HeldPlace { thread: Rc::clone(self), bytes }
        })
    }

    /// Judges an endpoint by a failed try, and tells the controller.
    pub(super) fn note_failure(&self, upstream: &Upstream, failure: Failure) {
        let (traffic, limits) = (&upstream.traffic, &self.settings.ejection);
        upstream.failed();
        let ejected = match failure {
            Failure::Refused
            | Failure::Unreachable
            | Failure::ConnectTimedOut
            | Failure::Reset
            | Failure::Incomplete => traffic.eject(limits, clock::now()),
            Failure::TimedOut | Failure::Invalid | Failure::TooLarge => {
                traffic.strike(limits, clock::now())
            }
            // Nothing was learned about the endpoint.
            Failure::Exhausted => return,
        };
        if let Some(until) = ejected {
            self.tally.add(Count::Ejections);
            let (endpoint, address) = (upstream.id, &upstream.address);
            tracing::info!(%endpoint, %address, %failure, %until, "endpoint ejected");
        }
        let _ = self.reports.try_send(Report::Failed { endpoint: upstream.id, failure });
    }

    /// Tells the log of a request that failed, in so many words as it can bear.
    pub(super) fn note_failed(&self, error: Error, subject: Subject<'_>) {
        self.failures.borrow_mut().note(error, subject);
    }

    /// A pause of between a half and the whole of `longest`, so that what failed together does not
    /// come back together.
    pub(super) fn jitter(&self, longest: Duration) -> Duration {
        longest.mul_f64(0.5 + self.random.borrow_mut().f64() / 2.0)
    }

    fn draw(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    pub(super) fn new_request_id(&self) -> RequestId {
        RequestId::from_draw(self.random.borrow_mut().u128(..))
    }

    pub(super) fn tick_now(&self) -> u32 {
        self.tick.get()
    }

    pub(super) fn date(&self) -> [u8; 29] {
        self.date.get()
    }

    /// This thread's part of a limit for the whole engine.
    fn share(&self, total: usize) -> usize {
        total.div_ceil(self.settings.threads)
    }
}

/// Where a thread tells of its requests, if it does.
fn sinks(starting: &mut Starting, tally: &Arc<Tally>) -> Option<Rc<Sinks>> {
    let lines = starting.outlet.take().map(|outlet| Lines::new(outlet, Arc::clone(tally)));
    // Another sequence than that of the request ids, which are anybody's to read.
    let seed = !starting.seed.rotate_left(32);
    let spans =
        starting.tracing.take().map(|way| Rc::new(Spans::new(way, seed, Arc::clone(tally))));
    let is_wanted = lines.is_some() || spans.is_some();
    is_wanted.then(|| Rc::new(Sinks { lines, spans }))
}

/// The first tick that is not yet `limit` before tick `now`: what has been idle since an earlier
/// one has been so for at least that long.
fn oldest(now: u32, limit: Duration) -> u32 {
    let ticks = limit.div_duration_f64(TICK).ceil() as u32;
    now.saturating_sub(ticks)
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let Held { requests, bytes } = self.thread.held.get();
        self.thread.held.set(Held { requests: requests - 1, bytes: bytes - self.bytes });
    }
}

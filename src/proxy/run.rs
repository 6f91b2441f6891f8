//! The life of one thread: accept clients, follow the pool, drain.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::runtime::LocalRuntime;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::accept::Acceptor;
use super::attend::{admit, attend_parked};
use super::counters::Tally;
use super::engine::Starting;
use super::error::{Error, Kind};
use super::failures::Subject;
use super::parking::Parking;
use super::report::Report;
use super::thread::Thread;
use crate::pool::Pool;

/// How long nothing is accepted after the system ran out of descriptors or memory: connections
/// wait in the backlog meanwhile, and some of ours have time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that are still taken from the backlog when a drain begins: as many as fit in it.
/// Closing the socket would reset them.
const LAST_ACCEPTS_MAX: u32 = 4096;

/// What a thread is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Carry traffic.
    Run,
    /// Stop accepting, and finish what is in flight within this time.
    Drain(Duration),
}

/// What a thread follows.
#[derive(Clone)]
pub(super) struct Following {
    /// Told when one of the threads accepts no more although nobody said so.
    pub(super) broken: Arc<Notify>,
    pub(super) pool: watch::Receiver<Arc<Pool>>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) orders: watch::Receiver<Order>,
}

/// Runs a thread of the engine to its end.
pub(super) fn run(
    runtime: &LocalRuntime,
    listener: TcpListener,
    (starting, tally): (Starting, Arc<Tally>),
    following: Following,
) {
    // The runtime is dropped after this, which cuts whatever is still in flight.
    runtime.block_on(async {
        let Following { broken, mut pool, reports, mut orders } = following;
        let alert = Alert(broken);
        let parking = match Parking::open(Arc::clone(&tally)) {
            Ok(parking) => parking,
            Err(error) => return tracing::error!(%error, "a thread cannot park connections"),
        };
        let thread = Rc::new(Thread::new(starting, tally, reports, parking));
        thread.apply(Arc::clone(&pool.borrow_and_update()));
        let mut background = JoinSet::new();
        let each = || Rc::clone(&thread);
        let (follower, teller, ticker, attendant) = (each(), each(), each(), each());
        background.spawn_local(async move { follow_pool(&follower, pool).await });
        background.spawn_local(async move { teller.tell_quiet().await });
        background.spawn_local(async move { ticker.tick().await });
        background.spawn_local(async move { attend_parked(&attendant).await });
        if let Some(sinks) = thread.sinks.clone() {
            background.spawn_local(async move { sinks.flush_in_time().await });
        }
        match Acceptor::new(listener) {
            Ok(listener) => carry(&thread, listener, &mut orders, alert).await,
            Err(error) => tracing::error!(%error, "a thread cannot watch its listener"),
        }
        // They count as connected, and so hold the thread that holds them.
        thread.parking.clear();
    });
}

/// Tells the owner of the engine, even if the thread panicked.
struct Alert(Arc<Notify>);

impl Drop for Alert {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Carries traffic until told otherwise.
async fn carry(
    thread: &Rc<Thread>,
    listener: Acceptor,
    orders: &mut watch::Receiver<Order>,
    alert: Alert,
) {
    let order = tokio::select! {
        biased;
        order = next_order(orders) => order,
        error = accept(thread, &listener) => {
            tracing::error!(thread = thread.index, %error, "the listening socket is broken");
            drop(alert);
            // Whoever is connected already is served until the owner of the engine decides.
            next_order(orders).await
        }
    };
    let Some(limit) = order else { return };
    accept_last(thread, &listener).await;
    drop(listener);
    thread.drain();
    tokio::select! {
        biased;
        () = all_parted(thread) => {}
        () = sleep(limit) => {
            let cut = thread.connected();
            tracing::info!(thread = thread.index, cut, "drain deadline reached");
        }
        // Whoever asked for the drain has lost patience.
        _ = orders.changed() => {}
    }
}

/// Returns when no client is left.
async fn all_parted(thread: &Thread) {
    while thread.connected() > 0 {
        thread.parted.notified().await;
    }
}

/// How long to drain, or `None` to stop at once.
async fn next_order(orders: &mut watch::Receiver<Order>) -> Option<Duration> {
    let order = orders.wait_for(|order| *order != Order::Run).await.ok().map(|order| *order);
    match order? {
        Order::Drain(limit) => Some(limit),
        Order::Run => None,
    }
}

/// Applies each new pool. Without a publisher the last one stays.
async fn follow_pool(thread: &Thread, mut pool: watch::Receiver<Arc<Pool>>) {
    while pool.changed().await.is_ok() {
        let next = Arc::clone(&pool.borrow_and_update());
        thread.apply(next);
    }
}

/// Accepts clients as long as there is room for them. Returns why the socket takes none any more.
async fn accept(thread: &Rc<Thread>, listener: &Acceptor) -> io::Error {
    loop {
        while !thread.has_room() {
            thread.parted.notified().await;
        }
        match listener.accept().await {
            Ok((stream, address)) => admit(thread, stream, address),
            Err(error) if is_broken(&error) => return error,
            Err(error) => recover(thread, &error).await,
        }
    }
}

/// Whether the socket itself is at fault, which listens no more (accept(2)): asking again would
/// only burn the processor.
fn is_broken(error: &io::Error) -> bool {
    const BROKEN: [Errno; 4] = [Errno::INVAL, Errno::BADF, Errno::NOTSOCK, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| BROKEN.contains(&errno))
}

/// Accepts what waits already.
async fn accept_last(thread: &Rc<Thread>, listener: &Acceptor) {
    for _ in 0..LAST_ACCEPTS_MAX {
        match timeout(Duration::ZERO, listener.accept()).await {
            Ok(Ok((stream, address))) => admit(thread, stream, address),
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// A client that left before it was accepted is no reason to wait; a lack of descriptors is, for
/// the socket stays readable and asking again at once would only burn the processor.
async fn recover(thread: &Thread, error: &io::Error) {
    const SCARCE: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    if Errno::from_io_error(error).is_some_and(|errno| SCARCE.contains(&errno)) {
        let subject = Subject { client: None, request_id: None };
        thread.note_failed(Error::downstream(Kind::Unaccepted), subject);
        sleep(ACCEPT_PAUSE).await;
    }
}

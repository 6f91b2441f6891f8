//! The life of one thread: accept clients, follow the pool, drain.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpListener;
use tokio::runtime::LocalRuntime;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::counters::Tally;
use super::engine::Starting;
use super::error::{Error, Kind};
use super::failures::Subject;
use super::inbound::{introduce, settle};
use super::report::Report;
use super::session::serve;
use super::socket::Socket;
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
    listener: StdListener,
    (starting, tally): (Starting, Arc<Tally>),
    following: Following,
) {
    // The runtime is dropped after this, which cuts whatever is still in flight.
    runtime.block_on(async {
        let Following { broken, mut pool, reports, mut orders } = following;
        let alert = Alert(broken);
        let thread = Rc::new(Thread::new(starting, tally, reports));
        thread.apply(Arc::clone(&pool.borrow_and_update()));
        let mut background = JoinSet::new();
        let (follower, teller, ticker) =
            (Rc::clone(&thread), Rc::clone(&thread), Rc::clone(&thread));
        background.spawn_local(async move { follow_pool(&follower, pool).await });
        background.spawn_local(async move { teller.tell_quiet().await });
        background.spawn_local(async move { ticker.tick().await });
        if let Some(lines) = thread.lines.clone() {
            background.spawn_local(async move { lines.flush_in_time().await });
        }
        match TcpListener::from_std(listener) {
            Ok(listener) => carry(&thread, listener, &mut orders, alert).await,
            Err(error) => tracing::error!(%error, "a thread cannot watch its listener"),
        }
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
    listener: TcpListener,
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
async fn accept(thread: &Rc<Thread>, listener: &TcpListener) -> io::Error {
    loop {
        while !thread.has_room() {
            thread.parted.notified().await;
        }
        match listener.accept().await {
            Ok((stream, address)) => admit(thread, stream.into(), address),
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
async fn accept_last(thread: &Rc<Thread>, listener: &TcpListener) {
    for _ in 0..LAST_ACCEPTS_MAX {
        match timeout(Duration::ZERO, listener.accept()).await {
            Ok(Ok((stream, address))) => admit(thread, stream.into(), address),
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Takes a client in, who is known by the socket's address unless a PROXY header has to come. One
/// that may not stay is refused at once.
fn admit(thread: &Rc<Thread>, stream: Socket, address: SocketAddr) {
    thread.enter();
    let parting = Parting(Rc::clone(thread));
    let client = Rc::new(Client::new(stream, address));
    let is_announced = thread.settings.inbound.is_announced(client.socket_address);
    if !is_announced && let Err(error) = settle(thread, &client, None) {
        return thread.refuse_connection(error, &client, client.socket_address);
    }
    thread.remember(&client);
    spawn_local(async move {
        let Parting(thread) = &parting;
        if !is_announced || Box::pin(introduce(thread, &client)).await {
            serve(thread, &client).await;
        }
    });
}

/// Counts the client out, even if its session panicked.
struct Parting(Rc<Thread>);

impl Drop for Parting {
    fn drop(&mut self) {
        self.0.leave();
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

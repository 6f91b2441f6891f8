//! The engine as its owner sees it: bind, start, drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, mpsc, watch};

use super::access_log::{AccessLog, Outlet, Writer};
use super::counters::{Counters, Meter, Tally};
use super::listen::{BindError, connections_that_fit, listen};
use super::per_client::PerClient;
use super::report::Report;
use super::run::{Following, Order, run};
use super::settings::Settings;
use super::traces::{Batch, Exporter, Sampling, Traces};
use crate::clock;
use crate::pool::Pool;

/// Sessions that may run before the system is asked again what has happened: all that it told of
/// at once, up to what nginx takes (512). They need some ten microseconds each.
const SESSIONS_PER_LOOK: u32 = 512;

/// An engine whose port is taken, and that does not carry traffic yet.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    address: SocketAddr,
    listeners: Vec<TcpListener>,
    access_log: Option<AccessLog>,
    traces: Option<Traces>,
}

/// An engine that carries traffic. Dropping it cuts everything; [`Running::drain`] does not.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    tallies: Vec<Arc<Tally>>,
    orders: watch::Sender<Order>,
    broken: Arc<Notify>,
    threads: Vec<JoinHandle<()>>,
    /// Ends after the threads, whose last lines it writes.
    writer: Option<Writer>,
    /// The same, with their last spans.
    exporter: Option<Exporter>,
}

/// A thread that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its runtime could not be made.
    #[error("cannot make the event loop of a thread")]
    Runtime(#[source] io::Error),
    /// The system refused it.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// There is no randomness to begin with.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Engine {
    /// Takes the port. From here on clients wait instead of being refused.
    ///
    /// # Errors
    ///
    /// [`BindError`] if the address is taken (by another engine of the same user, too) or is not
    /// this machine's.
    pub fn bind(address: SocketAddr, settings: Settings) -> Result<Self, BindError> {
        let mut settings = Settings { threads: settings.threads.max(1), ..settings };
        let limits = &mut settings.limits;
        limits.connections_max = connections_that_fit(limits.connections_max);
        let listeners = listen(address, settings.threads)?;
        let address = listeners[0].local_addr().unwrap_or(address);
        Ok(Self { settings, address, listeners, access_log: None, traces: None })
    }

    /// Each request gets a line in this log.
    #[must_use]
    pub fn log_to(self, log: AccessLog) -> Self {
        Self { access_log: Some(log), ..self }
    }

    /// Sampled requests are told to a collector.
    #[must_use]
    pub fn trace_to(self, traces: Traces) -> Self {
        Self { traces: Some(traces), ..self }
    }

    /// Where it listens; the real port if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many threads will carry traffic.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.listeners.len()
    }

    /// Starts the threads, which follow the pool and send their reports.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the system is out of threads or descriptors; those that were started
    /// have stopped then.
    pub fn start(
        self,
        pool: watch::Receiver<Arc<Pool>>,
        reports: mpsc::Sender<Report>,
    ) -> Result<Running, StartError> {
        let (orders, followed) = watch::channel(Order::Run);
        let broken = Arc::new(Notify::new());
        let following = Following { broken: Arc::clone(&broken), pool, reports, orders: followed };
        let seed = getrandom::u64().map_err(StartError::Random)?;
        let per_client = PerClient::new(self.settings.inbound.connections_per_client);
        let per_client = Arc::new(per_client);
        let mut running = Running {
            address: self.address,
            tallies: Vec::new(),
            orders,
            broken,
            threads: Vec::new(),
            writer: None,
            exporter: None,
        };
        let outlets = match self.access_log {
            Some(log) => running.start_writer(log, self.listeners.len())?,
            None => Vec::new(),
        };
        if let Some(traces) = self.traces {
            let exporter = Exporter::start(traces, seed, running.new_tally());
            running.exporter = Some(exporter.map_err(StartError::Thread)?);
        }
        let mut outlets = outlets.into_iter();
        for (index, listener) in self.listeners.into_iter().enumerate() {
            let thread = Starting {
                index,
                settings: self.settings.clone(),
                authority: self.address.to_string().into_bytes(),
                per_client: Arc::clone(&per_client),
                outlet: outlets.next(),
                tracing: running.exporter.as_ref().and_then(Exporter::outlet),
                seed: seed.wrapping_add(index as u64),
            };
            running.spawn(thread, listener, following.clone())?;
        }
        Ok(running)
    }
}

/// What a thread is started with.
pub(super) struct Starting {
    pub(super) index: usize,
    pub(super) settings: Settings,
    /// Our own name and port, for a request of HTTP/1.0 that names no host.
    pub(super) authority: Vec<u8>,
    /// The connections of each client, over all threads.
    pub(super) per_client: Arc<PerClient>,
    /// Its way to the access log, if there is one.
    pub(super) outlet: Option<Outlet>,
    /// Its way to the collector, if there is one, and what it samples.
    pub(super) tracing: Option<(mpsc::Sender<Batch>, Sampling)>,
    pub(super) seed: u64,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many threads carry traffic.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// What all threads have counted until now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.meter().read()
    }

    /// Reads what they count, for who does not own them.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter::new(self.tallies.clone())
    }

    /// The access log goes on in a new file of the same name: the old one was moved away. Without
    /// a log there is nothing to do.
    pub fn reopen_log(&self) {
        self.writer.iter().for_each(Writer::reopen);
    }

    /// Returns when a thread accepts no more although nobody said so: its socket is broken, or it
    /// panicked. Who is connected is still served; who wants to connect may wait for nothing.
    pub async fn broken(&self) {
        self.broken.notified().await;
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish for at most
    /// `deadline`, and returns when all threads have ended.
    pub async fn drain(mut self, deadline: Duration) {
        let until = clock::now() + deadline;
        // A thread that has panicked does not listen; the others do.
        let _ = self.orders.send(Order::Drain(deadline));
        // Dropped before that, `self` cuts what is left.
        self.orders.closed().await;
        self.writer.iter().for_each(Writer::hurry);
        if let Some(exporter) = &mut self.exporter {
            exporter.finish(until).await;
        }
        join(std::mem::take(&mut self.threads));
    }

    fn spawn(
        &mut self,
        starting: Starting,
        listener: TcpListener,
        following: Following,
    ) -> Result<(), StartError> {
        let tally = self.new_tally();
        // The runtime stays on the thread that made it, so its failure has to be told from there.
        let (made, is_made) = sync_channel(1);
        let body = move || match runtime() {
            Ok(runtime) => {
                let _ = made.send(Ok(()));
                run(&runtime, listener, (starting, tally), following);
            }
            Err(error) => {
                let _ = made.send(Err(error));
            }
        };
        let name = format!("proxy-{}", self.threads.len());
        let handle =
            std::thread::Builder::new().name(name).spawn(body).map_err(StartError::Thread)?;
        self.threads.push(handle);
        let made = is_made.recv().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        made.map_err(StartError::Runtime)
    }

    /// Starts the writer of the access log, and makes a way to it for each thread.
    fn start_writer(&mut self, log: AccessLog, threads: usize) -> Result<Vec<Outlet>, StartError> {
        let started = Writer::start(log, threads, self.new_tally());
        let (writer, outlets) = started.map_err(StartError::Thread)?;
        self.writer = Some(writer);
        Ok(outlets)
    }

    fn new_tally(&mut self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.tallies.push(Arc::clone(&tally));
        tally
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Drain(Duration::ZERO));
        self.writer.iter().for_each(Writer::hurry);
        join(std::mem::take(&mut self.threads));
    }
}

/// A runtime for tasks that never leave their thread.
fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .event_interval(SESSIONS_PER_LOOK)
        .enable_all()
        .build_local(LocalOptions::default())
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the proxy panicked");
        }
    }
}

//! The thread that sends the spans of all threads to the collector.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::Traces;
use super::collector::{Collector, Failure};
use super::sampling::Sampling;
use super::span::export;
use super::spans::Batch;
use crate::clock::{self, Instant};
use crate::proxy::counters::{Count, Tally};

/// Batches that may wait, of all threads: 4 MiB, which is some seven thousand spans. While the
/// collector is away nothing else is kept.
const QUEUE_MAX: usize = 64;

/// Bytes of an export, from which on no further batch is added: two thousand spans, and a
/// twentieth of what the collector of OpenTelemetry takes at once (20 MiB).
const EXPORT_BYTES: usize = 1024 * 1024;

/// How long the collector has for an export: OTLP's own default.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Tries of one export: with the pauses below it is half a minute old then, and what comes after
/// it says more.
const TRIES_MAX: u32 = 5;

/// The pause after a first failure, which doubles with each one...
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// ...and never grows longer, whatever the collector asks for: it is told that it is back late.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// How long the last exports have at the end when nothing of the drain's time is left, ...
const LAST_SHORTEST: Duration = Duration::from_millis(500);
/// ...and when much is: a collector that takes nothing must not keep anybody from stopping.
const LAST_LONGEST: Duration = Duration::from_secs(5);

/// The exporter as the owner of the engine sees it. Dropping it sends what is left, within
/// [`LAST_SHORTEST`], and joins it.
#[derive(Debug)]
pub(in crate::proxy) struct Exporter {
    queue: Option<mpsc::Sender<Batch>>,
    sampling: Sampling,
    /// By when all has to be over, once that is known.
    deadline: watch::Sender<Option<Instant>>,
    ended: oneshot::Receiver<()>,
    handle: Option<JoinHandle<()>>,
}

/// The exporter's own side.
struct Exporting {
    collector: Collector,
    resource: Vec<u8>,
    queue: mpsc::Receiver<Batch>,
    deadline: watch::Receiver<Option<Instant>>,
    tally: Arc<Tally>,
    state: State,
    random: fastrand::Rng,
}

/// Whether the collector takes what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    /// It did not, so many times in a row, and so many spans were dropped since.
    Failing {
        times: u32,
        dropped: u64,
    },
}

/// What is sent at once.
struct Export {
    body: Bytes,
    spans: u64,
}

impl Exporter {
    /// Starts the thread, which counts in `tally` what it has sent and what not.
    pub(in crate::proxy) fn start(
        traces: Traces,
        seed: u64,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let Traces { collector, sampling, resource } = traces;
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let (deadline, followed) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let exporting = Exporting {
            collector,
            resource,
            queue: queued,
            deadline: followed,
            tally,
            state: State::Well,
            random: fastrand::Rng::with_seed(seed),
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || run(&runtime, exporting, end);
        let handle = Builder::new().name("traces".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(queue), sampling, deadline, ended, handle: Some(handle) })
    }

    /// A thread's way to it, and what the thread samples.
    pub(in crate::proxy) fn outlet(&self) -> Option<(mpsc::Sender<Batch>, Sampling)> {
        self.queue.clone().map(|queue| (queue, self.sampling))
    }

    /// The threads end: from now on nothing is tried twice. Returns when all is sent or dropped,
    /// which is by `until` if that is soon and not too soon.
    pub(in crate::proxy) async fn finish(&mut self, until: Instant) {
        let now = clock::now();
        self.hurry(until.max(now + LAST_SHORTEST).min(now + LAST_LONGEST));
        // An error says that it has ended, too.
        let _ = (&mut self.ended).await;
    }

    fn hurry(&mut self, until: Instant) {
        self.queue = None;
        self.deadline.send_modify(|deadline| {
            *deadline = Some(deadline.map_or(until, |before| before.min(until)));
        });
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.hurry(clock::now() + LAST_SHORTEST);
        if self.handle.take().is_some_and(|handle| handle.join().is_err()) {
            tracing::error!("the thread that exports traces panicked");
        }
    }
}

fn run(runtime: &Runtime, exporting: Exporting, end: oneshot::Sender<()>) {
    runtime.block_on(exporting.run());
    // Nobody has to wait for it.
    let _ = end.send(());
}

impl Exporting {
    /// Exports until nobody is left who could send something.
    async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let export = self.gather(first);
            self.deliver(&export).await;
        }
        if let State::Failing { dropped, .. } = self.state {
            tracing::error!(dropped, "the traces end without these spans");
        }
    }

    /// What waits, as one export.
    fn gather(&mut self, first: Batch) -> Export {
        let Batch { mut bytes, mut spans } = first;
        while bytes.len() < EXPORT_BYTES
            && let Ok(next) = self.queue.try_recv()
        {
            bytes.extend_from_slice(&next.bytes);
            spans += next.spans;
        }
        Export { body: export(&self.resource, &bytes).into(), spans }
    }

    /// Sends an export, more than once if need be.
    async fn deliver(&mut self, export: &Export) {
        for tries in 1..=TRIES_MAX {
            let failure = match self.send(export.body.clone()).await {
                Ok(()) => return self.note_sent(export.spans),
                Err(failure) => failure,
            };
            self.note_failure(&failure);
            if !failure.may_pass() || tries == TRIES_MAX || self.is_last() {
                break;
            }
            self.pause(failure.after()).await;
        }
        self.note_dropped(export.spans);
    }

    async fn send(&mut self, body: Bytes) -> Result<(), Failure> {
        let export = timeout(EXPORT_TIMEOUT, self.collector.send(body));
        tokio::select! {
            biased;
            sent = export => sent.unwrap_or(Err(Failure::TimedOut)),
            () = out_of_time(&mut self.deadline) => Err(Failure::TimedOut),
        }
    }

    /// Waits for longer the more often it has failed, between half the time and all of it, so that
    /// those who lost a collector together do not come back to it together; or until the end.
    async fn pause(&mut self, asked: Option<Duration>) {
        let times = match self.state {
            State::Well => 0,
            State::Failing { times, .. } => times.saturating_sub(1),
        };
        let doubled = PAUSE_FIRST.saturating_mul(1 << times.min(16));
        let longest = doubled.max(asked.unwrap_or_default()).min(PAUSE_LONGEST);
        let pause = longest.mul_f64(0.5 + self.random.f64() / 2.0);
        tokio::select! {
            () = sleep(pause) => {}
            // Without an owner the end has come, too.
            _ = self.deadline.wait_for(Option::is_some) => {}
        }
    }

    /// Whether there is no time for another try.
    fn is_last(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    fn note_sent(&mut self, spans: u64) {
        self.tally.add_many(Count::Exported, spans);
        if let State::Failing { dropped, .. } = self.state {
            tracing::info!(dropped, "the collector takes spans again");
            self.state = State::Well;
        }
    }

    fn note_failure(&mut self, failure: &Failure) {
        self.state = match self.state {
            State::Well => {
                let url = self.collector.url();
                tracing::warn!(%failure, "the collector {url} takes no spans: some may be lost");
                State::Failing { times: 1, dropped: 0 }
            }
            State::Failing { times, dropped } => {
                State::Failing { times: times.saturating_add(1), dropped }
            }
        };
    }

    fn note_dropped(&mut self, spans: u64) {
        self.tally.add_many(Count::Unexported, spans);
        if let State::Failing { dropped, .. } = &mut self.state {
            *dropped += spans;
        }
    }
}

/// Returns when all has to be over.
async fn out_of_time(deadline: &mut watch::Receiver<Option<Instant>>) {
    loop {
        let until = *deadline.borrow_and_update();
        let passed = async {
            match until {
                Some(until) => sleep(until.since(clock::now())).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = passed => return,
            // Without an owner the end has come, too.
            changed = deadline.changed() => if changed.is_err() { return },
        }
    }
}

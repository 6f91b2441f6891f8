//! Clients that ask at a steady rate while things break, and count what becomes of each request.

mod client;
mod tally;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

pub(super) use client::{Answer, Client};
pub(super) use tally::{Counts, Kind, Slowest, Tally};

use crate::clock::{self, Instant};
use tally::{Fate, fate, unanswered};

/// A request that has no answer after that is given up. Longer than the balancer holds one, and
/// than an instance that hangs has by default to end those that it took.
const PATIENCE: Duration = Duration::from_secs(40);

/// Of so many requests one is a POST, if there is somebody to take it.
const POST_EVERY: u64 = 10;

/// Where tasks are posted.
pub(super) const TASKS: &str = "/Tarefa/";

/// What is asked, and how often.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) to: SocketAddr,
    /// What is asked for with GET.
    pub(super) path: String,
    pub(super) connections: NonZeroU32,
    /// Requests a second, over all connections.
    pub(super) rate: NonZeroU32,
    /// What begins the name of every task that is posted; `None`: nothing is.
    pub(super) posts: Option<String>,
}

/// The running clients.
#[derive(Debug)]
pub(super) struct Traffic {
    workers: JoinSet<Tally>,
    stop: CancellationToken,
}

impl Traffic {
    pub(super) fn start(plan: &Plan) -> Self {
        let (stop, began) = (CancellationToken::new(), clock::now());
        let numbers = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..plan.connections.get() {
            let (plan, stop) = (plan.clone(), stop.clone());
            let worker = Worker { client: Client::new(plan.to), plan, began, stop };
            workers.spawn(worker.run(Arc::clone(&numbers)));
        }
        Self { workers, stop }
    }

    /// Lets the requests that were begun end, and adds them all up.
    pub(super) async fn stop(self) -> Tally {
        self.stop.cancel();
        let tallies = self.workers.join_all().await;
        tallies.into_iter().fold(Tally::default(), |mut sum, tally| {
            sum.add(tally);
            sum
        })
    }
}

struct Worker {
    client: Client,
    plan: Plan,
    began: Instant,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self, numbers: Arc<AtomicU64>) -> Tally {
        let period = Duration::from_secs(1) * self.plan.connections.get() / self.plan.rate.get();
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tally = Tally::default();
        while self.stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.ask(numbers.fetch_add(1, Relaxed), &mut tally).await;
        }
        tally
    }

    async fn ask(&mut self, number: u64, tally: &mut Tally) {
        let prefix = self.plan.posts.as_ref().filter(|_| number.is_multiple_of(POST_EVERY));
        let (kind, method, path, body) = match prefix {
            Some(prefix) => {
                let body = serde_json::json!({ "text": name(prefix, number) }).to_string();
                (Kind::Post, Method::POST, TASKS, Bytes::from(body))
            }
            None => (Kind::Get, Method::GET, self.plan.path.as_str(), Bytes::new()),
        };
        let begun = clock::now();
        let fate = match timeout(PATIENCE, self.client.send(method, path, body)).await {
            Ok(result) => fate(kind, &result),
            Err(_) => {
                self.client = Client::new(self.plan.to);
                unanswered(kind, PATIENCE)
            }
        };
        if kind == Kind::Post && fate == Fate::Answered {
            tally.acknowledged.insert(number);
        }
        tally.count(kind, fate, begun.since(self.began), clock::now().since(begun));
    }
}

/// What the task with that number is called.
pub(super) fn name(prefix: &str, number: u64) -> String {
    format!("{prefix}{number}")
}

//! Ends machines: many in one call, and none that is not ours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::census::State;
use super::{Error, Fault, Shared, failed, locked};
use crate::aws::{self, Kind};
use crate::clock;
use crate::fleet::InstanceId;

/// How long an end waits for others to go with it. What is ended has no traffic any more.
const GATHER: Duration = Duration::from_millis(50);

/// Machines in one call. EC2 advises batches of about a hundred.
const BATCH_MAX: usize = 100;

/// How long to wait for somebody else's listing before one is asked for: the controller lists every
/// second while it waits for an end, and then this never asks.
const LISTING_WAIT: Duration = Duration::from_secs(2);

/// Who is to be ended with the next call.
#[derive(Debug, Default)]
pub(super) struct Endings {
    waiting: Mutex<Vec<Waiting>>,
}

/// What became of the order to end a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// EC2 ends it.
    Taken,
    /// EC2 does not know yet what it has made: that passes. What it does not know any more is soon
    /// missing from its listings, too.
    TooEarly,
}

/// One machine, and who wants to know whether EC2 took the order.
type Waiting = (InstanceId, oneshot::Sender<Result<(), aws::Error>>);

impl Shared {
    /// Ends a machine and returns when EC2 says that it is terminated: its disks are free then.
    pub(super) async fn end(self: &Arc<Self>, id: &InstanceId) -> Result<(), Error> {
        if self.census.state(id).is_none() {
            // Whatever the tags do not name is not ours, and counts as gone.
            self.list().await?;
        }
        if self.is_over(id) {
            return Ok(());
        }
        let mut listings = self.census.watch();
        let mut order = self.order_end(id).await?;
        loop {
            if timeout(LISTING_WAIT, listings.changed()).await.is_err() {
                self.list().await?;
            }
            if self.is_over(id) {
                return Ok(());
            }
            if order == Order::TooEarly {
                order = self.order_end(id).await?;
            }
        }
    }

    /// Whether nothing is left of it. Nobody hears of it again then.
    fn is_over(&self, id: &InstanceId) -> bool {
        match self.census.state(id) {
            Some(State::Terminated) => self.census.ended(id, clock::now()),
            Some(_) => return false,
            None => {}
        }
        true
    }

    async fn order_end(self: &Arc<Self>, id: &InstanceId) -> Result<Order, Error> {
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = locked(&self.endings.waiting);
            waiting.push((id.clone(), answer));
            waiting.len() == 1
        };
        if is_first {
            let shared = Arc::clone(self);
            self.tasks.spawn(async move {
                sleep(GATHER).await;
                shared.end_waiting().await;
            });
        }
        let unanswered = || Error::new(Fault::Unavailable, anyhow!("the provider is closing"));
        match answered.await.map_err(|_| unanswered())? {
            Ok(()) => Ok(Order::Taken),
            Err(error) if error.kind == Kind::NotFound => Ok(Order::TooEarly),
            Err(error) => Err(failed(error)),
        }
    }

    async fn end_waiting(&self) {
        let mut waiting = std::mem::take(&mut *locked(&self.endings.waiting));
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(BATCH_MAX));
            self.end_batch(waiting).await;
            waiting = rest;
        }
    }

    /// One machine that EC2 does not know fails the whole call: then each is asked for by itself.
    async fn end_batch(&self, batch: Vec<Waiting>) {
        let ids: Vec<String> = batch.iter().map(|(id, _)| id.to_string()).collect();
        let result = self.terminate(&ids).await;
        let is_mixed = matches!(&result, Err(error) if error.kind == Kind::NotFound);
        for (id, answer) in batch {
            let result = if is_mixed && ids.len() > 1 {
                self.terminate(&[id.to_string()]).await
            } else {
                result.clone()
            };
            // Whoever asked may have given up.
            let _ = answer.send(result);
        }
    }

    async fn terminate(&self, ids: &[String]) -> Result<(), aws::Error> {
        let call = self.ec2.terminate_instances().set_instance_ids(Some(ids.to_vec()));
        let answer = call.send().await;
        answer.map(drop).map_err(|error| aws::Error::of("TerminateInstances", &error))
    }
}

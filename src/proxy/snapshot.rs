//! The published pool, joined with what one thread knows of each endpoint.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::upstream::Upstream;
use crate::pool::{Ask, EndpointId, Pool, Standing, Turn};

/// One pool, with the thread's own side of each endpoint at the same index.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) pool: Arc<Pool>,
    upstreams: Vec<Rc<Upstream>>,
    /// Counts the snapshots of this thread.
    pub(super) number: u64,
}

/// Every endpoint of this thread: those in the snapshot, and those that still have requests.
#[derive(Debug, Default)]
pub(super) struct Known {
    upstreams: BTreeMap<EndpointId, Rc<Upstream>>,
    snapshots: u64,
}

impl Snapshot {
    /// The endpoint for the next try.
    pub(super) fn pick(&self, ask: Ask<'_>, turn: &mut Turn) -> Option<Rc<Upstream>> {
        self.pool.pick(ask, turn).map(|index| Rc::clone(&self.upstreams[index]))
    }
}

impl Known {
    /// Takes over a new pool. An endpoint that stays keeps its connections.
    pub(super) fn apply(
        &mut self,
        pool: Arc<Pool>,
        thread: usize,
        settled: &Rc<Notify>,
    ) -> Snapshot {
        self.snapshots += 1;
        let number = self.snapshots;
        let mut upstreams = Vec::with_capacity(pool.endpoints().len());
        for endpoint in pool.endpoints() {
            let upstream = self
                .upstreams
                .entry(endpoint.id)
                .or_insert_with(|| Rc::new(Upstream::new(endpoint, thread, Rc::clone(settled))));
            upstream.seen_in.set(number);
            upstream.set_standing(endpoint.standing);
            upstreams.push(Rc::clone(upstream));
        }
        for absent in self.upstreams.values().filter(|each| each.seen_in.get() != number) {
            absent.set_standing(Standing::Draining);
        }
        Snapshot { pool, upstreams, number }
    }

    /// The endpoints that the controller must be told are quiet, each returned once.
    pub(super) fn take_quiet(&mut self) -> Vec<EndpointId> {
        let mut quiet = Vec::new();
        for upstream in self.upstreams.values().filter(|each| each.is_quiet_due()) {
            upstream.is_told_quiet.set(true);
            quiet.push(upstream.id);
        }
        let number = self.snapshots;
        self.upstreams.retain(|_, each| each.seen_in.get() == number || !each.is_told_quiet.get());
        quiet
    }

    /// Closes connections that have been idle for too long.
    pub(super) fn sweep(&self, oldest: u32) {
        self.upstreams.values().for_each(|upstream| upstream.sweep(oldest));
    }
}

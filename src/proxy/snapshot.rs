//! The published pool, joined with what one thread knows of each endpoint.

use std::rc::Rc;
use std::sync::Arc;

use super::upstream::Upstream;
use crate::pool::{Ask, Endpoint, EndpointId, Pool, Standing, Turn};

/// One pool, with the thread's own side of each endpoint at the same index.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) pool: Arc<Pool>,
    upstreams: Vec<Rc<Upstream>>,
    /// Counts the snapshots of this thread.
    pub(super) number: u64,
}

/// The endpoints that no longer serve, and of which the controller must still be told that nothing
/// is in flight there; maybe some that serve again. They are few, so they stand apart.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    upstreams: Vec<Rc<Upstream>>,
}

impl Snapshot {
    /// The endpoint for the next try.
    pub(super) fn pick(&self, ask: Ask<'_>, turn: &mut Turn) -> Option<Rc<Upstream>> {
        self.pool.pick(ask, turn).map(|index| Rc::clone(&self.upstreams[index]))
    }

    /// Takes over a new pool. An endpoint that stays keeps its connections; one that stays as it
    /// was is not even looked at, because requests wait until this is done.
    pub(super) fn follow(
        self,
        pool: Arc<Pool>,
        leaving: &mut Leaving,
        open: impl Fn(&Endpoint) -> Upstream,
    ) -> Self {
        let Self { pool: earlier, upstreams, number } = self;
        let mut before = earlier.endpoints().iter().zip(upstreams).peekable();
        let mut upstreams = Vec::with_capacity(pool.endpoints().len());
        for endpoint in pool.endpoints() {
            // Both are in the order of the ids, which only grow.
            while let Some((_, gone)) = before.next_if(|(known, _)| known.id < endpoint.id) {
                leaving.set_standing(&gone, Standing::Draining);
            }
            let (standing, upstream) = match before.next_if(|(known, _)| known.id == endpoint.id) {
                Some((known, upstream)) => (known.standing, upstream),
                None => (Standing::Serving, Rc::new(open(endpoint))),
            };
            if standing != endpoint.standing {
                leaving.set_standing(&upstream, endpoint.standing);
            }
            upstreams.push(upstream);
        }
        for (_, gone) in before {
            leaving.set_standing(&gone, Standing::Draining);
        }
        Self { pool, upstreams, number: number + 1 }
    }

    /// Closes connections that have been idle for too long. Returns how many are left, and how
    /// many of them are idle.
    pub(super) fn sweep(&self, oldest: u32) -> (usize, usize) {
        self.upstreams.iter().fold((0, 0), |(opened, idle), upstream| {
            let (more_opened, more_idle) = upstream.sweep(oldest);
            (opened + more_opened, idle + more_idle)
        })
    }
}

impl Leaving {
    /// The endpoints that the controller must be told are quiet, each returned once.
    pub(super) fn take_quiet(&mut self) -> Vec<EndpointId> {
        let mut quiet = Vec::new();
        self.upstreams.retain(|upstream| {
            if upstream.is_quiet_due() {
                upstream.is_told_quiet.set(true);
                quiet.push(upstream.id);
            }
            upstream.is_leaving()
        });
        quiet
    }

    fn set_standing(&mut self, upstream: &Rc<Upstream>, standing: Standing) {
        let is_known = upstream.is_leaving();
        upstream.set_standing(standing);
        if upstream.is_leaving() && !is_known {
            self.upstreams.push(Rc::clone(upstream));
        }
    }
}

//! Where the requests go now, published to the engine as a pool of one.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock;
use crate::pool::{Balance, Endpoint, EndpointId, Ledger, Pool, Standing, Weight};

/// The one server behind us.
#[derive(Debug)]
pub(super) struct Backend {
    pool: watch::Sender<Arc<Pool>>,
    ledger: Arc<Ledger>,
}

impl Backend {
    /// The server to begin with; without one, requests are held.
    pub(super) fn new(threads: usize, address: Option<SocketAddr>) -> Self {
        let ledger = Ledger::new(threads);
        let pool = Pool::new(Arc::clone(&ledger), Balance::default());
        let backend = Self { pool: watch::Sender::new(Arc::new(pool)), ledger };
        if let Some(address) = address {
            backend.change_to(address);
        }
        backend
    }

    /// What the engine follows.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Pool>> {
        self.pool.subscribe()
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        serving(&self.pool.borrow()).and_then(|endpoint| endpoint.address.ip())
    }

    /// Sends everything there from now on. What is in flight at the one before finishes. Even the
    /// same address is another endpoint: whoever says so has started a new server there.
    pub(super) fn change_to(&self, address: SocketAddr) {
        let traffic = self.ledger.open().expect("only those that still have requests are counted");
        let traffic = Arc::new(traffic);
        self.pool.send_modify(|pool| {
            let before = serving(pool);
            let next = before.map_or(0, |endpoint| endpoint.id.number() + 1);
            let leaving = before
                .map(|endpoint| Endpoint { standing: Standing::Draining, ..endpoint.clone() });
            let endpoint = Endpoint {
                id: EndpointId::new(next),
                address: address.into(),
                weight: Weight::FULL,
                since: clock::now(),
                standing: Standing::Serving,
                traffic,
                token: None,
            };
            *pool = Arc::new(pool.next(leaving.into_iter().chain([endpoint]).collect()));
        });
    }
}

fn serving(pool: &Pool) -> Option<&Endpoint> {
    pool.endpoints().iter().find(|endpoint| endpoint.standing == Standing::Serving)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_one_before_drains_and_the_ones_before_that_are_gone() {
        let backend = Backend::new(1, None);
        assert_eq!(backend.address(), None);
        for port in 1..=3 {
            backend.change_to(address(port));
        }
        assert_eq!(backend.address(), Some(address(3)));
        let pool = backend.subscribe().borrow().clone();
        let left: Vec<_> =
            pool.endpoints().iter().map(|each| (each.id.number(), each.standing)).collect();
        assert_eq!(left, [(1, Standing::Draining), (2, Standing::Serving)]);
    }
}

//! Where the requests go now, published to the engine as a pool.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::address::Address;
use crate::clock;
use crate::pool::{Balance, Endpoint, EndpointId, Ledger, Pool, Standing, Weight};

/// Who gets the requests. A server that is named in neither list gets no new one, and finishes
/// those that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    /// They get the requests, and share them. Nobody is in it: requests are held.
    pub(super) serving: BTreeSet<SocketAddr>,
    /// Nothing is expected of them: what waits for their answer is sent elsewhere if it can be.
    #[serde(default)]
    pub(super) lost: BTreeSet<SocketAddr>,
}

/// The servers behind us.
#[derive(Debug)]
pub(super) struct Backends {
    pool: watch::Sender<Arc<Pool>>,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    told: Told,
    /// How many ids were given. An id is never given twice, whatever becomes of its address.
    given: u64,
}

impl Backends {
    /// The servers to begin with; without one, requests are held.
    pub(super) fn new(threads: usize, serving: impl IntoIterator<Item = SocketAddr>) -> Self {
        let ledger = Ledger::new(threads);
        let pool = Pool::new(Arc::clone(&ledger), Balance::default());
        let pool = watch::Sender::new(Arc::new(pool));
        let backends = Self { pool, ledger, state: Mutex::default() };
        let serving = serving.into_iter().collect();
        backends.change_to(Told { serving, ..Told::default() });
        backends
    }

    /// What the engine follows.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Pool>> {
        self.pool.subscribe()
    }

    /// What was told last.
    pub(super) fn told(&self) -> Told {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }

    /// Where requests are in flight that are let finish.
    pub(super) fn finishing(&self) -> BTreeSet<SocketAddr> {
        let pool = self.pool.borrow();
        let finishing = pool.endpoints().iter().filter(|each| is_finishing(each));
        finishing.filter_map(|each| each.address.ip()).collect()
    }

    /// Sends everything there from now on, as far as it is not lost. What is in flight elsewhere
    /// finishes. Whoever comes back before that goes on as the endpoint that it was, but for who
    /// was lost: another machine may have the address now, where the old connections lead nowhere.
    pub(super) fn change_to(&self, told: Told) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.pool.send_modify(|pool| {
            let known = pool.endpoints().iter().filter_map(|each| changed(each, &told));
            let mut endpoints: Vec<Endpoint> = known.collect();
            let is_new = |at: &&SocketAddr| !endpoints.iter().any(|of| serves_at(of, **at));
            let new: Vec<SocketAddr> = told.serving.iter().filter(is_new).copied().collect();
            for address in new {
                state.given += 1;
                endpoints.push(self.endpoint(EndpointId::new(state.given), address.into()));
            }
            *pool = Arc::new(pool.next(endpoints));
        });
        state.told = told;
    }

    fn endpoint(&self, id: EndpointId, address: Address) -> Endpoint {
        let traffic = self.ledger.open().expect("only those that still have requests are counted");
        Endpoint {
            id,
            address,
            name: None,
            weight: Weight::FULL,
            since: clock::now(),
            standing: Standing::Serving,
            traffic,
            token: None,
        }
    }
}

/// What becomes of an endpoint; nothing, if nobody waits for it.
fn changed(endpoint: &Endpoint, told: &Told) -> Option<Endpoint> {
    let address = endpoint.address.ip()?;
    let standing = if endpoint.standing == Standing::Lost {
        Standing::Lost
    } else if told.serving.contains(&address) {
        Standing::Serving
    } else if told.lost.contains(&address) {
        Standing::Lost
    } else {
        Standing::Draining
    };
    if standing == endpoint.standing {
        let is_needed = standing == Standing::Serving || endpoint.traffic.total() > 0;
        return is_needed.then(|| endpoint.clone());
    }
    let mut changed = Endpoint { standing, ..endpoint.clone() };
    if standing == Standing::Serving {
        changed.since = clock::now();
        // It is said to be well: what was held against it is forgiven.
        changed.traffic.recover();
    }
    Some(changed)
}

fn serves_at(endpoint: &Endpoint, address: SocketAddr) -> bool {
    endpoint.standing == Standing::Serving && endpoint.address.ip() == Some(address)
}

fn is_finishing(endpoint: &Endpoint) -> bool {
    endpoint.standing == Standing::Draining && endpoint.traffic.total() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn told<const N: usize>(serving: [u16; N], lost: &[u16]) -> Told {
        let addresses = |ports: &[u16]| ports.iter().copied().map(address).collect();
        Told { serving: addresses(&serving), lost: addresses(lost) }
    }

    fn standings(backends: &Backends) -> Vec<(u16, Standing)> {
        let pool = backends.subscribe().borrow().clone();
        let port = |each: &Endpoint| each.address.ip().unwrap().port();
        pool.endpoints().iter().map(|each| (port(each), each.standing)).collect()
    }

    /// A request begins at the endpoint with this port.
    fn enter(backends: &Backends, port: u16) {
        let pool = backends.subscribe().borrow().clone();
        let at = address(port).into();
        pool.endpoints().iter().find(|each| each.address == at).unwrap().traffic.enter(0);
    }

    #[test]
    fn who_is_no_longer_named_drains_until_its_requests_end() {
        let backends = Backends::new(1, []);
        assert_eq!(backends.told(), Told::default());
        for port in 1..=2 {
            backends.change_to(told([port], &[]));
        }
        assert_eq!(standings(&backends), [(1, Standing::Draining), (2, Standing::Serving)]);
        assert!(backends.finishing().is_empty(), "nothing is in flight there");
        enter(&backends, 2);
        backends.change_to(told([3], &[]));
        backends.change_to(told([3], &[]));
        assert_eq!(standings(&backends), [(2, Standing::Draining), (3, Standing::Serving)]);
        assert_eq!(backends.finishing(), BTreeSet::from([address(2)]));
        assert_eq!(backends.told(), told([3], &[]));
    }

    #[test]
    fn nothing_is_expected_of_who_is_lost() {
        let backends = Backends::new(1, [address(1), address(2)]);
        enter(&backends, 1);
        backends.change_to(told([2], &[1]));
        assert_eq!(standings(&backends), [(1, Standing::Lost), (2, Standing::Serving)]);
        assert!(backends.finishing().is_empty(), "nobody waits for them");
        backends.change_to(told([2], &[]));
        assert_eq!(standings(&backends)[0], (1, Standing::Lost), "what was lost is not found");
    }

    #[test]
    fn who_serves_goes_on_as_the_endpoint_that_it_was() {
        let backends = Backends::new(1, [address(1), address(2)]);
        let id = |place: usize| backends.subscribe().borrow().endpoints()[place].id;
        let before = (id(0), id(1));
        enter(&backends, 1);
        backends.change_to(told([2], &[]));
        backends.change_to(told([1, 2, 3], &[]));
        assert_eq!((id(0), id(1)), before);
        assert_eq!(
            standings(&backends),
            [(1, Standing::Serving), (2, Standing::Serving), (3, Standing::Serving)]
        );
    }

    #[test]
    fn who_serves_at_the_address_of_one_that_was_lost_is_another() {
        let backends = Backends::new(1, [address(1)]);
        enter(&backends, 1);
        backends.change_to(told([], &[1]));
        backends.change_to(told([1], &[]));
        assert_eq!(standings(&backends), [(1, Standing::Lost), (1, Standing::Serving)]);
    }
}

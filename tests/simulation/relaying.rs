//! What a forwarder does with the requests that it is given.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Backends, Relays};

#[derive(Clone, Debug, Default)]
pub(crate) struct Relaying {
    pub(crate) to: Backends,
    /// Until when requests are in flight where it sends no more.
    finishing: BTreeMap<SocketAddr, Instant>,
}

impl Relaying {
    pub(crate) fn new(to: Backends) -> Self {
        Self { to, finishing: BTreeMap::new() }
    }

    /// It is told where to send requests from now on. Those that it sent elsewhere last for so
    /// long, unless nothing is expected there.
    pub(crate) fn change_to(&mut self, to: Backends, now: Instant, last: Duration) {
        let before = std::mem::replace(&mut self.to, to);
        self.finishing.extend(before.serving.into_iter().map(|at| (at, now + last)));
        let Backends { serving, lost } = &self.to;
        self.finishing.retain(|at, _| !serving.contains(at) && !lost.contains(at));
    }

    /// What it says of itself.
    pub(crate) fn news(&self, now: Instant) -> Relays {
        let finishing = self.finishing.iter().filter(|(_, until)| now < **until);
        Relays { to: self.to.clone(), finishing: finishing.map(|(at, _)| *at).collect() }
    }

    /// Whether a request may be in flight there that somebody waits for.
    pub(crate) fn is_busy_at(&self, backend: SocketAddr, now: Instant) -> bool {
        let finishes = self.finishing.get(&backend).is_some_and(|until| now < *until);
        self.to.serving.contains(&backend) || finishes
    }
}

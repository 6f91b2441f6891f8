//! From instances to endpoints: what the data plane sees of the fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::Balancing;
use super::accounts::{Accounts, Books};
use crate::clock::Instant;
use crate::fleet::{Change, Fleet, Flow, Group, InstanceId, Load, Phase, Tracked};
use crate::pool::{Endpoint, EndpointId, Ledger, Pool, Secret, Standing, Traffic, Weight};
use crate::proxy::Failure;

/// The share of an instance that asked for less (503), in per cent of its usual one: enough that
/// its next good answer is seen, little enough that it recovers.
const SHEDDING_PERCENT: u32 = 25;

#[derive(Debug)]
pub(super) struct Roster {
    threads: usize,
    /// How many ids were given. An id is never given twice, whatever becomes of its address.
    given: u64,
    /// What clients' tokens are made with, if clients stick.
    secret: Option<Secret>,
    /// What the data plane knows, in the order in which it came to know it.
    listed: BTreeMap<EndpointId, Listed>,
    /// The endpoint that an instance has now.
    endpoints: BTreeMap<InstanceId, EndpointId>,
    /// Who takes traffic because nothing is held against them. Nobody else does as long as there
    /// is one of them.
    well: BTreeSet<InstanceId>,
    /// Where the data plane counts.
    ledger: Arc<Ledger>,
    /// What it counts for whom.
    books: Books,
    pool: watch::Sender<Arc<Pool>>,
}

/// An instance that the data plane knows.
#[derive(Debug)]
struct Listed {
    instance: InstanceId,
    endpoint: Endpoint,
    /// The threads that have nothing in flight there since it left the traffic.
    quiet: BTreeSet<usize>,
}

/// Whether the failure means that nobody listens there.
pub(super) const fn is_refusal(failure: Failure) -> bool {
    matches!(failure, Failure::Refused | Failure::Unreachable | Failure::ConnectTimedOut)
}

impl Roster {
    pub(super) fn new(threads: usize, balancing: Balancing) -> Self {
        let Balancing { balance, secret } = balancing;
        let ledger = Ledger::new(threads);
        Self {
            threads,
            given: 0,
            secret,
            listed: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            well: BTreeSet::new(),
            books: Books::new(threads, ledger.others()),
            pool: watch::Sender::new(Arc::new(Pool::new(Arc::clone(&ledger), balance))),
            ledger,
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Pool>> {
        self.pool.subscribe()
    }

    pub(super) fn accounts(&self) -> watch::Receiver<Arc<Accounts>> {
        self.books.subscribe()
    }

    /// Publishes a new snapshot if the fleet's endpoints changed. Looks only at those that the news
    /// are about, so that what a turn costs depends on what happened and not on the fleet's size.
    pub(super) fn publish(&mut self, fleet: &Fleet, news: &[Change], now: Instant) {
        let before = self.opening();
        news.iter().for_each(|change| self.note_wellness(fleet, change.id()));
        let open = self.opening();
        let mut changed = false;
        for change in news {
            changed |= match fleet.get(change.id()) {
                Some(tracked) => self.list(tracked, open, now),
                None => self.strike(change.id()),
            };
        }
        if open != before {
            for tracked in fleet.members(Group::Instances) {
                changed |= self.list(tracked, open, now);
            }
        }
        if changed {
            let endpoints = self.listed.values().map(|listed| listed.endpoint.clone());
            let next = self.pool.borrow().next(endpoints.collect());
            self.pool.send_replace(Arc::new(next));
        }
    }

    /// Whether the data plane may have requests in flight there.
    pub(super) fn has_traffic(&self, id: &InstanceId) -> bool {
        self.listed_as(id).is_some_and(|listed| listed.quiet.len() < self.threads)
    }

    /// The requests in flight on an instance.
    pub(super) fn traffic(&self, id: &InstanceId) -> Option<Traffic> {
        self.listed_as(id).map(|listed| listed.endpoint.traffic.clone())
    }

    /// Whose endpoint that is.
    pub(super) fn instance(&self, endpoint: EndpointId) -> Option<InstanceId> {
        self.listed.get(&endpoint).map(|listed| listed.instance.clone())
    }

    /// A thread has nothing in flight there any more. The last one ends the drain.
    pub(super) fn quiet(&mut self, endpoint: EndpointId, thread: usize) -> Option<InstanceId> {
        let listed = self.listed.get_mut(&endpoint)?;
        if listed.endpoint.standing == Standing::Serving {
            return None;
        }
        listed.quiet.insert(thread);
        (listed.quiet.len() == self.threads).then(|| listed.instance.clone())
    }

    fn listed_as(&self, id: &InstanceId) -> Option<&Listed> {
        self.listed.get(self.endpoints.get(id)?)
    }

    fn note_wellness(&mut self, fleet: &Fleet, id: &InstanceId) {
        let takes_traffic =
            |tracked: &Tracked| matches!(tracked.phase, Phase::Serving | Phase::Outgoing(_));
        let is_ours = |tracked: &Tracked| tracked.instance.slot.group == Group::Instances;
        if fleet.get(id).is_some_and(|of| is_ours(of) && takes_traffic(of)) {
            self.well.insert(id.clone());
        } else {
            self.well.remove(id);
        }
    }

    fn opening(&self) -> Opening {
        if self.well.is_empty() { Opening::FailOpen } else { Opening::Closed }
    }

    /// Brings one instance's entry up to date; says whether the data plane has to know.
    fn list(&mut self, tracked: &Tracked, open: Opening, now: Instant) -> bool {
        if tracked.instance.slot.group != Group::Instances {
            return false;
        }
        let Some(address) = &tracked.instance.address else { return false };
        let Some(standing) = standing_of(tracked, open) else { return false };
        let weight = weight_of(tracked);
        let endpoint = self.endpoints.get(&tracked.instance.id);
        if let Some(listed) = endpoint.and_then(|endpoint| self.listed.get_mut(endpoint))
            && listed.endpoint.address == *address
        {
            return listed.update(standing, weight, now);
        }
        // Who never took traffic has none to lose.
        if standing != Standing::Serving {
            return false;
        }
        let id = &tracked.instance.id;
        self.strike(id);
        let account = self.books.account(tracked.instance.slot);
        let traffic = match self.ledger.open_for(account) {
            Ok(traffic) => traffic,
            Err(error) => {
                tracing::error!("{id} gets no traffic: {error}");
                return false;
            }
        };
        self.given += 1;
        let endpoint = Endpoint {
            id: EndpointId::new(self.given),
            address: address.clone(),
            name: Some(tracked.instance.slot.to_string().into()),
            weight,
            since: now,
            standing,
            traffic,
            token: self.secret.as_ref().map(|secret| secret.token(address)),
        };
        self.endpoints.insert(id.clone(), endpoint.id);
        let listed = Listed { instance: id.clone(), endpoint, quiet: BTreeSet::new() };
        self.listed.insert(listed.endpoint.id, listed);
        true
    }

    /// Takes an instance out; says whether the data plane has to know.
    fn strike(&mut self, id: &InstanceId) -> bool {
        let endpoint = self.endpoints.remove(id);
        endpoint.is_some_and(|endpoint| self.listed.remove(&endpoint).is_some())
    }
}

impl Listed {
    fn update(&mut self, standing: Standing, weight: Weight, now: Instant) -> bool {
        let Self { endpoint, quiet, .. } = self;
        if standing == endpoint.standing && weight == endpoint.weight {
            return false;
        }
        if standing == Standing::Serving && endpoint.standing != Standing::Serving {
            endpoint.since = now;
            quiet.clear();
            // Its probes are good again: what was held against it is forgiven.
            endpoint.traffic.recover();
        }
        endpoint.standing = standing;
        endpoint.weight = weight;
        true
    }
}

/// Whether those that failed their probes take traffic all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// No: others serve.
    Closed,
    /// Yes: nobody else is left, and a probe can be wrong.
    FailOpen,
}

/// The share of an instance: what it can take, and of that what it now asks for.
fn weight_of(tracked: &Tracked) -> Weight {
    let full = Weight::clamped(tracked.instance.capacity.percent());
    match tracked.health.load() {
        Load::Normal => full,
        Load::Shedding => full.part(SHEDDING_PERCENT),
    }
}

fn standing_of(tracked: &Tracked, open: Opening) -> Option<Standing> {
    match &tracked.phase {
        Phase::Starting => None,
        // One that has just stood down may still have requests in flight.
        Phase::Standby => Some(Standing::Draining),
        Phase::Serving | Phase::Outgoing(_) => Some(Standing::Serving),
        Phase::Condemned(reason) if open == Opening::FailOpen && reason.may_still_answer() => {
            Some(Standing::Serving)
        }
        Phase::Draining(reason, Flow::InFlight | Flow::Quiet) if reason.may_still_finish() => {
            Some(Standing::Draining)
        }
        Phase::Condemned(_) | Phase::Draining(..) | Phase::Terminating(..) => Some(Standing::Lost),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::address::Address;
    use crate::fleet::{
        Capacity, Event, Finding, GroupSpec, Handover, Instance, LaunchOn, Operation, Ownership,
        Probe, Relays, Slot, Spec, Thresholds, Vitals,
    };
    use crate::pool::{Algorithm, Balance};

    const NOW: Instant = Instant::at(Duration::from_secs(100));

    fn group(size: u32) -> GroupSpec {
        GroupSpec {
            size,
            standby: 0,
            launch_on: LaunchOn::Verdict,
            ownership: Ownership::Foreign,
            handover: Handover::Fenced,
            launch_timeout: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(1),
            settle: Duration::ZERO,
            thresholds: Thresholds {
                healthy: 1,
                refused: 1,
                unresponsive: 1,
                flapping: Duration::from_secs(1),
            },
            replacement_interval: Duration::from_secs(1),
        }
    }

    fn server(index: u32, percent: u32) -> Instance {
        let address = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 8000)));
        Instance {
            id: InstanceId::new(format!("server-{index}")),
            slot: Slot { group: Group::Instances, index },
            token: None,
            address: Some(address),
            control: None,
            capacity: Capacity::of_percent(percent),
            vitals: Vitals::Running,
            label: String::new(),
            launched: Duration::ZERO,
        }
    }

    /// The pool of servers with these capacities after all were probed with this finding.
    fn pool_after(finding: Finding, percents: [u32; 3], balancing: Balancing) -> Arc<Pool> {
        let operation = Operation::Active;
        let spec = Spec { instances: group(3), backend: group(0), operation };
        let found: Vec<Instance> =
            (0..).zip(percents).map(|(index, percent)| server(index, percent)).collect();
        let mut fleet = Fleet::new(1);
        fleet.observe(Event::Listed { began: NOW, found: found.clone() }, &spec, NOW);
        for finding in [Finding::Well, finding] {
            for instance in &found {
                let probe = Probe { finding, relays: Relays::default() };
                fleet.observe(Event::Probed(instance.id.clone(), probe), &spec, NOW);
            }
        }
        let mut roster = Roster::new(1, balancing);
        let news = fleet.take_journal();
        roster.publish(&fleet, &news, NOW);
        Arc::clone(&roster.subscribe().borrow())
    }

    #[test]
    fn what_a_server_can_take_and_what_it_asks_for_are_one_weight() {
        for (finding, expected) in
            [(Finding::Well, [100, 200, 3]), (Finding::Shedding, [25, 50, Weight::MIN.percent()])]
        {
            let pool = pool_after(finding, [100, 200, 3], Balancing::default());
            let weights = pool.endpoints().iter().map(|each| each.weight.percent());
            assert_eq!(weights.collect::<Vec<_>>(), expected, "{finding:?}");
        }
    }

    #[test]
    fn endpoints_have_tokens_only_if_clients_stick() {
        let tokens = |secret: Option<Secret>| {
            let balance = Balance { algorithm: Algorithm::Random, ..Balance::default() };
            let pool = pool_after(Finding::Well, [100; 3], Balancing { balance, secret });
            pool.endpoints().iter().map(|each| each.token).collect::<Vec<_>>()
        };
        assert_eq!(tokens(None), [None; 3]);
        let secret = Secret::new(b"secret");
        let token = secret.token(server(0, 100).address.as_ref().unwrap());
        assert_eq!(tokens(Some(secret)), [Some(token); 3]);
    }
}

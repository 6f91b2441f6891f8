//! Where the forwarders are to send their requests.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use super::{Fleet, Group, Handover, Load, Phase, Reason, Tracked};

/// What forwarders are told. A backend that is named in neither list gets no new request, and
/// finishes those that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backends {
    /// Which of them get the requests.
    pub serving: BTreeSet<SocketAddr>,
    /// From which of them nothing is expected: what waits for their answer is sent elsewhere.
    pub lost: BTreeSet<SocketAddr>,
}

/// What a forwarder says of its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relays {
    /// What it was told last.
    pub to: Backends,
    /// Where requests are in flight that are let finish.
    pub finishing: BTreeSet<SocketAddr>,
}

/// How much is to be said for sending requests to a backend whose data others can open, too. Those
/// of the best tier that anybody is in get all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// It serves.
    Well,
    /// It serves, and says that it cannot do much (503).
    Shedding,
    /// It may answer: it is about to, or its probes failed, and a probe can be wrong.
    Doubtful,
}

impl Backends {
    /// Those that get the requests, and nobody else.
    pub fn serving(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { serving: addresses.into_iter().collect(), lost: BTreeSet::new() }
    }

    /// Whether it says nothing that a forwarder could act on.
    pub(super) fn names_nobody(&self) -> bool {
        self.serving.is_empty() && self.lost.is_empty()
    }
}

impl fmt::Display for Backends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.serving.is_empty() {
            true => formatter.write_str("nobody")?,
            false => formatter.write_str(&listed(&self.serving))?,
        }
        if self.lost.is_empty() {
            return Ok(());
        }
        write!(formatter, " and no longer to {}", listed(&self.lost))
    }
}

fn listed(addresses: &BTreeSet<SocketAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Relays {
    /// It took what it was told. What it still has in flight where it no longer sends anything, its
    /// next answer to a probe says; until then it may have something everywhere.
    pub(super) fn take(&mut self, to: Backends) {
        let before = std::mem::replace(&mut self.to, to);
        self.finishing.extend(before.serving);
        let Backends { serving, lost } = &self.to;
        self.finishing.retain(|address| !serving.contains(address) && !lost.contains(address));
    }

    /// Whether requests go there, or are still in flight.
    fn reach(&self, backend: SocketAddr) -> bool {
        self.to.serving.contains(&backend) || self.finishing.contains(&backend)
    }
}

impl Fleet {
    /// Where forwarders are to send their requests. Nobody serves in it if there is nothing better
    /// than what they were told last.
    #[must_use]
    pub fn backends(&self, handover: Handover) -> Backends {
        let serving = match handover {
            Handover::Fenced => self.only_backend().into_iter().collect(),
            Handover::LaunchFirst { .. } => self.best_backends(),
        };
        // Whoever serves may have the address of one that is gone.
        let lost = self.members(Group::Backend).filter(|tracked| is_lost(tracked));
        let lost = lost.filter_map(Tracked::ip).filter(|at| !serving.contains(at)).collect();
        Backends { serving, lost }
    }

    /// The one that stays, even if it does not serve yet: there is no other. Without one, the one
    /// that goes, as long as it serves or may answer: while paused nobody ends it.
    fn only_backend(&self) -> Option<SocketAddr> {
        let members = || self.members(Group::Backend);
        let stays = members().filter(|tracked| tracked.phase.fills_slot());
        let stays = stays.min_by_key(|tracked| tracked.precedence());
        let goes = || members().filter(|of| tier_of(of).is_some()).min_by_key(|of| tier_of(of));
        stays.or_else(goes).and_then(Tracked::ip)
    }

    fn best_backends(&self) -> BTreeSet<SocketAddr> {
        let tiers = || self.members(Group::Backend).map(|of| (tier_of(of), of.ip()));
        let best = tiers().filter(|(_, at)| at.is_some()).filter_map(|(tier, _)| tier).min();
        let is_best = |tier| best.is_some() && tier == best;
        tiers().filter(|(tier, _)| is_best(*tier)).filter_map(|(_, at)| at).collect()
    }

    /// Whether a forwarder may have requests in flight at a backend. One that never answered has
    /// none, and one that is dead or being ended has none that anybody waits for.
    pub(super) fn is_relayed_to(&self, backend: &Tracked) -> bool {
        let Some(address) = backend.ip().filter(|_| backend.is_backend()) else { return false };
        let reaches = |of: &Tracked| {
            let unconfirmed = of.repointing.unconfirmed();
            of.relays.reach(address) || unconfirmed.is_some_and(|to| to.serving.contains(&address))
        };
        self.members(Group::Instances).any(|of| of.relays() && reaches(of))
    }
}

impl Tracked {
    fn ip(&self) -> Option<SocketAddr> {
        self.instance.address.as_ref()?.ip()
    }

    fn is_backend(&self) -> bool {
        self.instance.slot.group == Group::Backend
    }

    /// Whether it may relay requests. Also one that failed: it may be well again, or finish the
    /// requests that it holds.
    pub(super) fn relays(&self) -> bool {
        let may_relay = match &self.phase {
            Phase::Terminating(..) => false,
            phase => !phase.reason().is_some_and(Reason::is_death),
        };
        self.last_good.is_some() && may_relay
    }
}

fn tier_of(tracked: &Tracked) -> Option<Tier> {
    match &tracked.phase {
        Phase::Serving | Phase::Outgoing(_) => Some(match tracked.health.load() {
            Load::Normal => Tier::Well,
            Load::Shedding => Tier::Shedding,
        }),
        Phase::Starting => Some(Tier::Doubtful),
        Phase::Condemned(reason) if reason.may_still_answer() => Some(Tier::Doubtful),
        Phase::Condemned(_) | Phase::Standby | Phase::Draining(..) | Phase::Terminating(..) => None,
    }
}

fn is_lost(tracked: &Tracked) -> bool {
    match &tracked.phase {
        Phase::Condemned(_) => true,
        Phase::Draining(reason, _) | Phase::Terminating(reason, _) => !reason.may_still_finish(),
        Phase::Starting | Phase::Standby | Phase::Serving | Phase::Outgoing(_) => false,
    }
}

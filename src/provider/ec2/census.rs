//! What is known of the fleet's machines. EC2's listings lag behind its own answers by seconds, so
//! what it has told us once is held against them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::locked;
use crate::clock::Instant;
use crate::fleet::{Instance, InstanceId, LaunchToken};

/// For how long a machine may be missing from the listings before that is believed. EC2 names even
/// what has ended, for an hour, so what is missing is as a rule not listed yet; and what does not
/// answer is noticed without a listing.
const LAG: Duration = Duration::from_secs(60);

/// For how long what we have ended is remembered: longer than EC2 lists it.
const REMEMBERED: Duration = Duration::from_secs(2 * 3600);

/// A machine as EC2 described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) instance: Instance,
    pub(super) state: State,
}

/// What EC2 says of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Running,
    ShuttingDown,
    /// Or about to be. It keeps its disks, and could be started again.
    Stopped,
    Terminated,
}

#[derive(Debug, Default)]
pub(super) struct Census {
    known: Mutex<Known>,
    /// How many listings were taken in, for who waits for the next.
    listings: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    /// With when EC2 last named them.
    machines: BTreeMap<InstanceId, (Machine, Instant)>,
    /// Whom we have ended, and when we knew.
    ended: BTreeMap<InstanceId, Instant>,
}

impl Census {
    /// Takes in a listing, and returns what there is by all that is known.
    pub(super) fn take(&self, found: Vec<Machine>, now: Instant) -> Vec<Instance> {
        let instances = locked(&self.known).take(found, now);
        self.listings.send_modify(|count| *count += 1);
        instances
    }

    /// EC2 has promised a machine, which its next listings may not know yet.
    pub(super) fn launched(&self, machine: Machine, now: Instant) {
        let mut known = locked(&self.known);
        known.machines.insert(machine.instance.id.clone(), (machine, now));
    }

    /// It is known to be gone, because we ended it: nobody needs to hear of it again.
    pub(super) fn ended(&self, id: &InstanceId, now: Instant) {
        let mut known = locked(&self.known);
        known.machines.remove(id);
        known.ended.insert(id.clone(), now);
    }

    pub(super) fn state(&self, id: &InstanceId) -> Option<State> {
        locked(&self.known).machines.get(id).map(|(machine, _)| machine.state)
    }

    /// The machine that a launch has made and that is not known to be gone.
    pub(super) fn made_by(&self, token: &LaunchToken) -> Option<Instance> {
        let known = locked(&self.known);
        let mut machines = known.machines.values().map(|(machine, _)| &machine.instance);
        machines.find(|instance| instance.token.as_ref() == Some(token)).cloned()
    }

    /// Whether nothing can be left of one that we knew.
    pub(super) fn is_over(&self, id: &InstanceId) -> bool {
        let known = locked(&self.known);
        let is_terminated =
            known.machines.get(id).is_some_and(|(machine, _)| machine.state == State::Terminated);
        is_terminated || known.ended.contains_key(id)
    }

    /// Changes with every listing that is taken in from now on.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.listings.subscribe()
    }
}

impl Known {
    fn take(&mut self, found: Vec<Machine>, now: Instant) -> Vec<Instance> {
        for machine in found {
            let id = &machine.instance.id;
            // What had ended before we came is no news; of what we ended ourselves a listing may
            // still say that it runs.
            let is_news = machine.state != State::Terminated || self.machines.contains_key(id);
            if is_news && !self.ended.contains_key(id) {
                self.machines.insert(id.clone(), (machine, now));
            }
        }
        self.machines.retain(|_, (_, named)| now.since(*named) < LAG);
        self.ended.retain(|_, ended| now.since(*ended) < REMEMBERED);
        self.machines.values().map(|(machine, _)| machine.instance.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Capacity, Group, Slot, Vitals};

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    fn machine(id: &str, state: State) -> Machine {
        let slot = Slot { group: Group::Instances, index: 0 };
        let instance = Instance {
            id: InstanceId::new(id),
            slot,
            token: Some(LaunchToken::recorded(&format!("launch of {id}"))),
            address: None,
            control: None,
            capacity: Capacity::ORDINARY,
            vitals: Vitals::Running,
            label: String::new(),
            launched: Duration::ZERO,
        };
        Machine { instance, state }
    }

    fn listed(census: &Census, found: &[Machine], seconds: u64) -> Vec<String> {
        let listed = census.take(found.to_vec(), at(seconds)).into_iter();
        listed.map(|instance| instance.id.to_string()).collect()
    }

    #[test]
    fn what_was_promised_is_there_before_it_is_listed() {
        let census = Census::default();
        census.launched(machine("i-1", State::Pending), at(0));
        assert_eq!(listed(&census, &[], 59), ["i-1"]);
        let token = LaunchToken::recorded("launch of i-1");
        assert_eq!(census.made_by(&token).unwrap().id.as_str(), "i-1");
        assert_eq!(listed(&census, &[], 60), Vec::<String>::new());
        assert_eq!(census.made_by(&token), None);
    }

    #[test]
    fn a_listing_without_it_does_not_end_a_machine() {
        let census = Census::default();
        let running = machine("i-1", State::Running);
        assert_eq!(listed(&census, std::slice::from_ref(&running), 0), ["i-1"]);
        assert_eq!(listed(&census, &[], 30), ["i-1"]);
        assert_eq!(listed(&census, std::slice::from_ref(&running), 50), ["i-1"]);
        assert_eq!(listed(&census, &[], 100), ["i-1"]);
        assert_eq!(listed(&census, &[], 110), Vec::<String>::new());
    }

    #[test]
    fn what_we_have_ended_does_not_come_back_with_an_old_listing() {
        let census = Census::default();
        listed(&census, &[machine("i-1", State::Running)], 0);
        census.ended(&InstanceId::new("i-1"), at(1));
        for state in [State::Running, State::ShuttingDown, State::Terminated] {
            assert_eq!(listed(&census, &[machine("i-1", state)], 2), Vec::<String>::new());
        }
    }

    #[test]
    fn an_end_is_news_only_of_who_was_there() {
        let census = Census::default();
        let there = machine("i-1", State::Running);
        let gone = [machine("i-1", State::Terminated), machine("i-0", State::Terminated)];
        assert_eq!(listed(&census, &[there], 0), ["i-1"]);
        assert_eq!(listed(&census, &gone, 1), ["i-1"]);
        assert_eq!(census.state(&InstanceId::new("i-1")), Some(State::Terminated));
    }
}

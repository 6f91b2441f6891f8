//! A provider that keeps to the contract of its three verbs, and to nothing beyond it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Capacity, Finding, Group, Instance, InstanceId, Launch, LaunchToken, Slot, Vitals,
};

/// How long a listing may lag behind; the `settle` of the worlds.
pub(crate) const LAG_MAX: Duration = Duration::from_millis(2_000);

/// What goes wrong in a world, each in percent of the times when it could.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) launch_fails: u32,
    pub(crate) answer_is_lost: u32,
    pub(crate) newborn_crashes: u32,
    pub(crate) newborn_never_serves: u32,
    pub(crate) terminate_fails: u32,
    pub(crate) terminate_lies: u32,
    pub(crate) listing_fails: u32,
    pub(crate) machine_dies: u32,
    pub(crate) machine_hangs: u32,
    pub(crate) machine_recovers: u32,
    pub(crate) notice_is_lost: u32,
    pub(crate) probe_lies: u32,
    pub(crate) controller_dies: u32,
    pub(crate) operator_acts: u32,
}

impl Faults {
    /// Some faults often, some now and then, some never: a world full of everything would never
    /// get far enough to meet the rare combinations.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut often = || rng.choice([0, 0, 5, 20, 60]).expect("there are choices");
        let mut faults = Self {
            launch_fails: often(),
            answer_is_lost: often(),
            newborn_crashes: often(),
            newborn_never_serves: often(),
            terminate_fails: often(),
            terminate_lies: often(),
            listing_fails: often(),
            notice_is_lost: often(),
            ..Self::default()
        };
        let mut seldom = || rng.choice([0, 1, 3, 6]).expect("there are choices");
        faults.machine_dies = seldom();
        faults.machine_hangs = seldom();
        faults.machine_recovers = seldom();
        faults.probe_lies = seldom();
        faults.controller_dies = seldom() / 3;
        faults.operator_acts = seldom();
        faults
    }
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    Hung,
    Dead(Instant),
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) instance: Instance,
    pub(crate) state: State,
    pub(crate) serves_from: Option<Instant>,
    pub(crate) relays_to: Option<SocketAddr>,
    made: Instant,
    /// How long the listings take to know of its start and of its end.
    lag: Duration,
}

impl Machine {
    pub(crate) fn lives(&self) -> bool {
        !matches!(self.state, State::Dead(_))
    }

    pub(crate) fn finding(&self, now: Instant) -> Finding {
        match self.state {
            State::Hung => Finding::TimedOut,
            State::Alive if self.serves_from.is_some_and(|from| from <= now) => Finding::Well,
            State::Alive | State::Dead(_) => Finding::Refused,
        }
    }

    /// As a listing that begins now shows it, if it does.
    fn listed(&self, now: Instant, shows: Shows) -> Option<Instance> {
        let knows_its_end = matches!(self.state, State::Dead(at) if at + self.lag <= now);
        let vitals = match (knows_its_end, shows) {
            (true, Shows::OnlyTheLiving) => return None,
            (true, Shows::TheGoneToo) => Vitals::Gone("exit status: 1".to_owned()),
            (false, _) => Vitals::Running,
        };
        (self.made + self.lag <= now).then(|| Instance { vitals, ..self.instance.clone() })
    }
}

/// Whether listings name machines that are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shows {
    OnlyTheLiving,
    TheGoneToo,
}

/// All machines that were ever made.
pub(crate) struct Cloud {
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    shows: Shows,
}

impl Cloud {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        let shows = if rng.bool() { Shows::OnlyTheLiving } else { Shows::TheGoneToo };
        Self { machines: BTreeMap::new(), shows }
    }

    pub(crate) fn list(&self, now: Instant) -> Vec<Instance> {
        self.machines.values().filter_map(|machine| machine.listed(now, self.shows)).collect()
    }

    /// Makes the machine of a launch; the same token makes no second one.
    pub(crate) fn make(
        &mut self,
        launch: &Launch,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Instance {
        let made =
            self.machines.values().find(|of| of.instance.token.as_ref() == Some(&launch.token));
        if let Some(machine) = made {
            return machine.instance.clone();
        }
        let instance = self.describe(launch.slot, &launch.token);
        let machine = Machine {
            instance: instance.clone(),
            state: State::Alive,
            serves_from: Some(now + Duration::from_millis(rng.u64(50..2_000))),
            relays_to: launch.backend,
            made: now,
            lag: LAG_MAX.mul_f64(rng.f64()),
        };
        self.machines.insert(instance.id.clone(), machine);
        instance
    }

    fn describe(&self, slot: Slot, token: &LaunchToken) -> Instance {
        let number = u16::try_from(self.machines.len()).expect("a world has few machines");
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Instance {
            id: InstanceId::new(format!("m{number:03}")),
            slot,
            token: Some(token.clone()),
            address: Some(local(20_000 + number).into()),
            control: (slot.group == Group::Instances).then(|| local(40_000 + number)),
            capacity: Capacity::ORDINARY,
            vitals: Vitals::Running,
            label: String::new(),
            launched: Duration::ZERO,
        }
    }

    pub(crate) fn end(&mut self, id: &InstanceId, now: Instant) {
        if let Some(machine) = self.machines.get_mut(id)
            && machine.lives()
        {
            machine.state = State::Dead(now);
        }
    }

    pub(crate) fn living(&self, group: Group) -> impl Iterator<Item = &Machine> {
        let members = self.machines.values().filter(move |of| of.instance.slot.group == group);
        members.filter(|machine| machine.lives())
    }
}

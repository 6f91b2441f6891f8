//! A cloud that keeps to the contract of EC2's API, and to nothing beyond it: what it lists is old,
//! what it made a moment ago it does not know yet, and it takes only so many calls a second.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cloudaps::address::Address;
use cloudaps::clock::Instant;
use cloudaps::fleet::{Capacity, Group, Instance, InstanceId, Launch, Slot, Vitals};

use super::bucket::Bucket;
use super::machine::{Condition, Machine, Owner, Shows};
use super::relaying::Relaying;

/// How long a listing may be behind the truth about one machine.
const MACHINE_LAG_MAX: Duration = Duration::from_millis(1_000);

/// How old the copy of everything may be that a listing is read from.
const COPY_LAG_MAX: Duration = Duration::from_millis(1_000);

/// How long a call is on its way; one of a controller that is dead arrives all the same.
pub(crate) const TRANSIT_MAX: Duration = Duration::from_millis(500);

/// For how long a listing may be too old to know of a launch or an end.
pub(crate) const SETTLE: Duration = Duration::from_millis(2_500);

/// A kind of machine in a zone: each runs out by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offering {
    pub(crate) kind: u32,
    pub(crate) zone: u32,
}

/// How many kinds and zones there are.
const KINDS: u32 = 2;
const ZONES: u32 = 3;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Throttled,
    Capacity,
    NotFound,
}

/// Whether a machine's address is told with the launch or only once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    AtLaunch,
    OnceRunning,
}

/// Whether an instance says who it is when it is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// A forwarder: its control listener names it.
    Told,
    /// A server of the user's own.
    Unknown,
}

pub(crate) struct Cloud {
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    shows: Shows,
    addresses: Addresses,
    identity: Identity,
    run: Bucket,
    describe: Bucket,
    terminate: Bucket,
    /// What is sold out, and until when.
    gone: BTreeMap<Offering, Instant>,
    /// Those of somebody else that a call of ours was about.
    pub(crate) touched: Option<InstanceId>,
}

/// How a machine is to be made.
pub(crate) struct Birth {
    pub(crate) at: Instant,
    /// From `running` until it serves; never if it does not boot.
    pub(crate) boot: Option<Duration>,
    /// Whether it gets an address that another had.
    pub(crate) reuses_address: bool,
}

impl Offering {
    /// What is tried for a launch in its `attempt`: the next zone, then the next kind.
    pub(crate) const fn of(slot: Slot, attempt: u32) -> Self {
        let place = slot.index + attempt;
        Self { kind: (attempt / ZONES) % KINDS, zone: place % ZONES }
    }
}

impl Cloud {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        Self {
            machines: BTreeMap::new(),
            shows: if rng.bool() { Shows::OnlyTheLiving } else { Shows::TheGoneToo },
            addresses: if rng.bool() { Addresses::AtLaunch } else { Addresses::OnceRunning },
            identity: if rng.bool() { Identity::Told } else { Identity::Unknown },
            run: Bucket::run_instances(),
            describe: Bucket::describe_instances(),
            terminate: Bucket::terminate_instances(),
            gone: BTreeMap::new(),
            touched: None,
        }
    }

    /// `RunInstances` with the launch's token as its client token.
    pub(crate) fn run(
        &mut self,
        launch: &Launch,
        offering: Offering,
        birth: &Birth,
        rng: &mut fastrand::Rng,
    ) -> Result<Instance, Refusal> {
        if !self.run.take(birth.at) {
            return Err(Refusal::Throttled);
        }
        let has_token = |of: &&Machine| of.instance.token.as_ref() == Some(&launch.token);
        if let Some(made) = self.machines.values().find(has_token) {
            return Ok(self.answer(made, birth.at));
        }
        if self.gone.get(&offering).is_some_and(|until| birth.at < *until) {
            return Err(Refusal::Capacity);
        }
        let machine = self.make(launch, birth, rng);
        let answer = self.answer(&machine, birth.at);
        self.machines.insert(machine.instance.id.clone(), machine);
        Ok(answer)
    }

    /// `DescribeInstances` with a filter for our tag.
    pub(crate) fn describe(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Result<Vec<Instance>, Refusal> {
        if !self.describe.take(now) {
            return Err(Refusal::Throttled);
        }
        let as_of = now - COPY_LAG_MAX.mul_f64(rng.f64());
        let ours = self.machines.values().filter(|of| of.is_ours());
        Ok(ours.filter_map(|of| of.listed(as_of, self.shows)).collect())
    }

    /// What else runs in the account, as a listing without a filter would show it.
    pub(crate) fn somebody(&self, now: Instant) -> Vec<Instance> {
        let others = self.machines.values().filter(|of| !of.is_ours() && of.lives(now));
        others.map(|of| of.described(Vitals::Running)).collect()
    }

    /// `TerminateInstances`: the machine is gone a while later.
    pub(crate) fn terminate(
        &mut self,
        id: &InstanceId,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Result<(), Refusal> {
        if !self.terminate.take(now) {
            return Err(Refusal::Throttled);
        }
        let Some(machine) = self.machines.get_mut(id) else { return Err(Refusal::NotFound) };
        if !machine.is_ours() {
            self.touched = Some(id.clone());
        }
        if now < machine.made + machine.lag {
            return Err(Refusal::NotFound);
        }
        let ends = now + Duration::from_millis(rng.u64(0..1_000));
        machine.ends = Some(machine.ends.map_or(ends, |earlier| earlier.min(ends)));
        Ok(())
    }

    /// Whether a poll shows the machine as terminated; with a window in which it is not found.
    pub(crate) fn is_known_gone(&mut self, id: &InstanceId, now: Instant) -> Result<bool, Refusal> {
        if !self.describe.take(now) {
            return Err(Refusal::Throttled);
        }
        let Some(machine) = self.machines.get(id) else { return Err(Refusal::NotFound) };
        Ok(machine.ends.is_some_and(|ends| ends + machine.lag.mul_f64(0.5) <= now))
    }

    /// Who answers at an address now.
    pub(crate) fn at(&self, address: &Address, now: Instant) -> Option<&Machine> {
        let has = |of: &&Machine| of.lives(now) && of.instance.address.as_ref() == Some(address);
        self.machines.values().filter(has).max_by_key(|of| of.made)
    }

    /// Our machines of a group that exist.
    pub(crate) fn living(&self, group: Group, now: Instant) -> impl Iterator<Item = &Machine> {
        let ours = self.machines.values().filter(|of| of.is_ours());
        ours.filter(move |of| of.instance.slot.group == group && of.lives(now))
    }

    /// One kind of machine is sold out in one zone.
    pub(crate) fn sell_out(&mut self, until: Instant, rng: &mut fastrand::Rng) -> Offering {
        let offering = Offering { kind: rng.u32(0..KINDS), zone: rng.u32(0..ZONES) };
        self.gone.insert(offering, until);
        offering
    }

    /// Others in the account use its calls up.
    pub(crate) fn use_up(&mut self, now: Instant) {
        self.run.drain(now);
        self.terminate.drain(now);
    }

    /// Somebody starts a machine of their own, at an address that one of ours had.
    pub(crate) fn settle_in(&mut self, now: Instant, rng: &mut fastrand::Rng) -> InstanceId {
        let slot = Slot { group: Group::Instances, index: rng.u32(0..3) };
        let birth = Birth { at: now, boot: Some(Duration::ZERO), reuses_address: true };
        let mut machine = self.build(slot, &birth, rng);
        machine.owner = Owner::Somebody;
        let id = machine.instance.id.clone();
        self.machines.insert(id.clone(), machine);
        id
    }

    fn answer(&self, machine: &Machine, now: Instant) -> Instance {
        match self.addresses {
            Addresses::OnceRunning if now < machine.running_from => {
                machine.described(Vitals::Pending)
            }
            Addresses::AtLaunch | Addresses::OnceRunning => machine.described(Vitals::Running),
        }
    }

    fn make(&self, launch: &Launch, birth: &Birth, rng: &mut fastrand::Rng) -> Machine {
        let mut machine = self.build(launch.slot, birth, rng);
        machine.instance.token = Some(launch.token.clone());
        machine.relaying = Relaying::new(launch.backends.as_ref().clone());
        machine
    }

    fn build(&self, slot: Slot, birth: &Birth, rng: &mut fastrand::Rng) -> Machine {
        let running_from = birth.at + Duration::from_millis(rng.u64(0..400));
        Machine {
            instance: self.instance(slot, self.number(birth, rng)),
            owner: Owner::Ours,
            made: birth.at,
            running_from,
            serves_from: birth.boot.map(|boot| running_from + boot),
            condition: Condition::Well,
            ends: None,
            relaying: Relaying::default(),
            lag: MACHINE_LAG_MAX.mul_f64(rng.f64()),
        }
    }

    /// The number that the addresses are made of: a new one, or one that is free again.
    fn number(&self, birth: &Birth, rng: &mut fastrand::Rng) -> u16 {
        let fresh = u16::try_from(self.machines.len()).expect("a world has few machines");
        let is_free = |number: &u16| {
            let address = Address::from(local(20_000 + number));
            self.at(&address, birth.at).is_none()
        };
        let free: Vec<u16> = (0..fresh).filter(is_free).collect();
        let reused = rng.choice(free).filter(|_| birth.reuses_address);
        reused.unwrap_or(fresh)
    }

    fn instance(&self, slot: Slot, number: u16) -> Instance {
        let is_forwarder = slot.group == Group::Instances && self.identity == Identity::Told;
        Instance {
            id: InstanceId::new(format!("i-{:03}", self.machines.len())),
            slot,
            token: None,
            address: Some(local(20_000 + number).into()),
            control: is_forwarder.then(|| local(40_000 + number)),
            capacity: Capacity::ORDINARY,
            vitals: Vitals::Running,
            label: String::new(),
            launched: Duration::ZERO,
        }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Throttled => "RequestLimitExceeded",
            Self::Capacity => "InsufficientInstanceCapacity",
            Self::NotFound => "InvalidInstanceID.NotFound",
        })
    }
}

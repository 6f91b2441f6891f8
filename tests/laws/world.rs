//! A world: a cloud, an operator, and a controller that folds, plans and executes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Event, Finding, Fleet, Group, GroupSpec, Handover, InstanceId, Launch, LaunchToken,
    Operation, Order, Ownership, Plan, Probe, Slot, Spec, Thresholds, Vitals,
};

use super::cloud::{Cloud, Faults, LAG_MAX, State};

/// What decides; the laws are checked with broken ones, too.
pub(crate) type Planner = fn(&Spec, &Fleet, Instant) -> Plan;

/// With faults: about forty seconds of the world's time.
const STEPS_SAFETY: u32 = 400;

/// Without faults: longer than all timeouts, freezes and budgets that can still be pending.
const STEPS_LIVENESS: u32 = 1_200;

/// How long all must stay well: long enough for several listings that settled.
const STEPS_QUIET: u32 = 80;

/// A step is up to so many milliseconds long.
const STEP_MAX: u64 = 200;

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) now: Instant,
    pub(crate) spec: Spec,
    pub(crate) fleet: Fleet,
    pub(crate) cloud: Cloud,
    pub(crate) trace: Vec<String>,
    /// The tokens of all launches ever begun.
    pub(crate) tokens: BTreeSet<LaunchToken>,
    /// Those that the controller launched since it was started last.
    pub(crate) own: BTreeSet<LaunchToken>,
    /// Those whose end was confirmed to it since then.
    pub(crate) ended: BTreeSet<InstanceId>,
    planner: Planner,
    rng: fastrand::Rng,
    faults: Faults,
    nonce: u32,
    /// What will be told to the controller, by when and in the order in which it was sent.
    inbox: BTreeMap<(Instant, u64), Event>,
    sent: u64,
}

impl World {
    /// Lets a world live through both phases. Returns its trace, or the law that was broken.
    pub(crate) fn live(seed: u64, planner: Planner) -> Result<Vec<String>, String> {
        let mut world = Self::new(seed, planner);
        world.run().map_err(|law| world.report(&law))?;
        Ok(std::mem::take(&mut world.trace))
    }

    fn new(seed: u64, planner: Planner) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            seed,
            now: Instant::START,
            spec: spec(&mut rng),
            fleet: Fleet::new(1),
            cloud: Cloud::new(&mut rng),
            trace: Vec::new(),
            tokens: BTreeSet::new(),
            own: BTreeSet::new(),
            ended: BTreeSet::new(),
            planner,
            faults: Faults::draw(&mut rng),
            rng,
            nonce: 1,
            inbox: BTreeMap::new(),
            sent: 0,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.note(format!("{:?}", self.faults));
        for _ in 0..STEPS_SAFETY {
            self.step()?;
        }
        self.note("no more faults");
        self.faults = Faults::default();
        self.spec.operation = Operation::Active;
        self.fleet.observe(Event::Resumed, &self.spec, self.now);
        let mut quiet = 0;
        for _ in 0..STEPS_LIVENESS {
            self.step()?;
            quiet = if self.check_wellness().is_ok() { quiet + 1 } else { 0 };
            if quiet == STEPS_QUIET {
                return Ok(());
            }
        }
        self.check_wellness()?;
        Err(format!("all is well in the end, and stays so, not only for {quiet} steps"))
    }

    fn step(&mut self) -> Result<(), String> {
        self.now = self.now + Duration::from_millis(self.rng.u64(1..=STEP_MAX));
        self.disturb();
        self.operate();
        self.list();
        self.probe();
        while let Some(delivery) = self.inbox.first_entry()
            && delivery.key().0 <= self.now
        {
            let event = delivery.remove();
            self.note(describe(&event));
            if let Event::Terminated(id, Ok(())) = &event {
                self.ended.insert(id.clone());
            }
            self.fleet.observe(event, &self.spec, self.now);
            // Events come alone or in batches.
            if self.rng.bool() {
                self.turn()?;
            }
        }
        self.turn()
    }

    /// One turn of the controller.
    fn turn(&mut self) -> Result<(), String> {
        let planned = (self.planner)(&self.spec, &self.fleet, self.now);
        let again = (self.planner)(&self.spec, &self.fleet, self.now);
        self.check_plan(&planned, &again)?;
        for action in &planned.actions {
            self.note(format!("→ {action}"));
            self.fleet.begin(action, &self.spec, self.now);
        }
        let rest = (self.planner)(&self.spec, &self.fleet, self.now);
        self.check_rest(&planned, &rest)?;
        for action in planned.actions {
            self.execute(action);
        }
        self.check_state()
    }

    pub(crate) fn rest(&self) -> Plan {
        (self.planner)(&self.spec, &self.fleet, self.now)
    }
}

// === What the provider and the instances do ===

impl World {
    fn execute(&mut self, action: Action) {
        match action {
            Action::Launch(launch) => self.launch(&launch),
            Action::Drain(id, _) => {
                let stuck = self.cloud.machines.get(&id).is_some_and(|of| of.state != State::Alive);
                if !stuck {
                    self.send(3_000, Event::Drained(id));
                }
            }
            Action::Terminate(id, _) => self.terminate(id),
            Action::Repoint { id, to, .. } => {
                let machine = self.cloud.machines.get_mut(&id).expect("it is tracked");
                let takes = machine.finding(self.now) == Finding::Well;
                machine.relays_to = if takes { Some(to) } else { machine.relays_to };
                let result = if takes { Ok(()) } else { Err("no answer".to_owned()) };
                self.send(300, Event::Repointed(id, to, result));
            }
        }
    }

    fn launch(&mut self, launch: &Launch) {
        let token = launch.token.clone();
        self.tokens.insert(token.clone());
        self.own.insert(token.clone());
        if self.happens(self.faults.launch_fails) {
            return self.send(2_000, Event::Launched(token, Err("denied".to_owned())));
        }
        let instance = self.cloud.make(launch, self.now, &mut self.rng);
        let id = instance.id.clone();
        if self.happens(self.faults.newborn_never_serves) {
            self.cloud.machines.get_mut(&id).expect("just made").serves_from = None;
        }
        if self.happens(self.faults.newborn_crashes) {
            self.die(&id);
        }
        if self.happens(self.faults.answer_is_lost) {
            self.send(2_000, Event::Launched(token, Err("no answer".to_owned())));
        } else {
            self.send(2_000, Event::Launched(token, Ok(instance)));
        }
    }

    fn terminate(&mut self, id: InstanceId) {
        let is_backend =
            self.fleet.get(&id).is_some_and(|of| of.instance.slot.group == Group::Backend);
        let lies = !is_backend && self.happens(self.faults.terminate_lies);
        let fails = self.happens(self.faults.terminate_fails);
        // A request that failed may have had its effect all the same.
        if !lies && (!fails || self.rng.bool()) {
            self.cloud.end(&id, self.now);
        }
        let result = if fails { Err("throttled".to_owned()) } else { Ok(()) };
        self.send(1_500, Event::Terminated(id, result));
    }

    fn die(&mut self, id: &InstanceId) {
        self.note(format!("{id} dies"));
        self.cloud.end(id, self.now);
        if !self.happens(self.faults.notice_is_lost) {
            self.send(100, Event::Gone(id.clone(), "signal: 9".to_owned()));
        }
    }

    fn list(&mut self) {
        if self.rng.u32(0..5) == 0 && !self.happens(self.faults.listing_fails) {
            let found = self.cloud.list(self.now);
            self.send(1_000, Event::Listed { began: self.now, found });
        }
    }

    fn probe(&mut self) {
        let ids: Vec<_> = self.fleet.iter().map(|of| of.instance.id.clone()).collect();
        for id in ids {
            let machine = &self.cloud.machines[&id];
            let (finding, backend) = (machine.finding(self.now), machine.relays_to);
            let finding = match self.rng.u32(0..4) {
                _ if self.happens(self.faults.probe_lies) => Finding::TimedOut,
                0 if finding == Finding::Well => Finding::Shedding,
                _ => finding,
            };
            self.fleet.observe(Event::Probed(id, Probe { finding, backend }), &self.spec, self.now);
        }
    }

    fn send(&mut self, latest: u64, event: Event) {
        self.sent += 1;
        let at = self.now + Duration::from_millis(self.rng.u64(0..latest));
        self.inbox.insert((at, self.sent), event);
    }
}

// === What goes wrong, and what the operator does ===

impl World {
    fn disturb(&mut self) {
        let ids: Vec<_> = self.cloud.machines.keys().cloned().collect();
        for id in ids {
            if !self.cloud.machines[&id].lives() {
                continue;
            }
            if self.happens(self.faults.machine_dies) && self.rng.bool() {
                self.die(&id);
            } else if self.happens(self.faults.machine_hangs) {
                self.note(format!("{id} hangs"));
                self.cloud.machines.get_mut(&id).expect("it exists").state = State::Hung;
            } else if self.happens(self.faults.machine_recovers) {
                self.cloud.machines.get_mut(&id).expect("it exists").state = State::Alive;
            }
            if self.happens(self.faults.probe_lies) {
                self.fleet.observe(Event::Suspected(id), &self.spec, self.now);
            }
        }
        if self.happens(self.faults.controller_dies) {
            self.restart();
        }
    }

    /// Everything that was on its way to the controller is lost, and everything that it knew.
    fn restart(&mut self) {
        self.note("the controller is killed, and starts again");
        self.nonce += 1;
        self.fleet = Fleet::new(self.nonce);
        self.inbox.clear();
        self.own.clear();
        self.ended.clear();
    }

    fn operate(&mut self) {
        if !self.happens(self.faults.operator_acts) {
            return;
        }
        let index = self.rng.u32(0..self.spec.instances.size);
        let group = if self.rng.u32(0..4) == 0 { Group::Backend } else { Group::Instances };
        let slot = match group {
            Group::Instances => Slot { group, index },
            Group::Backend => Slot { group, index: 0 },
        };
        match self.rng.u32(0..6) {
            0 => self.spec.instances.size = self.rng.u32(1..=5),
            1 => self.spec.operation = Operation::Paused,
            2 | 3 => self.spec.operation = Operation::Active,
            4 => self.order(slot, Order::Drain),
            _ => self.order(slot, Order::Replace),
        }
        self.note(format!("the operator: {:?}, {}", self.spec.operation, self.spec.instances.size));
    }

    fn order(&mut self, slot: Slot, order: Order) {
        self.note(format!("the operator: {order:?} {slot}"));
        self.fleet.observe(Event::Ordered(slot, order), &self.spec, self.now);
    }

    fn happens(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn note(&mut self, what: impl Display) {
        self.trace.push(format!("{} {what}", self.now));
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Listed { began, found } => {
            let found = found.iter().map(|of| match of.vitals {
                Vitals::Gone(_) => format!(" {} (gone)", of.id),
                Vitals::Pending | Vitals::Running => format!(" {}", of.id),
            });
            format!("listed since {began}:{}", found.collect::<String>())
        }
        Event::Launched(token, Ok(made)) => format!("launched {token}: {}", made.id),
        Event::Launched(token, Err(why)) => format!("launched {token}: {why}"),
        Event::Terminated(id, result) => format!("terminated {id}: {result:?}"),
        Event::Repointed(id, to, result) => format!("repointed {id} to {to}: {result:?}"),
        other => format!("{other:?}"),
    }
}

fn spec(rng: &mut fastrand::Rng) -> Spec {
    let instances = GroupSpec {
        size: rng.u32(1..=5),
        ownership: Ownership::Owned,
        handover: Handover::LaunchFirst { surge: rng.u32(0..=2) },
        launch_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_secs(2),
        settle: LAG_MAX,
        thresholds: Thresholds { healthy: 1, refused: 2, unresponsive: 3 },
        replacement_interval: Duration::from_millis(500),
    };
    let backend = GroupSpec { size: 1, handover: Handover::Fenced, ..instances.clone() };
    Spec { instances, backend, operation: Operation::Active }
}

//! A world: a cloud, requests, an operator and a controller, behind one clock and one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Event, GroupSpec, Handover, InstanceId, LaunchOn, LaunchToken, Operation, Ownership,
    Plan, Reason, Slot, Spec, Thresholds,
};

use super::bugs::Bug;
use super::calls::Call;
use super::chaos::Lie;
use super::cloud::{Cloud, SETTLE};
use super::controller::{Controller, Heard, Sleep};
use super::faults::Faults;
use super::freeze::Newborns;
use super::law::{Law, Verdict, Violation, law};
use super::trace::{Trace, Tracing, describe};

/// How long things go wrong.
const SAFETY: Duration = Duration::from_secs(40);

/// How long all may take to become well: more than all timeouts, freezes and budgets that can
/// still be pending.
const LIVENESS_MAX: Duration = Duration::from_secs(240);

/// How long all must stay well: long enough for several listings that settled.
const QUIET: Duration = Duration::from_secs(8);

/// The most backends that share their data.
pub(crate) const BACKENDS_MAX: u32 = 3;

/// Inputs that one turn takes in, as in the controller.
const INPUTS_PER_TURN: usize = 256;

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) cloud: Cloud,
    pub(crate) bug: &'static Bug,
    pub(crate) rng: fastrand::Rng,
    pub(crate) faults: Faults,
    pub(crate) faults_are_over: bool,
    pub(crate) controller: Option<Controller>,
    /// How many lives the controller had.
    pub(crate) lives: u32,
    /// The tokens of all launches ever begun.
    pub(crate) tokens: BTreeSet<LaunchToken>,
    /// The launches that are on their way to the cloud, and by which life of the controller.
    pub(crate) coming: BTreeMap<LaunchToken, (u32, Slot)>,
    /// What probes find for a while, whatever is true.
    pub(crate) lie: Option<Lie>,
    /// The calendar, which jumps.
    pub(crate) calendar: Duration,
    /// How many calls changed something.
    pub(crate) changes: u64,
    pub(crate) trace: Trace,
    config: Spec,
    agenda: BTreeMap<(Instant, u64), Happening>,
    planned: u64,
}

/// Something that will happen. The number says to which life of the controller.
pub(crate) enum Happening {
    /// Faults, requests, the operator.
    Chaos,
    /// The controller is started.
    Start,
    /// It takes its turn.
    Turn(u32),
    /// Its plan asked to be woken.
    Alarm(u32, u64),
    /// It runs again.
    Wakes(u32),
    /// It asks what exists.
    List(u32),
    /// It asks one instance how it is.
    Probe(u32, InstanceId, u64),
    /// A call arrives where it was sent.
    Arrives(u32, Call),
    /// It hears something.
    Hears(u32, Heard),
    /// A machine's end is noticed, by whichever controller is there.
    Notice(InstanceId),
}

/// What became of a world.
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Vec<String>,
    /// How many things happened.
    pub(crate) happened: u64,
}

/// Whether the controller lives on after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    Dies,
}

impl World {
    /// Lets a world live through both phases.
    pub(crate) fn live(seed: u64, bug: &'static Bug, tracing: Tracing) -> Outcome {
        let mut world = Self::new(seed, bug, tracing);
        let violation = world.run().err();
        if let Some(violation) = &violation {
            world.trace.note(world.now, || violation.to_string());
        }
        let happened = world.planned - world.agenda.len() as u64;
        Outcome { violation, trace: world.trace.take(), happened }
    }

    fn new(seed: u64, bug: &'static Bug, tracing: Tracing) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            now: Instant::START,
            cloud: Cloud::new(&mut rng),
            bug,
            faults: Faults::draw(&mut rng),
            faults_are_over: false,
            controller: None,
            lives: 0,
            tokens: BTreeSet::new(),
            coming: BTreeMap::new(),
            lie: None,
            calendar: Duration::from_secs(1_000_000),
            changes: 0,
            trace: Trace::new(seed, tracing),
            config: spec(&mut rng),
            agenda: BTreeMap::new(),
            planned: 0,
            rng,
        }
    }

    fn run(&mut self) -> Verdict {
        let (faults, spec) = (self.faults, self.config.clone());
        self.note(|| format!("{faults:?}\n{spec:?}"));
        self.after(Duration::ZERO, Happening::Start);
        self.after(Duration::ZERO, Happening::Chaos);
        while self.now < Instant::START + SAFETY {
            self.step()?;
        }
        self.end_all_faults();
        let deadline = self.now + LIVENESS_MAX;
        let (mut well_since, mut changes) = (None, self.changes);
        while self.now < deadline {
            self.step()?;
            let Some(is_well) = self.is_well() else { continue };
            if !is_well || changes != self.changes {
                (well_since, changes) = (None, self.changes);
            } else if self.now.since(*well_since.get_or_insert(self.now)) >= QUIET {
                return Ok(());
            }
        }
        let Some(controller) = &self.controller else {
            return law(Law::Liveness, false, || "there is no controller".to_owned());
        };
        self.all_is_well(controller)?;
        law(Law::Liveness, false, || "all is well, but does not stay so".to_owned())
    }

    /// Whether all is well; nobody knows while something heard was not yet acted upon.
    fn is_well(&self) -> Option<bool> {
        let Some(controller) = &self.controller else { return Some(false) };
        let is_idle = controller.inbox.is_empty() && !controller.turn_is_due;
        is_idle.then(|| self.all_is_well(controller).is_ok())
    }

    /// The next thing happens.
    fn step(&mut self) -> Verdict {
        let Some(((at, _), happening)) = self.agenda.pop_first() else {
            unreachable!("chaos always plans its next turn");
        };
        self.now = at;
        match happening {
            Happening::Chaos => self.chaos(),
            Happening::Start => self.start(),
            Happening::Turn(life) if self.is_awake(life) => self.turn(),
            Happening::Alarm(life, number) if self.is_awake(life) && self.is_set(number) => {
                self.turn()
            }
            Happening::Wakes(life) if self.is_current(life) => self.wake(),
            Happening::List(life) if self.is_current(life) => self.list(life),
            Happening::Probe(life, id, number) if self.is_current(life) => {
                self.probe(life, id, number)
            }
            Happening::Arrives(life, call) => self.arrive(life, &call),
            Happening::Hears(life, heard) if self.is_current(life) => {
                self.hear(heard);
                Ok(())
            }
            Happening::Notice(id) => {
                self.notice(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn after(&mut self, time: Duration, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((self.now + time, self.planned), happening);
    }

    pub(crate) fn is_current(&self, life: u32) -> bool {
        self.controller.as_ref().is_some_and(|of| of.life == life)
    }

    fn is_awake(&self, life: u32) -> bool {
        self.is_current(life) && self.controller.as_ref().is_some_and(|of| of.asleep.is_none())
    }

    /// Whether more than one backend may have the data open.
    pub(crate) fn shares_data(&self) -> bool {
        self.config.backend.handover != Handover::Fenced
    }

    fn is_set(&self, alarm: u64) -> bool {
        self.controller.as_ref().is_some_and(|of| of.alarm == alarm)
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        self.trace.note(self.now, what);
    }

    /// So many milliseconds at the most.
    pub(crate) fn some(&mut self, milliseconds: u64) -> Duration {
        Duration::from_millis(self.rng.u64(0..=milliseconds))
    }

    pub(crate) fn happens(&mut self, percent: u32) -> bool {
        percent > 0 && self.rng.u32(0..100) < percent
    }
}

// === The controller's life ===

impl World {
    fn start(&mut self) -> Verdict {
        if self.controller.is_some() {
            return Ok(());
        }
        self.lives += 1;
        let life = self.lives;
        self.note(|| format!("controller {life} starts"));
        self.controller = Some(Controller::new(life, self.config.clone(), self.now));
        self.after(Duration::ZERO, Happening::List(life));
        self.turn()
    }

    /// All that it knew is forgotten; what it had sent is on its way.
    pub(crate) fn kill(&mut self, last: &Controller) {
        let life = last.life;
        self.note(|| format!("controller {life} is killed"));
        let pause = self.some(2_000);
        self.after(pause, Happening::Start);
    }

    fn wake(&mut self) -> Verdict {
        if let Some(controller) = &mut self.controller {
            controller.asleep = None;
        }
        self.note(|| "the controller runs again".to_owned());
        self.turn()
    }

    /// Whether anybody sends it to sleep while it sleeps is not asked: it sleeps once at a time.
    pub(crate) fn put_to_sleep(&mut self, how: Sleep, time: Duration) {
        let Some(controller) = &mut self.controller else { return };
        if controller.asleep.is_some() {
            return;
        }
        controller.asleep = Some(how);
        if how == Sleep::Suspended {
            controller.stood(time);
        }
        let life = controller.life;
        self.note(|| format!("the controller is {how:?} for {time:?}"));
        self.after(time, Happening::Wakes(life));
    }

    /// Something is for the controller; it takes its turn soon.
    pub(crate) fn hear(&mut self, heard: Heard) {
        let pause = self.some(2);
        let Some(controller) = &mut self.controller else { return };
        controller.inbox.push_back(heard);
        let life = controller.life;
        if !std::mem::replace(&mut controller.turn_is_due, true) {
            self.after(pause, Happening::Turn(life));
        }
    }

    /// One turn: take in what is there, plan, begin, execute.
    fn turn(&mut self) -> Verdict {
        let Some(mut controller) = self.controller.take() else { return Ok(()) };
        match self.turn_of(&mut controller)? {
            Fate::Lives => self.controller = Some(controller),
            Fate::Dies => self.kill(&controller),
        }
        Ok(())
    }

    fn turn_of(&mut self, of: &mut Controller) -> Result<Fate, Violation> {
        of.turn_is_due = false;
        for _ in 0..INPUTS_PER_TURN {
            let Some(heard) = of.inbox.pop_front() else { break };
            if of.is_doomed() {
                return Ok(Fate::Dies);
            }
            self.take_in(of, heard)?;
        }
        let planned = self.plan(of);
        self.check_plan(of, &planned, &self.plan(of))?;
        for action in &planned.actions {
            self.begin(of, action);
        }
        let rest = self.plan(of);
        self.check_rest(of, &planned, &rest)?;
        self.publish(of);
        for action in planned.actions {
            if of.is_doomed() {
                return Ok(Fate::Dies);
            }
            self.execute(of, action);
        }
        self.set_alarm(of, rest.wake_at.or(planned.wake_at));
        self.check_state(of)?;
        Ok(Fate::Lives)
    }

    fn take_in(&mut self, of: &mut Controller, heard: Heard) -> Verdict {
        self.note(|| format!("  hears {}", describe(&heard)));
        let now = of.clock(self.now);
        let event = match &heard {
            Heard::Event(event) => Some(event.clone()),
            _ => None,
        };
        if let Some(Event::Terminated(id, Ok(()))) = &event {
            of.ended.insert(id.clone());
        }
        of.obey(&heard);
        let before = Newborns::of(&of.fleet);
        (self.bug.observer)(&mut of.fleet, heard, &of.spec, now);
        let began = match &event {
            Some(Event::Listed { began, .. }) => Some(*began),
            _ => None,
        };
        if let Some(event) = event {
            of.freeze.follow(&event, before, &of.fleet, now);
        }
        self.nobody_who_lives_is_taken_for_gone(of, began)
    }

    pub(crate) fn plan(&self, of: &Controller) -> Plan {
        (self.bug.planner)(&of.spec, &of.fleet, of.clock(self.now))
    }

    fn begin(&mut self, of: &mut Controller, action: &Action) {
        self.note(|| format!("  → {action}"));
        let now = of.clock(self.now);
        match action {
            Action::Launch(launch) => of.freeze.begun(&launch.token),
            Action::Terminate(id, Reason::NeverServed) => of.never_served(id, now),
            _ => {}
        }
        (self.bug.begin)(&mut of.fleet, action, &of.spec, now);
    }

    fn publish(&mut self, of: &mut Controller) {
        for id in of.publish(self.bug.standing_of, self.now) {
            of.probers.insert(id.clone(), 0);
            self.after(Duration::ZERO, Happening::Probe(of.life, id, 0));
        }
    }

    fn set_alarm(&mut self, of: &mut Controller, wake_at: Option<Instant>) {
        let Some(at) = wake_at else { return };
        of.alarm += 1;
        let (life, alarm) = (of.life, of.alarm);
        // Never at once: in the controller, too, a turn takes some time.
        let wait = at.since(of.clock(self.now)).max(Duration::from_millis(1));
        self.after(wait, Happening::Alarm(life, alarm));
    }
}

fn spec(rng: &mut fastrand::Rng) -> Spec {
    let instances = GroupSpec {
        size: rng.u32(1..=5),
        standby: rng.choice([0, 0, 1, 2]).expect("there are choices"),
        launch_on: rng.choice([LaunchOn::Verdict, LaunchOn::Suspicion]).expect("there are two"),
        ownership: Ownership::Owned,
        handover: Handover::LaunchFirst { surge: rng.u32(0..=2) },
        // From the longer ones a shorter is learned.
        launch_timeout: Duration::from_secs(rng.choice([5, 12, 25]).expect("there are choices")),
        drain_timeout: Duration::from_secs(2),
        settle: SETTLE,
        thresholds: Thresholds {
            healthy: rng.u32(1..=2),
            refused: 2,
            unresponsive: 3,
            flapping: Duration::from_secs(rng.choice([2, 6, 30]).expect("there are choices")),
        },
        replacement_interval: Duration::from_millis(500),
    };
    let (size, handover) = match rng.u32(0..=BACKENDS_MAX) {
        0 => (1, Handover::Fenced),
        size => (size, Handover::LaunchFirst { surge: rng.u32(0..=2) }),
    };
    let backend = GroupSpec { size, standby: 0, handover, ..instances.clone() };
    Spec { instances, backend, operation: Operation::Active }
}

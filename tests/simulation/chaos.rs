//! What goes wrong on its own, what the operator does, what probes find, and the requests.

use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Event, Finding, Group, InstanceId, Operation, Order, Phase, Probe, Relays, Slot,
};
use cloudaps::pool::Standing;

use super::controller::{Heard, Sleep};
use super::faults::Faults;
use super::law::Verdict;
use super::machine::Condition;
use super::world::{BACKENDS_MAX, Happening, World};

/// How often anything can go wrong, at the most.
const CHAOS_INTERVAL: u64 = 200;

/// Between two probes of one that starts or is suspected, and of any other.
const PROBE_SOON: Duration = Duration::from_millis(100);
const PROBE_LATER: Duration = Duration::from_millis(500);

/// How long an answer may take.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// What a machine draws that does not shed.
const SOBER: u32 = 1;

/// The most instances that the operator asks for.
const SIZE_MAX: u32 = 5;

/// The most slots that there can then be.
const SLOTS_MAX: u32 = SIZE_MAX + 2;

/// For a while probes of one instance, or of all, find the same whatever is true.
#[derive(Clone, Debug)]
pub(crate) struct Lie {
    until: Instant,
    finding: Finding,
    about: Option<InstanceId>,
}

impl World {
    pub(crate) fn chaos(&mut self) -> Verdict {
        let pause = Duration::from_millis(self.rng.u64(20..=CHAOS_INTERVAL));
        self.after(pause, Happening::Chaos);
        self.disturb_machines();
        self.disturb_the_cloud();
        self.disturb_probes();
        self.disturb_the_controller();
        self.operate();
        self.send_requests()
    }

    fn disturb_machines(&mut self) {
        let ours = self.cloud.machines.values().filter(|of| of.is_ours() && of.ends.is_none());
        let ids: Vec<_> = ours.map(|of| of.instance.id.clone()).collect();
        for id in ids {
            if self.happens(self.faults.machine_dies) && self.rng.bool() {
                self.die(&id, Duration::ZERO);
            } else if self.happens(self.faults.machine_hangs) && self.rng.bool() {
                self.change(&id, Condition::Hung);
            } else if self.happens(self.faults.machine_slows) && self.rng.bool() {
                self.change(&id, Condition::Slow);
            } else if self.happens(self.faults.machine_flaps) && self.rng.bool() {
                let turn = Duration::from_millis(self.rng.u64(100..2_000));
                self.change(&id, Condition::Flapping(turn));
            } else if self.happens(self.faults.machine_recovers) {
                self.change(&id, Condition::Well);
            }
        }
    }

    fn change(&mut self, id: &InstanceId, condition: Condition) {
        let Some(machine) = self.cloud.machines.get_mut(id) else { return };
        if std::mem::replace(&mut machine.condition, condition) != condition {
            self.note(|| format!("{id} is {condition:?}"));
        }
    }

    fn disturb_the_cloud(&mut self) {
        if self.happens(self.faults.capacity_gone) {
            let until = self.now + self.some(10_000);
            let offering = self.cloud.sell_out(until, &mut self.rng);
            self.note(|| format!("{offering:?} is sold out until {until}"));
        }
        if self.happens(self.faults.throttled_by_others) {
            self.cloud.use_up(self.now);
            self.note(|| "others use the calls up".to_owned());
        }
        if self.happens(self.faults.address_reused) && self.rng.u32(0..20) == 0 {
            let id = self.cloud.settle_in(self.now, &mut self.rng);
            self.note(|| format!("{id} is somebody else's"));
        }
    }

    fn disturb_probes(&mut self) {
        if self.happens(self.faults.probes_lie) {
            let findings =
                [Finding::TimedOut, Finding::Refused, Finding::Failed(502), Finding::Well];
            let finding = self.rng.choice(findings).expect("there are some");
            let all = self.rng.bool();
            let about = self.rng.choice(self.cloud.machines.keys().cloned().collect::<Vec<_>>());
            let until = self.now + self.some(1_500);
            let lie = Lie { until, finding, about: about.filter(|_| !all) };
            self.note(|| format!("probes lie: {lie:?}"));
            self.lie = Some(lie);
        }
    }

    fn disturb_the_controller(&mut self) {
        if self.happens(self.faults.controller_dies)
            && self.rng.u32(0..4) == 0
            && let Some(controller) = &mut self.controller
        {
            // At once, or in the middle of what it does next.
            controller.doom = Some(self.rng.u32(0..6));
        }
        if self.happens(self.faults.controller_sleeps) && self.rng.u32(0..4) == 0 {
            let how = if self.rng.bool() { Sleep::Stopped } else { Sleep::Suspended };
            let time = self.some(6_000);
            self.put_to_sleep(how, time);
        }
        if self.happens(self.faults.calendar_jumps) {
            self.calendar = Duration::from_secs(self.rng.u64(0..2_000_000));
        }
    }

    /// No more faults, from here on; what was broken by one that goes on is mended with it.
    pub(crate) fn end_all_faults(&mut self) {
        self.note(|| "no more faults".to_owned());
        self.faults = Faults::default();
        self.faults_are_over = true;
        self.lie = None;
        for machine in self.cloud.machines.values_mut() {
            if matches!(machine.condition, Condition::Slow | Condition::Flapping(_)) {
                machine.condition = Condition::Well;
            }
        }
        if let Some(controller) = &mut self.controller {
            controller.doom = None;
        }
        self.hear(Heard::Operate(Operation::Active));
    }
}

// === The operator ===

impl World {
    fn operate(&mut self) {
        if !self.happens(self.faults.operator_acts) {
            return;
        }
        let draw = self.rng.u32(0..7);
        let size = self.rng.u32(1..=SIZE_MAX);
        let slot = match self.rng.u32(0..4) {
            0 => Slot { group: Group::Backend, index: self.rng.u32(0..BACKENDS_MAX) },
            _ => Slot { group: Group::Instances, index: self.rng.u32(0..SLOTS_MAX) },
        };
        let heard = match draw {
            0 if slot.group == Group::Backend && !self.shares_data() => return,
            0 if slot.group == Group::Backend => Heard::Scale(slot.group, 1 + slot.index),
            0 => Heard::Scale(slot.group, size),
            1 => Heard::Operate(Operation::Paused),
            2..=4 => Heard::Operate(Operation::Active),
            5 => Heard::Order(slot, Order::Drain),
            _ => Heard::Order(slot, Order::Replace),
        };
        self.hear(heard);
    }
}

// === Probes ===

impl World {
    pub(crate) fn probe(&mut self, life: u32, id: InstanceId, number: u64) -> Verdict {
        let Some(controller) = &mut self.controller else { return Ok(()) };
        if controller.probers.get(&id) != Some(&number) {
            return Ok(());
        }
        let next = number + 1;
        controller.probers.insert(id.clone(), next);
        let is_asleep = controller.asleep.is_some();
        let starts = controller.fleet.get(&id).is_some_and(|of| of.phase == Phase::Starting);
        if is_asleep {
            self.after(PROBE_SOON, Happening::Probe(life, id, next));
            return Ok(());
        }
        let probe = self.find(&id);
        let silent = probe.finding == Finding::TimedOut;
        let took = if silent { PROBE_TIMEOUT } else { self.some(5) };
        let soon = starts || silent || probe.finding == Finding::Refused;
        let wait = if soon { PROBE_SOON } else { PROBE_LATER };
        let probed = Heard::Event(Event::Probed(id.clone(), probe));
        self.after(took, Happening::Hears(life, probed));
        self.after(took + wait, Happening::Probe(life, id, next));
        Ok(())
    }

    fn find(&mut self, id: &InstanceId) -> Probe {
        let mut draw = self.rng.u32(..);
        let lie = self.lie.as_ref().filter(|lie| self.now < lie.until);
        let lie = lie.filter(|lie| lie.about.as_ref().is_none_or(|about| about == id));
        let Some(machine) = self.cloud.machines.get(id) else {
            return Probe { finding: Finding::Refused, relays: Relays::default() };
        };
        if machine.is_backend() && self.faults_are_over {
            // Forwarders follow each word of it, and would have something to do for ever.
            draw = SOBER;
        }
        let holder = machine.instance.address.as_ref().and_then(|at| self.cloud.at(at, self.now));
        let finding = match holder {
            // Somebody else has its address: whoever answers, it is not our instance.
            Some(other) if other.instance.id != *id && machine.instance.control.is_some() => {
                Finding::Refused
            }
            Some(other) => other.finding(self.now, draw),
            None => machine.finding(self.now, draw),
        };
        Probe { finding: lie.map_or(finding, |lie| lie.finding), relays: machine.news(self.now) }
    }
}

// === Requests ===

impl World {
    /// Each endpoint that takes requests gets some, and the others' come to an end.
    fn send_requests(&mut self) -> Verdict {
        let Some(controller) = &self.controller else { return Ok(()) };
        if controller.asleep.is_some() {
            return Ok(());
        }
        let ids: Vec<_> = controller.traffic.flows.keys().cloned().collect();
        for id in ids {
            self.send_request(&id)?;
        }
        Ok(())
    }

    fn send_request(&mut self, id: &InstanceId) -> Verdict {
        let draw = self.rng.u32(..);
        let takes = self.some(1_500);
        let (now, machine) = (self.now, self.cloud.machines.get(id));
        let is_gone = machine.is_none_or(|of| !of.lives(now));
        let answers = machine.is_some_and(|of| of.answers(now));
        let refuses = machine.is_some_and(|of| of.finding(now, draw) == Finding::Refused);
        let Some(mut controller) = self.controller.take() else { return Ok(()) };
        let mut heard = None;
        let mut verdict = Ok(());
        if let Some(flow) = controller.traffic.flows.get_mut(id) {
            if (self.bug.takes_requests)(flow.standing) {
                flow.busy_until = flow.busy_until.max(now + takes);
                heard = refuses.then(|| Heard::Refused(id.clone()));
                verdict = self.requests_go_to_who_serves(&controller, id);
            } else if !flow.is_quiet {
                let is_over = answers && flow.busy_until <= now;
                if is_over || is_gone || flow.standing == Standing::Lost {
                    flow.is_quiet = true;
                    heard = Some(Heard::Quiet(id.clone()));
                }
            }
        }
        self.controller = Some(controller);
        verdict?;
        if let Some(heard) = heard {
            self.hear(heard);
        }
        Ok(())
    }
}

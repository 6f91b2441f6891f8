//! The calls: on their way, in the cloud, and on their way back. Each can be lost in between, and
//! what they did was done all the same.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Action, Backends, Event, Finding, Instance, InstanceId, Launch};

use super::bugs::Filter;
use super::cloud::{Birth, Offering, Refusal, TRANSIT_MAX};
use super::controller::{Controller, Heard};
use super::law::Verdict;
use super::world::{Happening, World};

/// A call that is not answered by then has failed.
const CALL_MAX: Duration = Duration::from_secs(4);

/// How often one launch is tried in another zone, or with another kind of machine.
const ATTEMPTS_MAX: u32 = 4;

/// How often it is asked whether a machine is gone by now.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How often the controller asks what exists.
const LIST_INTERVAL: Duration = Duration::from_millis(1_000);

/// A call of the provider, or to a forwarder.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    List {
        began: Instant,
    },
    Launch {
        launch: Launch,
        attempt: u32,
    },
    Terminate(InstanceId),
    /// Is it gone by now?
    Poll(InstanceId),
    Repoint {
        id: InstanceId,
        to: Arc<Backends>,
    },
}

impl World {
    pub(crate) fn execute(&mut self, of: &mut Controller, action: Action) {
        match action {
            Action::Launch(launch) => {
                self.tokens.insert(launch.token.clone());
                of.own.insert(launch.token.clone());
                self.coming.insert(launch.token.clone(), (of.life, launch.slot));
                self.send_change(of.life, Call::Launch { launch, attempt: 0 });
            }
            Action::Supersede(..) | Action::Promote(_) | Action::Demote(_) => {}
            Action::Terminate(id, _) => self.send_change(of.life, Call::Terminate(id)),
            Action::Repoint { id, to, .. } => {
                self.send_change(of.life, Call::Repoint { id, to });
            }
            Action::Drain(id, _) => {
                let is_quiet = of.traffic.flows.get(&id).is_none_or(|flow| flow.is_quiet);
                if is_quiet {
                    self.after(Duration::ZERO, Happening::Hears(of.life, Heard::Quiet(id)));
                }
            }
        }
    }

    pub(crate) fn list(&mut self, life: u32) -> Verdict {
        let Some(controller) = &self.controller else { return Ok(()) };
        if controller.asleep.is_some() {
            self.after(LIST_INTERVAL, Happening::List(life));
            return Ok(());
        }
        let began = controller.clock(self.now);
        self.send(life, Call::List { began });
        Ok(())
    }

    fn send_change(&mut self, life: u32, call: Call) {
        self.changes += 1;
        self.send(life, call);
    }

    fn send(&mut self, life: u32, call: Call) {
        if self.happens(self.faults.request_lost) {
            self.note(|| format!("lost on its way: {call:?}"));
            self.give_up(life, &call);
            return;
        }
        let slow = self.happens(self.faults.answer_slow);
        let transit = self.some(if slow { TRANSIT_MAX.as_millis() as u64 } else { 30 });
        self.after(transit, Happening::Arrives(life, call));
    }

    /// The caller waits until its patience ends.
    fn give_up(&mut self, life: u32, call: &Call) {
        if let Call::Launch { launch, .. } = call {
            self.coming.remove(&launch.token);
        }
        let why = "no answer in time".to_owned();
        let heard = failure(call, why);
        self.after(CALL_MAX, Happening::Hears(life, heard));
        if let Call::List { .. } = call {
            self.after(CALL_MAX, Happening::List(life));
        }
    }

    fn answer(&mut self, life: u32, call: &Call, heard: Heard) {
        if self.happens(self.faults.answer_lost) {
            self.note(|| format!("the answer is lost: {call:?}"));
            return self.give_up(life, call);
        }
        let slow = self.happens(self.faults.answer_slow);
        let transit = self.some(if slow { 1_500 } else { 30 });
        self.after(transit, Happening::Hears(life, heard));
        if let Call::List { .. } = call {
            self.after(transit.max(LIST_INTERVAL), Happening::List(life));
        }
    }

    pub(crate) fn arrive(&mut self, life: u32, call: &Call) -> Verdict {
        match call {
            Call::List { began } => self.describe(life, call, *began),
            Call::Launch { launch, attempt } => self.run_instance(life, call, launch, *attempt),
            Call::Terminate(id) => self.terminate(life, call, id),
            Call::Poll(id) => self.poll(life, call, id),
            // The connection ended with who had opened it.
            Call::Repoint { .. } if !self.is_current(life) => {}
            Call::Repoint { id, to } => self.repoint(life, call, id, to),
        }
        self.nothing_without_our_tag_is_touched()?;
        self.at_most_one_backend_has_exclusive_data_open()
    }

    fn refuse(&mut self, life: u32, call: &Call, why: impl Display) {
        if let Call::Launch { launch, .. } = call {
            self.coming.remove(&launch.token);
        }
        self.answer(life, call, failure(call, why.to_string()));
    }

    fn describe(&mut self, life: u32, call: &Call, began: Instant) {
        if self.happens(self.faults.error) {
            return self.refuse(life, call, "InternalError");
        }
        match self.cloud.describe(self.now, &mut self.rng) {
            Ok(mut found) => {
                if self.bug.filter == Filter::Everything {
                    found.extend(self.cloud.somebody(self.now));
                }
                self.stamp(&mut found);
                self.answer(life, call, Heard::Event(Event::Listed { began, found }));
            }
            Err(refusal) => self.refuse(life, call, refusal),
        }
    }

    /// The calendar is for people; whatever it says must not matter.
    fn stamp(&self, found: &mut [Instance]) {
        for instance in found {
            instance.launched = self.calendar;
        }
    }

    fn run_instance(&mut self, life: u32, call: &Call, launch: &Launch, attempt: u32) {
        if self.happens(self.faults.error) {
            return self.refuse(life, call, "InternalError");
        }
        let birth = self.birth();
        let offering = Offering::of(launch.slot, attempt);
        match self.cloud.run(launch, offering, &birth, &mut self.rng) {
            Ok(instance) => {
                self.coming.remove(&launch.token);
                let id = instance.id.clone();
                self.note(|| format!("{id} exists, for {}", launch.token));
                if self.happens(self.faults.newborn_crashes) {
                    let after = self.some(500);
                    self.die(&id, after);
                }
                let launched = Event::Launched(launch.token.clone(), Ok(instance));
                self.answer(life, call, Heard::Event(launched));
            }
            Err(Refusal::Capacity) if attempt + 1 < ATTEMPTS_MAX && self.is_current(life) => {
                self.send(life, Call::Launch { launch: launch.clone(), attempt: attempt + 1 });
            }
            Err(refusal) => self.refuse(life, call, refusal),
        }
    }

    fn birth(&mut self) -> Birth {
        let never = self.happens(self.faults.newborn_never_boots);
        let slow = self.happens(self.faults.newborn_boots_slowly);
        let boot = if slow { 2_000 + self.rng.u64(0..8_000) } else { self.rng.u64(50..1_500) };
        Birth {
            at: self.now,
            boot: (!never).then_some(Duration::from_millis(boot)),
            reuses_address: self.happens(self.faults.address_reused),
        }
    }

    fn terminate(&mut self, life: u32, call: &Call, id: &InstanceId) {
        let machines: Vec<_> = self.cloud.machines.values().collect();
        let id = (self.bug.target)(id, &machines);
        let may_lie = self.cloud.machines.get(&id).is_some_and(|of| !of.is_backend());
        if may_lie && self.happens(self.faults.end_lies) {
            self.note(|| format!("{id} is said to be gone, and is not"));
            return self.answer(life, call, Heard::Event(Event::Terminated(id, Ok(()))));
        }
        let fails = self.happens(self.faults.error);
        // A call that failed may have had its effect all the same.
        if fails && self.rng.bool() {
            return self.refuse(life, call, "InternalError");
        }
        let lived = self.cloud.machines.get(&id).is_some_and(|of| of.ends.is_none());
        match self.cloud.terminate(&id, self.now, &mut self.rng) {
            Ok(()) => {
                if lived {
                    self.plan_notice(&id);
                }
                if fails {
                    return self.refuse(life, call, "InternalError");
                }
                self.after(POLL_INTERVAL, Happening::Arrives(life, Call::Poll(id)));
            }
            Err(refusal) => self.refuse(life, call, refusal),
        }
    }

    fn poll(&mut self, life: u32, call: &Call, id: &InstanceId) {
        if !self.is_current(life) {
            return;
        }
        match self.cloud.is_known_gone(id, self.now) {
            Ok(true) => {
                let ended = Event::Terminated(id.clone(), Ok(()));
                self.answer(life, call, Heard::Event(ended));
            }
            Ok(false) | Err(Refusal::Throttled) => {
                self.after(POLL_INTERVAL, Happening::Arrives(life, call.clone()));
            }
            Err(refusal) => self.refuse(life, call, refusal),
        }
    }

    fn repoint(&mut self, life: u32, call: &Call, id: &InstanceId, to: &Arc<Backends>) {
        let draw = self.rng.u32(..);
        let last = self.some(1_500);
        let (now, machine) = (self.now, self.cloud.machines.get_mut(id));
        let takes =
            machine.filter(|of| matches!(of.finding(now, draw), Finding::Well | Finding::Shedding));
        let result = match takes {
            Some(machine) => {
                machine.relaying.change_to(to.as_ref().clone(), now, last);
                Ok(())
            }
            None => Err("no answer".to_owned()),
        };
        self.answer(life, call, Heard::Event(Event::Repointed(id.clone(), Arc::clone(to), result)));
    }

    /// A machine ends by itself.
    pub(crate) fn die(&mut self, id: &InstanceId, after: Duration) {
        let ends = self.now + after;
        if let Some(machine) = self.cloud.machines.get_mut(id)
            && machine.ends.is_none()
        {
            machine.ends = Some(ends);
            self.note(|| format!("{id} dies at {ends}"));
            self.plan_notice(id);
        }
    }

    fn plan_notice(&mut self, id: &InstanceId) {
        let Some(ends) = self.cloud.machines.get(id).and_then(|of| of.ends) else { return };
        let copies = if self.happens(self.faults.notice_lost) {
            0
        } else if self.happens(self.faults.notice_twice) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let after = ends.since(self.now) + self.some(100);
            self.after(after, Happening::Notice(id.clone()));
        }
    }

    pub(crate) fn notice(&mut self, id: InstanceId) {
        // Of somebody else's machines nobody tells us.
        if self.cloud.machines.get(&id).is_some_and(super::machine::Machine::is_ours) {
            self.hear(Heard::Event(Event::Gone(id, "signal: 9".to_owned())));
        }
    }
}

/// What the caller makes of a call that failed.
fn failure(call: &Call, why: String) -> Heard {
    match call {
        Call::List { .. } => Heard::ListFailed,
        Call::Launch { launch, .. } => {
            Heard::Event(Event::Launched(launch.token.clone(), Err(why)))
        }
        Call::Terminate(id) | Call::Poll(id) => {
            Heard::Event(Event::Terminated(id.clone(), Err(why)))
        }
        Call::Repoint { id, to } => {
            Heard::Event(Event::Repointed(id.clone(), Arc::clone(to), Err(why)))
        }
    }
}

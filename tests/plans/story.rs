//! A story as it is told: a fleet, a clock, and the machines that the story gave a name.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cloudaps::address::Address;
use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Backends, Capacity, Event, Finding, Fleet, Group, Instance, InstanceId, Launch,
    LaunchToken, Operation, Ownership, Phase, Plan, Probe, Relays, Slot, Spec, Vitals, plan,
};

use super::command::{Command, duration};
use super::desired;

/// The story with the answers as they are now, or which line makes no sense.
pub(crate) fn tell(path: &str, script: &str) -> Result<String, String> {
    let mut world = World::new();
    let mut told = Vec::new();
    let mut answers_allowed = false;
    for (number, line) in (1..).zip(script.lines()) {
        let at = |error: String| format!("{path}:{number}: {error}");
        if line.starts_with(' ') {
            if !answers_allowed {
                return Err(at("an answer without a command above it".to_owned()));
            }
            continue;
        }
        told.push(line.to_owned());
        answers_allowed = !line.is_empty() && !line.starts_with('#');
        if answers_allowed {
            let command = Command::parse(line.trim_end()).map_err(at)?;
            let answers = world.run(command).map_err(at)?;
            told.extend(answers.iter().map(|answer| format!("  {answer}")));
        }
    }
    Ok(told.join("\n") + "\n")
}

struct World {
    now: Instant,
    spec: Spec,
    nonce: u32,
    fleet: Fleet,
    machines: BTreeMap<String, Machine>,
    /// Launches that were begun and not answered, the oldest first.
    asked: Vec<Asked>,
}

/// A launch that was begun, and what came of it.
struct Asked {
    launch: Launch,
    made: Option<String>,
}

/// A machine, and what a forwarder on it says.
struct Machine {
    instance: Instance,
    /// What it does with requests, if it is a forwarder.
    relays: Relays,
    /// What it was told last.
    told: Option<Arc<Backends>>,
}

// === What happens ===

impl World {
    fn new() -> Self {
        Self {
            now: Instant::START,
            spec: desired::spec(),
            nonce: 1,
            fleet: Fleet::new(1),
            machines: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    fn run(&mut self, command: Command) -> Result<Vec<String>, String> {
        match command {
            Command::At(since_start) => self.set_clock(Instant::at(since_start))?,
            Command::After(passed) => self.set_clock(self.now + passed)?,
            Command::Spec(settings) => desired::change(&mut self.spec, &settings)?,
            Command::Exists(name, slot) => self.make(name, slot, Backends::default()),
            Command::Running(names) => self.running(&names)?,
            Command::Listed(entries) => self.listed(&entries)?,
            Command::Made(slot, name) => self.made(slot, &name)?,
            Command::Launched(slot, name) => self.launched(slot, &name)?,
            Command::LaunchFailed(slot, cause) => self.launch_failed(slot, cause)?,
            Command::Order(order, slot) => self.observe(Event::Ordered(slot, order)),
            Command::Pause => self.spec.operation = Operation::Paused,
            Command::Resume => {
                self.spec.operation = Operation::Active;
                self.observe(Event::Resumed);
            }
            Command::Scale(size) => self.spec.instances.size = size,
            Command::Stop => self.spec.operation = Operation::Stopping,
            Command::Restart => self.restart(),
            Command::Plan => return self.plan(),
            Command::Fleet => return Ok(self.describe()),
            about_one => self.happen(about_one)?,
        }
        Ok(Vec::new())
    }

    /// What happens to a machine that has a name.
    fn happen(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Probe(names, finding, times) => self.probe(&names, finding, times)?,
            Command::Suspect(name) => self.observe(Event::Suspected(self.id(&name)?)),
            Command::Gone(name, how) => self.observe(Event::Gone(self.id(&name)?, how)),
            Command::Drained(name) => self.observe(Event::Drained(self.id(&name)?)),
            Command::Terminated(name) => {
                self.observe(Event::Terminated(self.id(&name)?, Ok(())));
            }
            Command::TerminateFailed(name, why) => {
                self.observe(Event::Terminated(self.id(&name)?, Err(why)));
            }
            Command::Repointed(name) => {
                let to = self.told(&name)?;
                self.machine_mut(&name)?.relays.to = Backends::clone(&to);
                self.observe(Event::Repointed(self.id(&name)?, to, Ok(())));
            }
            Command::RepointFailed(name, why) => {
                let to = self.told(&name)?;
                self.observe(Event::Repointed(self.id(&name)?, to, Err(why)));
            }
            Command::Busy(name, at) => {
                let at = at.iter().map(|backend| self.address(backend));
                let finishing = at.collect::<Result<_, String>>()?;
                self.machine_mut(&name)?.relays.finishing = finishing;
            }
            other => unreachable!("{other:?} is not about a machine"),
        }
        Ok(())
    }

    fn observe(&mut self, event: Event) {
        self.fleet.observe(event, &self.spec, self.now);
    }

    fn set_clock(&mut self, to: Instant) -> Result<(), String> {
        if to < self.now {
            return Err(format!("time does not go back from {} to {to}", self.now));
        }
        self.now = to;
        Ok(())
    }

    /// Slots are filled in the order of the names; `d=backend` is a backend.
    fn running(&mut self, names: &[String]) -> Result<(), String> {
        let (backends, instances): (Vec<_>, Vec<_>) =
            names.iter().partition(|name| name.ends_with("=backend"));
        for (group, members) in [(Group::Backend, backends), (Group::Instances, instances)] {
            for (index, name) in (0..).zip(members) {
                let name = name.trim_end_matches("=backend").to_owned();
                self.make(name, Slot { group, index }, self.backends());
            }
        }
        let names: Vec<_> =
            names.iter().map(|name| name.trim_end_matches("=backend").to_owned()).collect();
        let entries: Vec<_> = names.iter().map(|name| (name.clone(), String::new())).collect();
        self.listed(&entries)?;
        self.probe(&names, Finding::Well, self.spec.instances.thresholds.healthy)
    }

    fn listed(&mut self, entries: &[(String, String)]) -> Result<(), String> {
        let mut began = self.now;
        let mut found = Vec::new();
        for (name, state) in entries {
            if name == "began" {
                began = Instant::at(duration(state)?);
                continue;
            }
            let mut instance = self.machine(name)?.instance.clone();
            instance.vitals = match state.as_str() {
                "" => Vitals::Running,
                "pending" => Vitals::Pending,
                "gone" => Vitals::Gone("exit status: 1".to_owned()),
                _ => return Err(format!("unknown state `{state}`; allowed are pending, gone")),
            };
            if instance.vitals == Vitals::Pending {
                (instance.address, instance.control) = (None, None);
            }
            found.push(instance);
        }
        self.observe(Event::Listed { began, found });
        Ok(())
    }

    fn made(&mut self, slot: Slot, name: &str) -> Result<(), String> {
        let is_open = |asked: &&mut Asked| asked.launch.slot == slot && asked.made.is_none();
        let asked = self.asked.iter_mut().find(is_open).ok_or_else(|| unanswered(slot))?;
        asked.made = Some(name.to_owned());
        let Launch { token, backends, .. } = asked.launch.clone();
        let serving = backends.serving.iter().copied();
        self.make(name.to_owned(), slot, Backends::serving(serving));
        self.machine_mut(name)?.instance.token = Some(token);
        Ok(())
    }

    fn launched(&mut self, slot: Slot, name: &str) -> Result<(), String> {
        if !self.machines.contains_key(name) {
            self.made(slot, name)?;
        }
        let instance = self.machine(name)?.instance.clone();
        let is_its = |asked: &Asked| asked.made.as_deref() == Some(name);
        let at = self.asked.iter().position(is_its).ok_or_else(|| unanswered(slot))?;
        let answered = self.asked.remove(at);
        self.observe(Event::Launched(answered.launch.token, Ok(instance)));
        Ok(())
    }

    fn launch_failed(&mut self, slot: Slot, cause: String) -> Result<(), String> {
        let at = self.asked.iter().position(|asked| asked.launch.slot == slot);
        let answered = self.asked.remove(at.ok_or_else(|| unanswered(slot))?);
        self.observe(Event::Launched(answered.launch.token, Err(cause)));
        Ok(())
    }

    fn probe(&mut self, names: &[String], finding: Finding, times: u32) -> Result<(), String> {
        for name in names {
            let probe = Probe { finding, relays: self.machine(name)?.relays.clone() };
            for _ in 0..times {
                self.observe(Event::Probed(self.id(name)?, probe.clone()));
            }
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.nonce += 1;
        self.fleet = Fleet::new(self.nonce);
        self.asked.clear();
    }
}

fn unanswered(slot: Slot) -> String {
    format!("no launch of {slot} is unanswered")
}

// === What is decided ===

impl World {
    /// Plans, begins the actions as the controller does, and tells both.
    fn plan(&mut self) -> Result<Vec<String>, String> {
        let planned = plan(&self.spec, &self.fleet, self.now);
        if planned != plan(&self.spec, &self.fleet, self.now) {
            return Err("planned twice, with two results".to_owned());
        }
        let answers = describe_plan(&planned);
        for action in &planned.actions {
            self.fleet.begin(action, &self.spec, self.now);
            match action {
                Action::Launch(launch) => {
                    self.asked.push(Asked { launch: launch.clone(), made: None });
                }
                Action::Repoint { id, to, .. } => {
                    self.machine_mut(id.as_str())?.told = Some(Arc::clone(to));
                }
                Action::Drain(..)
                | Action::Terminate(..)
                | Action::Supersede(..)
                | Action::Promote(_)
                | Action::Demote(_) => {}
            }
        }
        let again = plan(&self.spec, &self.fleet, self.now);
        let is_due = planned.wake_at.is_some_and(|at| at <= self.now);
        match again.actions.first() {
            Some(action) if !is_due => {
                Err(format!("the plan was begun, and there is more to do at once: {action}"))
            }
            None if is_due && planned.actions.is_empty() => {
                Err("asks to be woken at once, and has nothing to do".to_owned())
            }
            _ => Ok(answers),
        }
    }

    fn describe(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.fleet.iter().map(describe_tracked).collect();
        lines.extend(
            self.fleet.launching().map(|(slot, since)| format!("{slot}: launching since {since}")),
        );
        if self.fleet.is_empty() && (lines.is_empty() || self.spec.operation == Operation::Stopping)
        {
            lines.push("nothing of ours is left".to_owned());
        }
        lines
    }
}

fn describe_plan(planned: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = planned.actions.iter().map(describe_action).collect();
    lines.extend(planned.holds.iter().map(|hold| format!("hold: {hold}")));
    lines.extend(planned.wake_at.map(|at| format!("wake at {at}")));
    if lines.is_empty() { vec!["nothing to do".to_owned()] } else { lines }
}

fn describe_action(action: &Action) -> String {
    match action {
        Action::Launch(Launch { backends, .. }) if !backends.serving.is_empty() => {
            format!("{action} pointed at {backends}")
        }
        action => action.to_string(),
    }
}

fn describe_tracked(tracked: &cloudaps::fleet::Tracked) -> String {
    let Instance { id, slot, .. } = &tracked.instance;
    let reason = tracked.phase.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    let relays = match &tracked.relays.to {
        to if to.serving.is_empty() => String::new(),
        to => format!(", relays to {to}"),
    };
    let flow = match &tracked.phase {
        Phase::Draining(_, flow) => format!(" ({flow:?})"),
        _ => String::new(),
    };
    format!("{slot}: {id} {}{flow}{reason}{relays}", tracked.phase)
}

// === What exists ===

impl World {
    fn make(&mut self, name: String, slot: Slot, relays_to: Backends) {
        let number = u16::try_from(self.machines.len()).unwrap_or(u16::MAX) + 1;
        let is_forwarder = slot.group == Group::Instances && self.spec.backend.size > 0;
        let is_ours = self.spec.group(slot.group).ownership == Ownership::Owned;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let instance = Instance {
            id: InstanceId::new(name.as_str()),
            slot,
            token: is_ours.then(|| LaunchToken::recorded(&format!("earlier-{name}"))),
            address: Some(local(20_000 + number).into()),
            control: is_forwarder.then(|| local(30_000 + number)),
            capacity: Capacity::ORDINARY,
            vitals: Vitals::Running,
            label: format!("machine {name}"),
            launched: Duration::ZERO,
        };
        let to = if is_forwarder { relays_to } else { Backends::default() };
        let relays = Relays { to, ..Relays::default() };
        self.machines.insert(name, Machine { instance, relays, told: None });
    }

    fn backends(&self) -> Backends {
        let is_backend = |machine: &&Machine| machine.instance.slot.group == Group::Backend;
        let backends = self.machines.values().filter(is_backend);
        Backends::serving(backends.filter_map(|of| of.instance.address.as_ref()?.ip()))
    }

    fn address(&self, name: &str) -> Result<SocketAddr, String> {
        let address = self.machine(name)?.instance.address.as_ref();
        address.and_then(Address::ip).ok_or_else(|| format!("`{name}` has no address"))
    }

    fn machine(&self, name: &str) -> Result<&Machine, String> {
        self.machines.get(name).ok_or_else(|| self.unknown(name))
    }

    fn machine_mut(&mut self, name: &str) -> Result<&mut Machine, String> {
        let unknown = self.unknown(name);
        self.machines.get_mut(name).ok_or(unknown)
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<_> = self.machines.keys().map(String::as_str).collect();
        let known = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        format!("no instance is called `{name}`; there are {known}")
    }

    fn id(&self, name: &str) -> Result<InstanceId, String> {
        Ok(self.machine(name)?.instance.id.clone())
    }

    fn told(&self, name: &str) -> Result<Arc<Backends>, String> {
        self.machine(name)?
            .told
            .clone()
            .ok_or_else(|| format!("`{name}` was never told where to relay"))
    }
}

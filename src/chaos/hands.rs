//! What can be done to instances from outside, whoever makes them.

use std::collections::BTreeMap;
use std::io;

use super::schedule::Verb;
use crate::cli::FaultKind;
use crate::fleet::{Group, InstanceId};
use crate::provider::process::{Victim, Victims};

/// How many machines of each group live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) instances: u32,
    pub(super) backends: u32,
    /// Those that are suspended.
    pub(super) suspended: u32,
}

/// Reaches the instances of one provider. Touches nothing that is not the fleet's.
pub(super) trait Hands {
    /// Why a fault cannot be made here, if it cannot.
    fn obstacle(&self, fault: FaultKind) -> Option<String>;

    /// Counts who lives.
    fn census(&self) -> io::Result<Census>;

    /// Does it to an instance; `false`: that one is not there any more.
    fn act(&mut self, verb: Verb, on: &InstanceId) -> io::Result<bool>;

    /// Takes back everything that can be. Says what could not.
    fn release(&mut self) -> Vec<String>;
}

/// Those of provider `process`: signals, and the kernel's way into another process's sockets.
#[derive(Debug)]
pub(super) struct ProcessHands {
    victims: Victims,
    /// Who is suspended or blocked by us.
    held: BTreeMap<InstanceId, Held>,
}

#[derive(Debug)]
struct Held {
    victim: Victim,
    how: Hold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Suspended,
    Blocked,
}

impl ProcessHands {
    pub(super) const fn new(victims: Victims) -> Self {
        Self { victims, held: BTreeMap::new() }
    }

    fn seize(&self, id: &InstanceId) -> io::Result<Option<Victim>> {
        let alive = self.victims.alive()?;
        Ok(alive.into_iter().find(|victim| victim.instance() == id))
    }
}

impl Hands for ProcessHands {
    fn obstacle(&self, fault: FaultKind) -> Option<String> {
        if !matches!(fault, FaultKind::Block | FaultKind::Refuse) {
            return None;
        }
        let victims = self.victims.alive().unwrap_or_default();
        let error = victims.first().and_then(|victim| victim.reach().err())?;
        Some(format!(
            "the kernel does not let this user reach into the instances' sockets ({error}): it \
             takes root, or kernel.yama.ptrace_scope = 0"
        ))
    }

    fn census(&self) -> io::Result<Census> {
        let mut census = Census::default();
        for victim in self.victims.alive()? {
            match victim.slot().group {
                Group::Instances => census.instances += 1,
                Group::Backend => census.backends += 1,
            }
            census.suspended += u32::from(victim.is_suspended()?);
        }
        Ok(census)
    }

    fn act(&mut self, verb: Verb, on: &InstanceId) -> io::Result<bool> {
        let Some(victim) = self.seize(on)? else { return Ok(false) };
        match verb {
            Verb::Kill => victim.kill()?,
            Verb::Refuse => victim.refuse()?,
            Verb::Suspend => victim.suspend()?,
            Verb::Resume => victim.resume()?,
            Verb::Block => victim.block()?,
            // The controller's, not ours.
            Verb::LoseLists(_) | Verb::FailLaunch => {}
        }
        match verb {
            Verb::Suspend => drop(self.hold(victim, Hold::Suspended)),
            Verb::Block => drop(self.hold(victim, Hold::Blocked)),
            Verb::Resume => drop(self.held.remove(on)),
            Verb::Kill | Verb::Refuse | Verb::LoseLists(_) | Verb::FailLaunch => {}
        }
        Ok(true)
    }

    fn release(&mut self) -> Vec<String> {
        let mut failed = Vec::new();
        for (id, held) in std::mem::take(&mut self.held) {
            let released = match held.how {
                Hold::Suspended => held.victim.resume(),
                Hold::Blocked => held.victim.unblock(),
            };
            // One that has ended needs no release.
            if let Err(error) = released
                && held.victim.is_alive().unwrap_or(true)
            {
                failed.push(format!("{id} (pid {}): {error}", held.victim.pid()));
            }
        }
        failed
    }
}

impl ProcessHands {
    fn hold(&mut self, victim: Victim, how: Hold) -> Option<Held> {
        self.held.insert(victim.instance().clone(), Held { victim, how })
    }
}

impl Drop for ProcessHands {
    /// However the run ends, nothing stays stopped.
    fn drop(&mut self) {
        for failure in self.release() {
            eprintln!("cloudaps chaos: could not be released: {failure}");
        }
    }
}

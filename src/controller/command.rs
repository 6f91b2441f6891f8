//! What the operator can ask of the controller, and what it refuses.

use std::ops::RangeInclusive;

use tokio::sync::oneshot;

pub use crate::fleet::Order;

use super::Controller;
use crate::clock;
use crate::fleet::{Event, Group, GroupSpec, Handover, Operation, Ownership, Slot, Spec};
use crate::provider::Provider;

/// The most instances that `scale` may ask for, as in the configuration.
pub const INSTANCES_MAX: u32 = 1000;

/// The most backends, as in the configuration: each forwarder keeps connections to all of them.
pub const BACKENDS_MAX: u32 = 100;

/// What the operator asks for. Each is answered: done (or begun), or why not.
#[derive(Debug)]
pub enum Command {
    /// Keep so many of a group.
    Scale(Group, u32, Answer),
    /// Drain or replace the instance in a slot.
    Order(Slot, Order, Answer),
    /// Launch and end nothing.
    Pause(Answer),
    /// Go on.
    Resume(Answer),
    /// Stop everything. Who put the system together is told, and stops the traffic first.
    Down(Answer),
    /// End all instances. The controller's loop ends when nothing runs any more.
    Stop(Answer),
    /// Let all instances run on, for the next controller. The loop ends at once.
    Leave(Answer),
}

/// Where the answer to a command goes.
pub type Answer = oneshot::Sender<Result<(), Refusal>>;

/// A command that cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The number is out of range.
    #[error("{0} instances are out of range: allowed are 0 to {INSTANCES_MAX}")]
    Size(u32),
    /// The number of backends is out of range.
    #[error("{0} backends are out of range: allowed are 1 to {BACKENDS_MAX}")]
    Backends(u32),
    /// There cannot be several backends.
    #[error("{0}")]
    Single(&'static str),
    /// Nothing is in the slot that could be drained or replaced.
    #[error("nothing serves in {slot}; the slots that do are: {serving}")]
    Vacant {
        /// The slot that was named.
        slot: Slot,
        /// The slots that could have been.
        serving: String,
    },
    /// The machines are not ours.
    #[error("provider static owns no machine: it can only drain, and resume")]
    Foreign,
    /// Everything is being stopped.
    #[error("everything is being stopped")]
    Stopping,
}

impl<P: Provider> Controller<P> {
    pub(super) fn obey(&mut self, command: Command) {
        let (result, answer) = match command {
            Command::Scale(group, size, answer) => (self.scale(group, size), answer),
            Command::Order(slot, order, answer) => (self.order(slot, order), answer),
            Command::Pause(answer) => (self.operate(Operation::Paused), answer),
            Command::Resume(answer) => (self.resume(), answer),
            Command::Down(answer) => (self.go_down(), answer),
            Command::Stop(answer) => (self.stop(), answer),
            Command::Leave(answer) => (self.leave(), answer),
        };
        // Whoever asked may have gone; what was asked is done all the same.
        let _ = answer.send(result);
    }

    fn scale(&mut self, group: Group, size: u32) -> Result<(), Refusal> {
        let sizes = sizes(&self.spec, group)?;
        let (spec, refusal) = match group {
            Group::Instances => (&mut self.spec.instances, Refusal::Size(size)),
            Group::Backend => (&mut self.spec.backend, Refusal::Backends(size)),
        };
        if !sizes.contains(&size) {
            return Err(refusal);
        }
        self.outdated = true;
        let was = std::mem::replace(&mut spec.size, size);
        tracing::info!("scaled {} from {was} to {size}", group.name());
        Ok(())
    }

    fn order(&mut self, slot: Slot, order: Order) -> Result<(), Refusal> {
        if order == Order::Replace {
            refuse_unless_owned(&self.spec)?;
        }
        let slots = self.fleet.iter().filter(|tracked| tracked.phase.fills_slot());
        let slots: Vec<Slot> = slots.map(|tracked| tracked.instance.slot).collect();
        if !slots.contains(&slot) {
            let serving: Vec<String> = slots.iter().map(Slot::to_string).collect();
            return Err(Refusal::Vacant { slot, serving: serving.join(", ") });
        }
        tracing::info!("the operator ordered: {order} {slot}");
        self.fleet.observe(Event::Ordered(slot, order), &self.spec, clock::now());
        Ok(())
    }

    fn operate(&mut self, operation: Operation) -> Result<(), Refusal> {
        if self.spec.operation == Operation::Stopping {
            return Err(Refusal::Stopping);
        }
        self.outdated = true;
        let was = std::mem::replace(&mut self.spec.operation, operation);
        if was != operation {
            tracing::info!("{operation} by the operator (was {was})");
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Refusal> {
        self.operate(Operation::Active)?;
        self.fleet.observe(Event::Resumed, &self.spec, clock::now());
        Ok(())
    }

    fn go_down(&self) -> Result<(), Refusal> {
        tracing::info!("stopping everything");
        self.settings.down.cancel();
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Refusal> {
        self.outdated = true;
        self.spec.operation = Operation::Stopping;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Refusal> {
        self.leaves = true;
        Ok(())
    }
}

/// How many of a group the operator may ask for, or why there cannot be another number of them.
pub(super) fn sizes(spec: &Spec, group: Group) -> Result<RangeInclusive<u32>, Refusal> {
    refuse_unless_owned(spec)?;
    match group {
        Group::Instances => Ok(0..=INSTANCES_MAX),
        Group::Backend => refuse_unless_shared(&spec.backend).map(|()| 1..=BACKENDS_MAX),
    }
}

const fn refuse_unless_owned(spec: &Spec) -> Result<(), Refusal> {
    match spec.instances.ownership {
        Ownership::Owned => Ok(()),
        Ownership::Foreign => Err(Refusal::Foreign),
    }
}

fn refuse_unless_shared(backend: &GroupSpec) -> Result<(), Refusal> {
    match backend.handover {
        _ if backend.size == 0 => Err(Refusal::Single("there is no backend")),
        Handover::Fenced => Err(Refusal::Single(
            "the backend's data can be open only once: there is one backend, and no more",
        )),
        Handover::LaunchFirst { .. } => Ok(()),
    }
}

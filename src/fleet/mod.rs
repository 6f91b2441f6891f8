//! What should run: the control plane's decisions.
//!
//! [`Spec`] is what is desired, [`Fleet`] what was observed, [`plan`] the difference as actions.
//! Pure: no clock, IO, async, log or randomness. Time is an argument; input is data, output is
//! data. The controller folds events in with [`Fleet::observe`], asks for a [`Plan`], records each
//! action with [`Fleet::begin`] and then executes it.

mod backends;
mod boots;
mod budget;
mod event;
mod health;
mod instance;
mod members;
mod phase;
mod plan;
mod spec;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use backends::{Backends, Relays};
pub use event::{Event, Order, Probe};
pub use health::{Finding, Health, Load};
pub use instance::{
    Capacity, Group, Instance, InstanceId, Launch, LaunchToken, ParseSlotError, Slot, Vitals,
};
pub use phase::{Ending, Flow, Phase, Reason};
pub use plan::{Action, Hold, Plan, plan};
pub use spec::{GroupSpec, Handover, LaunchOn, Operation, Ownership, Spec, Thresholds};

use crate::clock::Instant;
use boots::Boots;
use budget::{Budget, Newborns};
use members::Groups;
use phase::Step;

/// How many ended instances are remembered, so that a stale listing cannot bring one back. More
/// than a fleet ends within the time in which a listing can be stale.
const DEPARTED_MAX: usize = 1024;

/// The observed fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Differs between two starts of the controller, so that tokens never repeat.
    nonce: u32,
    /// How many launches were begun.
    serial: u32,
    /// When the listing began that was folded in last.
    listed: Option<Instant>,
    tracked: Groups,
    launches: BTreeMap<LaunchToken, Pending>,
    /// Machines that may exist although nobody has seen them.
    unseen: Vec<Unseen>,
    /// Whose end was noticed before the launch that made them was answered, and how they ended.
    stillborn: BTreeMap<InstanceId, String>,
    departed: BTreeMap<InstanceId, Instant>,
    history: BTreeMap<Group, History>,
    /// What changed since the journal was last taken.
    journal: Vec<Change>,
}

/// Something about an instance that others act on or people want to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It entered another phase.
    Phase(Passage),
    /// It asked for less, or for its full share again.
    Load(InstanceId, Load),
    /// A forwarder sends its requests elsewhere.
    Backends(InstanceId, Backends),
    /// The provider describes it otherwise than before: it has an address now, for one.
    Described(InstanceId),
    /// The provider says that it is no more.
    Forgotten(InstanceId),
}

impl Change {
    /// Whom it is about.
    #[must_use]
    pub const fn id(&self) -> &InstanceId {
        match self {
            Self::Phase(Passage { id, .. })
            | Self::Load(id, _)
            | Self::Backends(id, _)
            | Self::Described(id)
            | Self::Forgotten(id) => id,
        }
    }
}

/// An instance's step from one phase to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The place that it was launched for.
    pub slot: Slot,
    /// Who it is.
    pub id: InstanceId,
    /// What a person would look for, such as `pid 4242`.
    pub label: String,
    /// The phase it left; none if it is new to us.
    pub was: Option<Phase>,
    /// The phase it entered.
    pub phase: Phase,
}

/// An instance and what we know of how it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// As the provider describes it.
    pub instance: Instance,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it entered that phase.
    pub since: Instant,
    /// When we first saw it.
    pub first_seen: Instant,
    /// The evidence of the last probes.
    pub health: Health,
    /// When it last answered a probe well.
    pub last_good: Option<Instant>,
    /// What a forwarder said of its requests.
    pub relays: Relays,
    /// Whether it is being told where to relay to.
    repointing: Repointing,
    origin: Origin,
}

/// Whether we know how long it has been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// We launched it.
    Launched,
    /// It was there, or a launch of an earlier controller made it.
    Found,
}

/// How far telling a forwarder about the backends is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Repointing {
    /// It can be told.
    Idle,
    /// It is being told this.
    Asked(Arc<Backends>),
    /// It did not say that it took this; it is told again when it next answers a probe well.
    Failed(Arc<Backends>),
}

impl Repointing {
    /// What it may have taken, although it has not said so.
    fn unconfirmed(&self) -> Option<&Backends> {
        match self {
            Self::Idle => None,
            Self::Asked(to) | Self::Failed(to) => Some(to),
        }
    }
}

/// A launch that the provider has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    slot: Slot,
    since: Instant,
}

/// A machine that may exist although nobody has seen it: the launch failed, which may mean that
/// only its answer was lost, or an earlier controller launched it just before it ended. Until a
/// listing is young enough to know, it counts as if it existed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unseen {
    /// The launch that failed; `None`: one of an earlier controller.
    launch: Option<LaunchToken>,
    group: Group,
    since: Instant,
}

/// What a group remembers beyond its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct History {
    budget: Budget,
    newborns: Newborns,
    boots: Boots,
    /// The slots that were filled once: filling one of them again is a replacement.
    filled: BTreeSet<u32>,
}

impl Unseen {
    /// How to call what nobody has seen.
    fn name(&self) -> InstanceId {
        let launch = self.launch.as_ref().map_or("an earlier launch", LaunchToken::as_str);
        InstanceId::new(launch)
    }
}

impl Tracked {
    fn entered_from(&self, was: Option<Phase>) -> Change {
        Change::Phase(Passage {
            slot: self.instance.slot,
            id: self.instance.id.clone(),
            label: self.instance.label.clone(),
            was,
            phase: self.phase.clone(),
        })
    }

    /// Of two that fill a slot, the smaller stays: who serves or could, and has for longer.
    fn precedence(&self) -> (bool, bool, Instant, &InstanceId) {
        let serves = self.phase == Phase::Serving;
        (!serves, !serves && self.phase != Phase::Standby, self.since, &self.instance.id)
    }
}

impl Fleet {
    /// A fleet of which nothing is known yet. `nonce` differs between two starts.
    #[must_use]
    pub fn new(nonce: u32) -> Self {
        Self {
            nonce,
            serial: 0,
            listed: None,
            tracked: Groups::default(),
            launches: BTreeMap::new(),
            unseen: Vec::new(),
            stillborn: BTreeMap::new(),
            departed: BTreeMap::new(),
            history: BTreeMap::from([
                (Group::Instances, History::default()),
                (Group::Backend, History::default()),
            ]),
            journal: Vec::new(),
        }
    }

    /// The instance of that name, if it is tracked.
    #[must_use]
    pub fn get(&self, id: &InstanceId) -> Option<&Tracked> {
        self.tracked.get(id)
    }

    /// All tracked instances, one group after the other, each in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Tracked> {
        self.tracked.iter()
    }

    /// The tracked instances of a group, in the order of their names.
    pub fn members(&self, group: Group) -> impl Iterator<Item = &Tracked> {
        self.tracked.of(group).iter()
    }

    /// The tracked instances in a slot, in the order of their names.
    pub fn in_slot(&self, slot: Slot) -> impl Iterator<Item = &Tracked> {
        self.tracked.in_slot(slot)
    }

    /// The slots that a launch was sent for and not answered yet, each with when it was sent.
    pub fn launching(&self) -> impl Iterator<Item = (Slot, Instant)> {
        self.launches.values().map(|pending| (pending.slot, pending.since))
    }

    /// Whether nothing of ours runs and nothing is on its way. What no launch made is not ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_foreign = |tracked: &Tracked| tracked.instance.token.is_none();
        self.launches.is_empty() && self.unseen.is_empty() && self.iter().all(is_foreign)
    }

    /// Whether a listing is about to bring news: of a machine that is on its way, starts, or goes.
    /// Those that are not ours do none of that for us.
    #[must_use]
    pub fn expects_change(&self, spec: &Spec) -> bool {
        let is_coming_or_going =
            |tracked: &Tracked| matches!(tracked.phase, Phase::Starting | Phase::Terminating(..));
        let is_ours = |group: &Group| spec.group(*group).ownership == Ownership::Owned;
        let mut ours = [Group::Instances, Group::Backend].into_iter().filter(is_ours);
        let is_on_its_way = !self.launches.is_empty() || !self.unseen.is_empty();
        self.listed.is_none()
            || is_on_its_way
            || ours.any(|group| self.members(group).any(is_coming_or_going))
    }

    /// What changed since this was last asked.
    pub fn take_journal(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.journal)
    }

    /// The token that the `ahead`-th launch from now on will have.
    fn token(&self, slot: Slot, ahead: u32) -> LaunchToken {
        LaunchToken::new(slot, self.nonce, self.serial.saturating_add(ahead))
    }

    fn history(&mut self, group: Group) -> &mut History {
        self.history.entry(group).or_default()
    }

    /// Records an action before it is executed: from here on it counts.
    pub fn begin(&mut self, action: &Action, spec: &Spec, now: Instant) {
        match action {
            Action::Launch(launch) => self.begin_launch(launch, spec, now),
            Action::Drain(id, reason) => self.step(id, Step::Drain(reason.clone()), now),
            Action::Terminate(id, reason) => self.begin_termination(id, reason, now),
            Action::Supersede(id, reason) => self.step(id, Step::Supersede(reason.clone()), now),
            Action::Promote(id) => self.step(id, Step::Promote, now),
            Action::Demote(id) => self.step(id, Step::Demote, now),
            Action::Repoint { id, to, .. } => {
                if let Some(tracked) = self.tracked.get_mut(id) {
                    tracked.repointing = Repointing::Asked(Arc::clone(to));
                }
            }
        }
    }

    fn begin_launch(&mut self, launch: &Launch, spec: &Spec, now: Instant) {
        let Slot { group, index } = launch.slot;
        self.serial = self.serial.saturating_add(1);
        self.launches.insert(launch.token.clone(), Pending { slot: launch.slot, since: now });
        let history = self.history(group);
        if !history.filled.insert(index) {
            history.budget.spend(spec.group(group).replacement_interval, now);
        }
    }

    fn begin_termination(&mut self, id: &InstanceId, reason: &Reason, now: Instant) {
        // Only the first time: that the provider fails to end it is no further failure of its own.
        if *reason == Reason::NeverServed
            && let Some(group) = self.group_of_newborn(id)
        {
            let history = self.history(group);
            history.newborns.failed(reason.to_string(), now);
            history.boots.missed();
        }
        self.step(id, Step::Terminate(reason.clone()), now);
    }

    /// The group of an instance that has not served yet.
    fn group_of_newborn(&self, id: &InstanceId) -> Option<Group> {
        let tracked = self.get(id).filter(|tracked| tracked.phase == Phase::Starting)?;
        Some(tracked.instance.slot.group)
    }

    /// Moves an instance through its life.
    fn step(&mut self, id: &InstanceId, step: Step, now: Instant) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        let before = tracked.phase.clone();
        tracked.phase = before.clone().after(step);
        if tracked.phase != before {
            tracked.since = now;
            self.journal.push(tracked.entered_from(Some(before)));
        }
    }

    fn others_in_slot_of(&self, tracked: &Tracked) -> impl Iterator<Item = &Tracked> {
        self.tracked.others_in_slot_of(tracked)
    }

    /// Whether somebody already stands in for the instance in its slot.
    fn has_successor(&self, of: &Tracked) -> bool {
        self.is_launching(of.instance.slot)
            || self.others_in_slot_of(of).any(|other| other.phase.fills_slot())
    }

    /// Whether a launch for the slot is on its way. Those are few.
    fn is_launching(&self, slot: Slot) -> bool {
        self.launches.values().any(|pending| pending.slot == slot)
    }
}

#[cfg(test)]
mod cost;

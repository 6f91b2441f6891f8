//! A second opinion on the freeze: what must have frozen the launches, told from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Event, Fleet, Group, InstanceId, LaunchToken, Phase, Reason};

/// The shortest freeze and the longest.
const FREEZE_MIN: Duration = Duration::from_secs(10);
const FREEZE_MAX: Duration = Duration::from_secs(300);

/// The failures of newborns in a row that were alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Freeze {
    groups: BTreeMap<Group, Streak>,
    /// The launches that were neither answered nor seen in a listing.
    unanswered: BTreeSet<LaunchToken>,
}

#[derive(Clone, Debug, Default)]
struct Streak {
    failures: u32,
    cause: String,
    last: Instant,
}

/// Who was new before an event.
pub(crate) struct Newborns {
    starting: Vec<(InstanceId, Group)>,
    known: BTreeSet<InstanceId>,
}

impl Newborns {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let starting = fleet.iter().filter(|of| of.phase == Phase::Starting);
        let starting = starting.map(|of| (of.instance.id.clone(), of.instance.slot.group));
        Self {
            starting: starting.collect(),
            known: fleet.iter().map(|of| of.instance.id.clone()).collect(),
        }
    }
}

impl Freeze {
    /// Why launches of that group must wait, if they must.
    pub(crate) fn holds(&self, group: Group, now: Instant) -> Option<&str> {
        let streak = self.groups.get(&group)?;
        let doublings = streak.failures.checked_sub(2)?;
        let wait = FREEZE_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(FREEZE_MAX);
        (now < streak.last + wait).then_some(streak.cause.as_str())
    }

    /// The operator wants to go on.
    pub(crate) fn thaw(&mut self) {
        self.groups.clear();
    }

    /// What an event made of the newborns.
    pub(crate) fn follow(&mut self, event: &Event, before: Newborns, after: &Fleet, now: Instant) {
        let mut failed = self.answered(event, &before, after);
        for (id, group) in before.starting {
            match after.get(&id).map(|is| &is.phase) {
                Some(Phase::Serving) => drop(self.groups.remove(&group)),
                Some(Phase::Condemned(Reason::Gone(how))) => failed.push((group, how.clone())),
                _ => {}
            }
        }
        self.failed_together(&failed, now);
    }

    /// One listing can tell of several ends, in an order that means nothing: whether those that
    /// differ make a streak is then anybody's guess, and they are not held to one.
    fn failed_together(&mut self, failed: &[(Group, String)], now: Instant) {
        for (group, cause) in failed {
            if failed.iter().any(|(other, unlike)| other == group && unlike != cause) {
                self.groups.remove(group);
            } else {
                self.failed(*group, cause.clone(), now);
            }
        }
    }

    /// A launch was begun.
    pub(crate) fn begun(&mut self, token: &LaunchToken) {
        self.unanswered.insert(token.clone());
    }

    /// The launches that failed, or made one that had already ended.
    fn answered(
        &mut self,
        event: &Event,
        before: &Newborns,
        after: &Fleet,
    ) -> Vec<(Group, String)> {
        let mut failed = Vec::new();
        if let Event::Launched(token, Err(cause)) = event
            && self.unanswered.remove(token)
        {
            let is_backend = token.as_str().starts_with(Group::Backend.name());
            let group = if is_backend { Group::Backend } else { Group::Instances };
            failed.push((group, cause.clone()));
        }
        for new in after.iter().filter(|of| !before.known.contains(&of.instance.id)) {
            let is_ours = new.instance.token.as_ref().is_some_and(|of| self.unanswered.remove(of));
            if let (true, Phase::Condemned(Reason::Gone(how))) = (is_ours, &new.phase) {
                failed.push((new.instance.slot.group, how.clone()));
            }
        }
        failed
    }

    /// A newborn failed.
    pub(crate) fn failed(&mut self, group: Group, cause: String, now: Instant) {
        if self.holds(group, now).is_some() {
            return;
        }
        let streak = self.groups.entry(group).or_default();
        streak.failures = if streak.cause == cause { streak.failures + 1 } else { 1 };
        streak.cause = cause;
        streak.last = now;
    }
}

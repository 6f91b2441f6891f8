//! A second opinion on the freeze: what must have frozen the launches, told from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{Event, Fleet, Group, InstanceId, LaunchToken, Phase, Reason};

/// The shortest freeze and the longest.
const FREEZE_MIN: Duration = Duration::from_secs(10);
const FREEZE_MAX: Duration = Duration::from_secs(300);

/// The failures of newborns in a row that were alike.
///
/// One listing can tell of several ends, in an order that means nothing, and which streak they make
/// depends on it: then all that are possible are remembered, until somebody serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Freeze {
    groups: BTreeMap<Group, BTreeSet<Streak>>,
    /// The launches that were neither answered nor seen in a listing.
    unanswered: BTreeSet<LaunchToken>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Streak {
    failures: u32,
    cause: String,
    last: Instant,
}

impl Streak {
    fn holds(&self, now: Instant) -> Option<&str> {
        let doublings = self.failures.checked_sub(2)?;
        let wait = FREEZE_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(FREEZE_MAX);
        (now < self.last + wait).then_some(self.cause.as_str())
    }

    /// One more failed. What fails during a freeze was launched before it, and tells nothing new.
    fn after(&self, cause: &str, now: Instant) -> Self {
        if self.holds(now).is_some() {
            return self.clone();
        }
        let failures = if self.cause == cause { self.failures + 1 } else { 1 };
        Self { failures, cause: cause.to_owned(), last: now }
    }

    /// What can have become of it when these failed at once.
    fn after_any_order(&self, causes: &[&str], now: Instant, outcomes: &mut BTreeSet<Self>) {
        if causes.is_empty() {
            outcomes.insert(self.clone());
        }
        for (index, cause) in causes.iter().enumerate() {
            // Of those that are alike it does not matter which comes first.
            if !causes[..index].contains(cause) {
                let others = [&causes[..index], &causes[index + 1..]].concat();
                self.after(cause, now).after_any_order(&others, now, outcomes);
            }
        }
    }
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
    /// Why launches of that group must wait, if they must whatever the order was.
    pub(crate) fn holds(&self, group: Group, now: Instant) -> Option<&str> {
        let mut holds = self.groups.get(&group)?.iter().map(|streak| streak.holds(now));
        let first = holds.next()??;
        holds.all(|other| other.is_some()).then_some(first)
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
                Some(Phase::Standby | Phase::Serving) => drop(self.groups.remove(&group)),
                Some(Phase::Condemned(Reason::Gone(how))) => failed.push((group, how.clone())),
                _ => {}
            }
        }
        for group in [Group::Instances, Group::Backend] {
            let causes = failed.iter().filter(|(of, _)| *of == group);
            let causes: Vec<&str> = causes.map(|(_, cause)| cause.as_str()).collect();
            self.failed(group, &causes, now);
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

    /// Newborns failed at once, or one alone.
    pub(crate) fn failed(&mut self, group: Group, causes: &[&str], now: Instant) {
        if causes.is_empty() {
            return;
        }
        let before = self.groups.remove(&group).unwrap_or_else(|| [Streak::default()].into());
        let outcomes = self.groups.entry(group).or_default();
        for streak in before {
            streak.after_any_order(causes, now, outcomes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Group = Group::Instances;

    fn at(seconds: u64) -> Instant {
        Instant::at(Duration::from_secs(seconds))
    }

    #[test]
    fn ends_that_one_listing_tells_of_freeze_only_if_they_do_in_any_order() {
        let mut freeze = Freeze::default();
        freeze.failed(GROUP, &["terminated", "signal: 9", "terminated"], at(0));
        assert_eq!(freeze.holds(GROUP, at(1)), None);
        let mut freeze = Freeze::default();
        freeze.failed(GROUP, &["terminated", "terminated"], at(0));
        assert_eq!(freeze.holds(GROUP, at(1)), Some("terminated"));
    }

    #[test]
    fn what_may_have_been_a_freeze_may_have_swallowed_the_next_failure() {
        let mut freeze = Freeze::default();
        freeze.failed(GROUP, &["terminated", "signal: 9", "terminated"], at(0));
        freeze.failed(GROUP, &["signal: 9"], at(1));
        freeze.failed(GROUP, &["signal: 9"], at(12));
        assert_eq!(freeze.holds(GROUP, at(13)), None);
        freeze.failed(GROUP, &["signal: 9"], at(13));
        assert_eq!(freeze.holds(GROUP, at(14)), Some("signal: 9"));
    }

    #[test]
    fn ends_during_a_freeze_do_not_end_it_whatever_their_order() {
        let mut freeze = Freeze::default();
        for seconds in [0, 1] {
            freeze.failed(GROUP, &["exit 1"], at(seconds));
        }
        freeze.failed(GROUP, &["terminated", "signal: 9"], at(2));
        freeze.failed(GROUP, &["no answer"], at(3));
        assert_eq!(freeze.holds(GROUP, at(10)), Some("exit 1"));
        assert_eq!(freeze.holds(GROUP, at(11)), None);
    }
}

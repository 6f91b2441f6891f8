//! Who of those that are ready takes traffic, and who stands by.

use super::Draft;
use crate::fleet::{Action, Group, Phase, Tracked};

/// Whether as many as desired take traffic once the plan is begun, those not counted that are to
/// go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lineup {
    Complete,
    Short,
}

impl<'a> Draft<'a> {
    /// Spares step in for those that are missing: first those with nothing against them, and of
    /// these who has been ready for longest. If there are too many, the last ones stand by again.
    pub(super) fn line_up(&mut self, group: Group) -> Lineup {
        let spec = self.desired.group(group);
        if spec.standby == 0 {
            // Whoever is ready serves, and slot by slot it is known who stands in for whom.
            return Lineup::Short;
        }
        let size = spec.size as usize;
        let serving = self.in_their_place(group, &Phase::Serving);
        let spares = self.in_their_place(group, &Phase::Standby);
        let missing = size.saturating_sub(serving.len()).min(spares.len());
        let lineup = if serving.len() + missing < size { Lineup::Short } else { Lineup::Complete };
        let (promoted, demoted) = (&spares[..missing], &serving[size.min(serving.len())..]);
        if promoted.iter().chain(demoted).any(|tracked| !tracked.health.is_steady()) {
            // Whether one that is in doubt is to have a successor depends on whether it serves.
            self.wake_at(self.now);
        }
        let promoted = promoted.iter().map(|of| Action::Promote(of.instance.id.clone()));
        let demoted = demoted.iter().map(|of| Action::Demote(of.instance.id.clone()));
        self.plan.actions.extend(promoted.chain(demoted));
        lineup
    }

    /// Those in a phase that this plan leaves where they are, the best first.
    fn in_their_place(&self, group: Group, phase: &Phase) -> Vec<&'a Tracked> {
        let members = self.observed.members(group).filter(|tracked| tracked.phase == *phase);
        let stays = |tracked: &&Tracked| {
            self.has_place(tracked) && !self.superseded.contains(&tracked.instance.id)
        };
        let mut stays: Vec<_> = members.filter(stays).collect();
        stays.sort_by_key(|tracked| (!tracked.health.is_steady(), tracked.since));
        stays
    }
}

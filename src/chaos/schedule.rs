//! Which fault comes when, and to whom: decided by the seed alone, before anything is done.

use std::time::Duration;

use crate::cli::FaultKind;
use crate::fleet::Slot;

/// Traffic without a fault before the first one, to see that it works.
const CALM: Duration = Duration::from_secs(1);

/// Between two faults, in milliseconds. Two seconds on average: the fleet allows one replacement a
/// second in the long run, and what is to be seen is how it heals, not how it waits.
const GAP_MS: std::ops::RangeInclusive<u64> = 1_200..=2_800;

/// For how long an instance is slow, and how long each of its pauses is: longer than requests take,
/// shorter than a probe waits.
const SLOW: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// For how long listings are lost: more than one interval between two of them, by default.
const LISTS_LOST: Duration = Duration::from_secs(3);

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    /// When, from the beginning.
    pub(super) at: Duration,
    pub(super) fault: FaultKind,
    /// Whoever serves there then.
    pub(super) slot: Slot,
}

/// One thing to do for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) at: Duration,
    /// The number of the strike.
    pub(super) strike: usize,
    pub(super) verb: Verb,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// End the instance, without a warning.
    Kill,
    /// Let it do nothing, and keep its connections.
    Suspend,
    /// Let it go on.
    Resume,
    /// Drop every packet of new connections to it.
    Block,
    /// Refuse new connections to it.
    Refuse,
    /// Let the controller's listings fail for so long.
    LoseLists(Duration),
    /// Let the controller's next launch fail.
    FailLaunch,
}

/// How often a fault is drawn, in relation to the others. Most failures are plain ends.
const fn weight(fault: FaultKind) -> u32 {
    match fault {
        FaultKind::Kill => 6,
        FaultKind::Refuse => 2,
        FaultKind::Stop
        | FaultKind::Slow
        | FaultKind::Block
        | FaultKind::LostList
        | FaultKind::FailedLaunch => 1,
    }
}

/// The faults of a run that lasts so long. The same arguments always give the same ones.
pub(super) fn strikes(
    seed: u64,
    span: Duration,
    faults: &[FaultKind],
    slots: &[Slot],
) -> Vec<Strike> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut strikes = Vec::new();
    let mut at = CALM;
    while at < span && !slots.is_empty() {
        let Some(fault) = draw(&mut rng, faults) else { break };
        strikes.push(Strike { at, fault, slot: slots[rng.usize(..slots.len())] });
        at += Duration::from_millis(rng.u64(GAP_MS));
    }
    strikes
}

fn draw(rng: &mut fastrand::Rng, faults: &[FaultKind]) -> Option<FaultKind> {
    let total: u32 = faults.iter().copied().map(weight).sum();
    let mut drawn = rng.u32(..total.max(1));
    faults.iter().copied().find(|fault| match drawn.checked_sub(weight(*fault)) {
        Some(left) => {
            drawn = left;
            false
        }
        None => true,
    })
}

/// What is done for them, in the order in which it is.
pub(super) fn moves(strikes: &[Strike]) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    for (number, strike) in strikes.iter().enumerate() {
        let made = |(after, verb)| Move { at: strike.at + after, strike: number, verb };
        moves.extend(verbs(strike.fault).into_iter().map(made));
    }
    // Stable: what is due at the same time stays in the order of the strikes.
    moves.sort_by_key(|each| each.at);
    moves
}

/// What a fault consists of, and when. Whoever is stopped or blocked stays so until it is replaced
/// or the run is over.
fn verbs(fault: FaultKind) -> Vec<(Duration, Verb)> {
    let at_once = |verb| vec![(Duration::ZERO, verb)];
    match fault {
        FaultKind::Kill => at_once(Verb::Kill),
        FaultKind::Stop => at_once(Verb::Suspend),
        FaultKind::Block => at_once(Verb::Block),
        FaultKind::Refuse => at_once(Verb::Refuse),
        FaultKind::LostList => at_once(Verb::LoseLists(LISTS_LOST)),
        // A launch fails only if there is one.
        FaultKind::FailedLaunch => {
            vec![(Duration::ZERO, Verb::FailLaunch), (Duration::ZERO, Verb::Kill)]
        }
        FaultKind::Slow => {
            let pauses = u32::try_from(SLOW.as_millis() / PAUSE.as_millis()).unwrap_or(u32::MAX);
            let verb =
                |pause: u32| if pause.is_multiple_of(2) { Verb::Suspend } else { Verb::Resume };
            (0..pauses).map(|pause| (PAUSE * pause, verb(pause))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Group;

    const MINUTE: Duration = Duration::from_secs(60);

    fn slots() -> Vec<Slot> {
        let slot = |group, index| Slot { group, index };
        let instances = (0..3).map(|index| slot(Group::Instances, index));
        instances.chain([slot(Group::Backend, 0)]).collect()
    }

    fn all() -> Vec<FaultKind> {
        FaultKind::ALL.to_vec()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        let of = |seed| strikes(seed, MINUTE, &all(), &slots());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!((20..=50).contains(&of(1).len()), "{}", of(1).len());
    }

    #[test]
    fn a_longer_run_begins_like_a_shorter_one() {
        let (short, long) =
            [MINUTE / 2, MINUTE].map(|span| strikes(7, span, &all(), &slots())).into();
        assert_eq!(short[..], long[..short.len()]);
    }

    #[test]
    fn faults_come_one_after_the_other_and_within_the_time() {
        for seed in 0..100 {
            let strikes = strikes(seed, MINUTE, &all(), &slots());
            assert!(strikes.iter().all(|strike| (CALM..MINUTE).contains(&strike.at)));
            let gaps = strikes.windows(2).map(|pair| pair[1].at - pair[0].at);
            assert!(gaps.min().unwrap() >= Duration::from_millis(*GAP_MS.start()));
        }
    }

    #[test]
    fn only_the_faults_that_are_asked_for_come_and_each_of_them_does() {
        for some in [vec![FaultKind::Kill], vec![FaultKind::Stop, FaultKind::Refuse], all()] {
            let strikes = strikes(3, MINUTE * 10, &some, &slots());
            assert!(strikes.iter().all(|strike| some.contains(&strike.fault)));
            let comes = |fault: &FaultKind| strikes.iter().any(|strike| strike.fault == *fault);
            assert!(some.iter().all(comes), "{some:?}");
            assert!(slots().iter().all(|slot| strikes.iter().any(|strike| strike.slot == *slot)));
        }
        assert!(strikes(3, MINUTE, &[], &slots()).is_empty());
        assert!(strikes(3, MINUTE, &all(), &[]).is_empty());
    }

    #[test]
    fn who_is_made_slow_goes_on_in_the_end() {
        let strike = Strike { at: CALM, fault: FaultKind::Slow, slot: slots()[0] };
        let moves = moves(&[strike]);
        assert_eq!(moves.len(), 20);
        assert_eq!((moves[0].verb, moves[19].verb), (Verb::Suspend, Verb::Resume));
        assert!(moves.is_sorted_by_key(|each| each.at));
    }
}

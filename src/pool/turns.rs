//! Whose turn it is: weighted round robin without bursts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Weight;

/// Turns in a cycle that is written down: 256 KiB. Any weights of 65 endpoints fit exactly, and of
/// more if they have a divisor in common, as 50 and 100 have. Weights that do not fit are rounded
/// to so many turns, and nobody has less than one.
const CYCLE_MAX: u64 = 65_536;

/// Who takes which turn of a cycle.
#[derive(Debug)]
pub(super) enum Cycle {
    /// One after the other.
    Even,
    /// These places.
    Written(Box<[u32]>),
}

impl Cycle {
    /// Arranges the turns of places with these weights.
    pub(super) fn new(weights: &[Weight]) -> Self {
        let shares = shares(weights, CYCLE_MAX);
        if shares.iter().all(|share| *share == 1) {
            return Self::Even;
        }
        let length = shares.iter().sum::<u64>() as usize;
        Self::Written(Turns::new(shares).take(length).collect())
    }

    /// The place whose turn it is.
    pub(super) fn place(&self, count: usize, turn: u64) -> usize {
        match self {
            Self::Even => (turn % count as u64) as usize,
            Self::Written(places) => places[(turn % places.len() as u64) as usize] as usize,
        }
    }
}

/// Turns in a cycle for each weight: the exact ones if they are at most `most` together, and
/// otherwise the nearest that are, but at least one for each.
pub(super) fn shares(weights: &[Weight], most: u64) -> Vec<u64> {
    let percents = || weights.iter().map(|weight| u64::from(weight.percent()));
    let common = percents().fold(0, greatest_common_divisor).max(1);
    let total = percents().sum::<u64>() / common;
    if total <= most {
        return percents().map(|percent| percent / common).collect();
    }
    let rounded = |percent: u64| (percent / common * most + total / 2) / total;
    percents().map(|percent| rounded(percent).max(1)).collect()
}

/// The endless sequence of turns: of those who have not had their share yet, the one whose next
/// turn is due first (earliest eligible virtual deadline first, Stoica and Abdel-Wahab 1995).
///
/// At every moment everybody is less than one turn away from their exact share, so that the heavy
/// never come in bursts and a whole cycle gives everybody exactly their turns.
#[derive(Debug)]
pub(super) struct Turns {
    shares: Vec<u64>,
    total: u64,
    taken: Vec<u64>,
    now: u64,
    /// Who had their share for now, by when their next turn may begin.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    /// The others, by when it is due.
    eligible: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Turns {
    /// The turns of places with these shares, none of which is zero.
    pub(super) fn new(shares: Vec<u64>) -> Self {
        let waiting = (0..).take(shares.len()).map(|place| Reverse((0, place))).collect();
        Self {
            total: shares.iter().sum(),
            taken: vec![0; shares.len()],
            shares,
            now: 0,
            waiting,
            eligible: BinaryHeap::new(),
        }
    }

    /// When the turn after the ones that were taken is due. A fraction, in 2⁻³² of a cycle.
    fn due(&self, place: u32) -> u64 {
        ((self.taken[place as usize] + 1) << 32) / self.shares[place as usize]
    }

    /// When it may begin: the first turn at which the place has not had its share.
    fn begins(&self, place: u32) -> u64 {
        (self.taken[place as usize] * self.total).div_ceil(self.shares[place as usize])
    }
}

impl Iterator for Turns {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while let Some(Reverse((begins, place))) = self.waiting.peek().copied()
            && begins <= self.now
        {
            self.waiting.pop();
            self.eligible.push(Reverse((self.due(place), place)));
        }
        // What all have had too little of and too much of adds up to nothing, so there is one.
        let Reverse((_, place)) = self.eligible.pop()?;
        self.taken[place as usize] += 1;
        self.now += 1;
        self.waiting.push(Reverse((self.begins(place), place)));
        Some(place)
    }
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(percents: &[u32]) -> Vec<Weight> {
        percents.iter().copied().map(Weight::clamped).collect()
    }

    fn cycle(percents: &[u32]) -> Vec<usize> {
        let weights = weights(percents);
        let cycle = Cycle::new(&weights);
        let length = match &cycle {
            Cycle::Even => weights.len(),
            Cycle::Written(places) => places.len(),
        };
        (0..length as u64).map(|turn| cycle.place(weights.len(), turn)).collect()
    }

    #[test]
    fn the_light_ones_stand_between_the_turns_of_the_heavy_one() {
        assert_eq!(cycle(&[500, 100, 100]), [0, 1, 0, 0, 2, 0, 0]);
        let many = [&[1000][..], &[100; 10]].concat();
        assert!(cycle(&many).windows(2).all(|two| (two[0] == 0) != (two[1] == 0)));
    }

    #[test]
    fn equal_weights_need_no_table_and_a_common_divisor_shortens_it() {
        assert!(matches!(Cycle::new(&weights(&[7; 10_000])), Cycle::Even));
        assert_eq!(cycle(&[50, 100]).len(), 3);
    }

    #[test]
    fn what_does_not_fit_into_a_cycle_is_rounded_and_nobody_is_left_out() {
        let percents: Vec<u32> = (0..10_000).map(|number| number % 1000 + 1).collect();
        let cycle = cycle(&percents);
        assert!(cycle.len() as u64 <= CYCLE_MAX + 10_000, "{}", cycle.len());
        let mut turns = vec![0; percents.len()];
        cycle.iter().for_each(|place| turns[*place] += 1);
        assert!(turns.iter().all(|turns| *turns >= 1));
        let heavy = percents.iter().position(|percent| *percent == 1000).unwrap();
        assert_eq!(turns[heavy], 13);
    }

    proptest! {
        #[test]
        fn everybody_is_always_less_than_one_turn_from_their_share(
            percents in prop::collection::vec(1..=1000_u32, 1..30),
        ) {
            let cycle = cycle(&percents);
            let total: u64 = percents.iter().copied().map(u64::from).sum();
            let common = percents.iter().fold(0, |a, b| greatest_common_divisor(a, (*b).into()));
            prop_assert_eq!(cycle.len() as u64 * common, total);
            let mut taken = vec![0_i64; percents.len()];
            for (turn, place) in (1_i64..).zip(&cycle) {
                taken[*place] += 1;
                for (taken, percent) in taken.iter().zip(&percents) {
                    // In parts of a turn, `total` of which are one.
                    let off = taken * total as i64 - turn * i64::from(*percent);
                    prop_assert!(off.abs() < total as i64, "{off} of {total} at {turn}");
                }
            }
            for (taken, percent) in taken.iter().zip(&percents) {
                prop_assert_eq!(*taken as u64 * common, u64::from(*percent));
            }
        }
    }
}

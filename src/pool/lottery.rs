//! Drawing an endpoint in proportion to its weight, at a cost that depends on neither.

use super::Weight;
use super::draw::Draw;

/// A prepared draw among places, each in proportion to its weight. Exact: no weight is rounded.
#[derive(Debug, Default)]
pub(super) enum Lottery {
    /// All weigh the same, so that any place is as good as its number.
    #[default]
    Even,
    /// An alias table (Walker 1977, built as by Vose 1991).
    Weighted {
        /// One column for each place, all of the same height.
        columns: Box<[Column]>,
        /// That height: the sum of all weights.
        height: u64,
    },
}

/// Belongs to its own place up to `own`, and to `other` above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    own: u64,
    other: u32,
}

impl Lottery {
    /// Prepares the draw among places with these weights.
    pub(super) fn new(weights: &[Weight]) -> Self {
        if weights.windows(2).all(|two| two[0] == two[1]) {
            return Self::Even;
        }
        let height = weights.iter().map(|weight| u64::from(weight.percent())).sum();
        Self::Weighted { columns: columns(weights, height).into(), height }
    }

    /// Who is drawn, if the draw falls on this place: itself, or one that weighs more. If any place
    /// is as likely, everybody is as likely as their weight says. `round` counts the draws from the
    /// same bits; the even numbers among them have drawn the place.
    pub(super) fn winner(&self, place: usize, draw: Draw, round: u64) -> usize {
        match self {
            Self::Even => place,
            Self::Weighted { columns, height } => {
                let column = columns[place];
                let is_own = draw.below(2 * round + 1, *height) < column.own;
                if is_own { place } else { column.other as usize }
            }
        }
    }
}

/// Fills the columns: what one has too little of, one that has too much gives it.
fn columns(weights: &[Weight], height: u64) -> Vec<Column> {
    let count = weights.len() as u64;
    // In parts so small that every column is `height` of them high.
    let parts = weights.iter().map(|weight| u64::from(weight.percent()) * count);
    let mut columns: Vec<Column> =
        (0..).zip(parts).map(|(place, own)| Column { own, other: place }).collect();
    let (mut low, mut high): (Vec<u32>, Vec<u32>) =
        (0..).take(columns.len()).partition(|place: &u32| columns[*place as usize].own < height);
    while let (Some(poor), Some(rich)) = (low.pop(), high.last().copied()) {
        let missing = height - columns[poor as usize].own;
        columns[poor as usize].other = rich;
        columns[rich as usize].own -= missing;
        if columns[rich as usize].own < height {
            high.pop();
            low.push(rich);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many parts of all columns belong to each place.
    fn parts(lottery: &Lottery, count: usize) -> Vec<u64> {
        let Lottery::Weighted { columns, height } = lottery else { return vec![1; count] };
        let mut parts = vec![0; count];
        for (place, column) in columns.iter().enumerate() {
            parts[place] += column.own;
            parts[column.other as usize] += height - column.own;
        }
        parts
    }

    proptest! {
        #[test]
        fn every_place_has_exactly_the_share_of_its_weight(
            percents in prop::collection::vec(1..=1000_u32, 1..60),
        ) {
            let weights: Vec<Weight> = percents.iter().copied().map(Weight::clamped).collect();
            let parts = parts(&Lottery::new(&weights), weights.len());
            for (percent, part) in percents.iter().zip(&parts) {
                prop_assert_eq!(part * u64::from(percents[0]), parts[0] * u64::from(*percent));
            }
        }
    }

    #[test]
    fn draws_come_out_in_proportion() {
        let weights = [100, 1, 1000, 100].map(Weight::clamped);
        let lottery = Lottery::new(&weights);
        let mut drawn = [0_u32; 4];
        for bits in 0..120_100 {
            let draw = Draw::new(bits);
            drawn[lottery.winner(draw.below(0, 4) as usize, draw, 0)] += 1;
        }
        for (drawn, expected) in drawn.into_iter().zip([10_000_u32, 100, 100_000, 10_000]) {
            let off = drawn.abs_diff(expected);
            assert!(off < expected / 20 + 40, "{drawn} is not about {expected}");
        }
    }
}

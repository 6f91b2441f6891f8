//! How bytes arrive: all at once, one by one, or in pieces that the input itself decides.

use crate::http1::{Progress, Refusal};
use crate::reference::Outcome;

use super::verdict::{Verdict, show};

/// Pieces of the third way to arrive.
const PIECES_MAX: usize = 7;

/// Numbers that look random and depend on the input alone, so that a failure can be repeated.
pub(super) struct Draws(u64);

impl Draws {
    /// FNV-1a of the input.
    pub(super) fn of(input: &[u8]) -> Self {
        let fold = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(input.iter().fold(0xcbf2_9ce4_8422_2325, fold))
    }

    /// The next number below `bound`, by a step of SplitMix64.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// Where the pieces end, for each way to arrive but the first. The last is the whole input.
pub(super) fn ways(input: &[u8]) -> [Vec<usize>; 2] {
    let one_by_one = (1..=input.len()).collect();
    let mut draws = Draws::of(input);
    let count = draws.below(PIECES_MAX);
    let mut ends: Vec<usize> = (0..count).map(|_| draws.below(input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    [one_by_one, ends]
}

/// What `parse` says of a head that arrives in pieces, and how much had arrived then.
pub(super) fn arrive(
    input: &[u8],
    ends: &[usize],
    mut parse: impl FnMut(&[u8]) -> Result<Progress, Refusal>,
) -> (Result<Progress, Refusal>, usize) {
    for &end in ends {
        match parse(&input[..end]) {
            Ok(Progress::Incomplete) => {}
            said => return (said, end),
        }
    }
    (Ok(Progress::Incomplete), input.len())
}

/// What was said of a head in pieces is what was said of it whole.
///
/// One thing may differ: a refusal that comes before the end of the head may come later, because
/// a head in pieces is not looked at again before its end can be there.
pub(super) fn agree<T, R>(
    input: &[u8],
    whole: &Verdict<T>,
    (pieces, arrived): (Result<Progress, Refusal>, usize),
    reference: &Outcome<R>,
) {
    let has_no_end = matches!(reference, Outcome::Incomplete);
    let is_same = match (whole, pieces) {
        (Ok(Some(_)), Ok(Progress::Complete))
        | (Ok(None), Ok(Progress::Incomplete))
        | (Err(_), Err(_)) => true,
        (Err(_), Ok(Progress::Incomplete)) => has_no_end,
        _ => false,
    };
    let whole = whole.as_ref().map(Option::is_some);
    let said = format!("whole: {whole:?}, in pieces: {pieces:?} after {arrived}");
    assert!(is_same, "{said}, input: {}", show(input));
}

/// While a head is incomplete it has nothing that looks like an end: each of those has it parsed
/// again, and a client must not be able to buy many parses with few bytes.
pub(super) fn assert_no_end(input: &[u8]) {
    let mut head = input;
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    let ends = head.windows(2).any(|two| two == b"\n\n")
        || head.windows(3).any(|three| three == b"\n\r\n");
    assert!(!ends, "still incomplete after an end: {}", show(input));
}

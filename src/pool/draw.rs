//! Numbers drawn from one handful of random bits.

/// Endpoints drawn, turns taken or choices of a key gone through before giving up on luck: with
/// half of the endpoints unusable, sixteen all miss once in 65,000 picks.
pub(super) const DRAWS_MAX: u64 = 16;

/// Random bits that as many numbers can be drawn from as a decision takes. The same bits always
/// give the same numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    /// Draws from these bits.
    pub(super) const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The number that `salt` names, below `bound`: evenly, up to one part in 2⁶⁴ / `bound`.
    pub(super) fn below(self, salt: u64, bound: u64) -> u64 {
        part(self.bits(salt), bound)
    }

    /// More bits (the finalizer of SplitMix64).
    pub(super) fn bits(self, salt: u64) -> u64 {
        let mut bits = self.0.wrapping_add((salt + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

/// So many 2⁻⁶⁴ of a number, rounded down: the upper half of their product, which costs less than a
/// division.
pub(super) fn part(of_two_to_64: u64, number: u64) -> u64 {
    ((u128::from(of_two_to_64) * u128::from(number)) >> 64) as u64
}

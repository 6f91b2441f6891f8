//! Through which part of a large pool a thread looks for somebody with nothing to do.
//!
//! Two draws out of ten thousand endpoints nearly always meet one that this thread has not spoken
//! to for long: its connection is closed by now, or what the kernel and the processor knew of it is
//! gone from their caches. So a thread looks through an *aperture*: some neighbours on the ring of
//! all places (Finagle's word for it). This one is as wide as it has to be: whoever meets nobody
//! idle in it looks through one twice as wide, up to the whole ring. And it moves on, so that in
//! the long run each endpoint has the share that its weight gives it.

use super::draw::{DRAWS_MAX, Draw, part};

/// Neighbours of which one is idle, as a rule. A pool up to this size is looked at whole.
const WIDTH: usize = 32;

/// Draws through an aperture before the next one, which is twice as wide.
const DRAWS_EACH: u64 = 2;

/// Requests that an endpoint gets, on the average, while the aperture passes over it: so many that
/// the connection which has to be opened for them, which costs as much as two or three, is half a
/// per cent of their cost.
const TENURE: u64 = 512;

/// Where a thread's aperture begins: a part of the ring, in 2⁻⁶⁴ of it, so that it stays where it
/// is when the ring gets longer or shorter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start(u64);

/// The places that draws are made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aperture {
    begin: usize,
    narrowest: usize,
    count: usize,
}

impl Start {
    /// Some part, so that threads that start together do not look at the same endpoints.
    pub(super) const fn somewhere(draw: u64) -> Self {
        Self(draw)
    }

    /// The aperture of the next pick among so many, at least one. It moves by a place in
    /// [`TENURE`] picks.
    pub(super) fn next(&mut self, count: usize) -> Aperture {
        if count <= WIDTH {
            return Aperture::whole(count);
        }
        let begin = part(self.0, count as u64) as usize;
        self.0 = self.0.wrapping_add(u64::MAX / (count as u64 * TENURE));
        Aperture { begin, narrowest: WIDTH, count }
    }
}

impl Aperture {
    /// All of so many places.
    pub(super) const fn whole(count: usize) -> Self {
        Self { begin: 0, narrowest: count, count }
    }

    /// The place that this draw gives in this round, counted from 0.
    pub(super) fn place(&self, draw: Draw, round: u64) -> usize {
        let place = self.begin + draw.below(2 * round, self.width(round) as u64) as usize;
        if place < self.count { place } else { place - self.count }
    }

    /// Out of how many neighbours this round draws. The last rounds draw out of all.
    pub(super) fn width(&self, round: u64) -> usize {
        if round + DRAWS_EACH >= DRAWS_MAX {
            return self.count;
        }
        (self.narrowest << (round / DRAWS_EACH)).min(self.count)
    }
}

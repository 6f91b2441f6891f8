//! Consistent hashing: the same key meets the same endpoint for as long as that one is there, and
//! when one comes or goes nearly all other keys stay where they are.
//!
//! The table is Maglev's (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
//! Balancer", NSDI 2016, §3.4): every endpoint claims entries in an order of its own, taking turns
//! in proportion to its weight. It follows from the addresses and weights alone, so that every
//! thread, every balancer and the one after a restart agree.

use siphasher::sip::SipHasher13;

use super::Weight;
use super::draw::Draw;
use super::turns::{Turns, shares};
use crate::address::Address;

/// Entries of a table, a prime as the method demands: the one of the paper's smaller tables.
const ENTRIES: usize = 65_537;
/// Entries of a table for many: the paper's larger one, 2.6 MB.
const ENTRIES_MANY: usize = 655_373;
/// The paper's bound: so many entries for each keep the shares within 1 % of each other. Beyond
/// it the larger table is used; where it begins nearly all keys move once.
const ENTRIES_EACH: usize = 100;

/// An entry that nobody has claimed yet.
const VACANT: u32 = u32::MAX;

/// What of a request says where it belongs, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The key with this text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(hash(Purpose::Key, text))
    }

    /// What is drawn for it is always the same.
    pub(super) const fn draw(self) -> Draw {
        Draw::new(self.0)
    }
}

/// Where keys belong.
#[derive(Debug)]
pub(super) struct Maglev(Box<[u32]>);

impl Maglev {
    /// The table of places with these addresses and weights.
    pub(super) fn new(members: &[(&Address, Weight)]) -> Self {
        let size = match members.len() * ENTRIES_EACH {
            ..=ENTRIES => ENTRIES,
            _ => ENTRIES_MANY,
        };
        let mut order: Vec<u32> = (0..).take(members.len()).collect();
        // Whoever comes first in turn wins the entries that two want.
        order.sort_by_key(|place| members[*place as usize].0);
        let weights: Vec<Weight> = order.iter().map(|place| members[*place as usize].1).collect();
        let walks = order.iter().map(|place| Walk::new(members[*place as usize].0, size));
        let mut walks: Vec<Walk> = walks.collect();
        let mut entries = vec![VACANT; size];
        // A cycle of half the table has a turn for everybody, however light.
        for turn in Turns::new(shares(&weights, size as u64 / 2)).take(size) {
            let entry = walks[turn as usize].next_vacant(&entries);
            entries[entry] = order[turn as usize];
        }
        Self(entries.into())
    }

    /// The place where a key belongs; with a `round`, where it goes when that one cannot take it.
    /// Those are spread like the keys themselves, so that nobody inherits all of another's.
    pub(super) fn place(&self, key: Key, round: u64) -> usize {
        self.0[key.draw().below(round, self.0.len() as u64) as usize] as usize
    }
}

/// The order in which one endpoint claims entries: every so many, which meets all of a prime.
struct Walk {
    at: usize,
    step: usize,
}

impl Walk {
    fn new(address: &Address, size: usize) -> Self {
        let text = address.to_string();
        let hashed = |purpose, bound| hash(purpose, text.as_bytes()) % bound as u64;
        let at = hashed(Purpose::Offset, size) as usize;
        Self { at, step: hashed(Purpose::Step, size - 1) as usize + 1 }
    }

    /// The next entry on the way that is not taken. There must be one.
    fn next_vacant(&mut self, entries: &[u32]) -> usize {
        while entries[self.at] != VACANT {
            self.at = (self.at + self.step) % entries.len();
        }
        self.at
    }
}

/// What a hash is for: one of them says nothing about the others.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Key,
    Offset,
    Step,
}

/// SipHash-1-3, whose output is specified, so that it is the same after an upgrade. The key is no
/// secret: whoever wants to load one endpoint sends one key often, which no hash prevents.
fn hash(purpose: Purpose, text: &[u8]) -> u64 {
    SipHasher13::new_with_keys(0x636c_6f75_6461_7073, purpose as u64).hash(text)
}

#[cfg(test)]
mod tests;

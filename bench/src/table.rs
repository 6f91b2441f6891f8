//! Connections by number. A number that is used again gets a new token, so that an event that was
//! meant for the one before it finds nobody.

/// Which entry, and which of those that have had its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    index: u32,
    generation: u32,
}

/// Entries that come and go.
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

impl Token {
    /// The token as epoll carries it.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of what to_bits put in")]
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, entry: T) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            u32::try_from(self.slots.len() - 1).expect("there are fewer descriptors than that")
        });
        let slot = &mut self.slots[index as usize];
        slot.entry = Some(entry);
        Token { index, generation: slot.generation }
    }

    #[inline]
    pub(crate) fn get(&mut self, token: Token) -> Option<&mut T> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation == token.generation { slot.entry.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<T> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation != token.generation {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.index);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_token_does_not_find_the_successor() {
        let mut table = Table::new();
        let old = table.insert("old");
        assert_eq!(table.remove(old), Some("old"));
        let new = Token::from_bits(table.insert("new").to_bits());
        assert!(table.get(old).is_none() && table.remove(old).is_none());
        assert_eq!(table.get(new), Some(&mut "new"));
    }
}

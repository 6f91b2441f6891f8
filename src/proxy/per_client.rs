//! How many connections each client has, over all threads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries that the map may have room for without anybody in them.
const SPARE_MAX: usize = 1024;

/// The connections of each client.
///
/// One lock for all threads: it is taken when a connection opens and when it closes, for the time
/// of one look into a map. Opening and closing cost the system a hundred times that, so threads do
/// not meet here; no request comes past.
#[derive(Debug)]
pub(super) struct PerClient {
    most: usize,
    /// An entry for each client with a connection, and for no other.
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts as its client's until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    all: Arc<PerClient>,
    client: IpAddr,
}

impl PerClient {
    /// No client may have more than `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self { most, counts: Mutex::default() }
    }

    /// One more connection of the client at `address`, if it may have one.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let client = counted_as(address);
        let mut counts = self.counts();
        match counts.entry(client) {
            Entry::Occupied(count) if *count.get() >= self.most => return None,
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(first) => {
                first.insert(1);
            }
        }
        drop(counts);
        Some(Counted { all: Arc::clone(self), client })
    }

    fn leave(&self, client: IpAddr) {
        let mut counts = self.counts();
        match counts.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&client);
            }
        }
        // Memory follows the connections that live, not the most that ever did. Each time this
        // moves what is left, three times as many have gone.
        if counts.capacity() > SPARE_MAX.max(4 * counts.len()) {
            let room = 2 * counts.len();
            counts.shrink_to(room);
        }
    }

    /// What a thread that panicked has left is counts all the same.
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.leave(self.client);
    }
}

/// Whom an address belongs to: in IPv6 a /64 is what one subscriber has, who can take as many
/// addresses out of it as he likes (RFC 6177).
fn counted_as(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(most: usize) -> Arc<PerClient> {
        Arc::new(PerClient::new(most))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_that_has_all_it_may_have_waits_for_one_to_close() {
        let all = at_most(2);
        let client = address("192.0.2.1");
        let first = all.enter(client).unwrap();
        let _second = all.enter(client).unwrap();
        assert!(all.enter(client).is_none());
        assert!(all.enter(address("192.0.2.2")).is_some(), "another client is not this one");
        drop(first);
        assert!(all.enter(client).is_some());
    }

    #[test]
    fn a_64_of_ipv6_is_one_client() {
        let all = at_most(1);
        let _one = all.enter(address("2001:db8:1:2::1")).unwrap();
        assert!(all.enter(address("2001:db8:1:2:ffff:ffff:ffff:ffff")).is_none());
        assert!(all.enter(address("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn memory_is_given_back_when_the_clients_leave() {
        let all = at_most(1);
        let clients: Vec<Counted> =
            (0..100_000_u32).map(|ip| all.enter(IpAddr::V4(ip.into())).unwrap()).collect();
        assert_eq!(all.counts().len(), 100_000);
        drop(clients);
        let counts = all.counts();
        assert_eq!(counts.len(), 0);
        assert!(counts.capacity() <= 2 * SPARE_MAX, "{}", counts.capacity());
    }
}

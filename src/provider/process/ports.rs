//! Free loopback ports for instances.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use socket2::{Domain, Socket, Type};

/// Below the kernel's ephemeral range (32768 and up by default, ip(7)): there, any outgoing
/// connection could take the port between our check and the instance's own bind. Above 20000
/// few services have their well-known port.
const RANGE: Range<u16> = 20_000..32_000;

/// Goes round the range, so that the port of an instance that ended rests as long as possible:
/// a client with an old address then meets nobody, rather than a stranger.
#[derive(Debug)]
pub(super) struct Ports {
    next: u16,
}

impl Ports {
    /// Starts anywhere in the range, so that two fleets on one machine rarely meet.
    pub(super) fn starting_at(draw: u64) -> Self {
        let offset = draw % u64::from(RANGE.end - RANGE.start);
        Self { next: RANGE.start + u16::try_from(offset).expect("an offset within the range") }
    }

    /// The next port that nobody listens on and that is not `used`; takes it into `used`.
    pub(super) fn take(&mut self, used: &mut BTreeSet<u16>) -> Option<SocketAddr> {
        for _ in RANGE {
            let port = self.next;
            self.next = if port + 1 < RANGE.end { port + 1 } else { RANGE.start };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if !used.contains(&port) && is_free(address).is_ok() {
                used.insert(port);
                return Some(address);
            }
        }
        None
    }
}

/// Binds without `SO_REUSEADDR`, which also refuses a port with connections in `TIME_WAIT`: a
/// user's server may not set that option, and would then fail to start.
fn is_free(address: SocketAddr) -> io::Result<()> {
    Socket::new(Domain::for_address(address), Type::STREAM, None)?.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_stays_in_the_range() {
        let mut ports = Ports::starting_at(u64::from(RANGE.end - RANGE.start) - 1);
        let mut used = BTreeSet::new();
        let taken: Vec<_> = (0..8).map(|_| ports.take(&mut used).unwrap()).collect();
        assert_eq!(used.len(), 8, "{taken:?}");
        assert!(taken.iter().all(|address| RANGE.contains(&address.port())), "{taken:?}");
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_passed_over() {
        let mut ports = Ports::starting_at(77);
        let first = ports.take(&mut BTreeSet::new()).unwrap();
        let _listener = TcpListener::bind(first).unwrap();
        let again = Ports { next: first.port() }.take(&mut BTreeSet::new()).unwrap();
        assert_ne!(again, first);
    }

    #[test]
    fn a_full_range_gives_nothing() {
        let mut all = RANGE.collect();
        assert_eq!(Ports::starting_at(0).take(&mut all), None);
    }
}

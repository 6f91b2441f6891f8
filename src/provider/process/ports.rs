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

/// How many ports the range has: 2, 3 and 5 are its only prime factors.
const COUNT: u16 = RANGE.end - RANGE.start;

/// A multiple of all prime factors of [`COUNT`].
const PRIMES: u16 = 2 * 3 * 5;

/// Goes round the range, so that the port of an instance that ended rests as long as possible:
/// a client with an old address then meets nobody, rather than a stranger.
///
/// It takes strides of its own length. With strides of one, a fleet that starts among another's
/// ports would pass them all over and arrive where the other one is about to launch; side by side
/// they would take the same ports, newborn after newborn.
#[derive(Debug)]
pub(super) struct Ports {
    next: u16,
    stride: u16,
}

impl Ports {
    /// Starts anywhere in the range and with any stride, so that two fleets on one machine rarely
    /// meet, and part when they do.
    pub(super) fn starting_at(draw: u64) -> Self {
        let (offset, rest) = (draw % u64::from(COUNT), draw / u64::from(COUNT));
        // One more than a multiple of all prime factors shares none with the length of the range,
        // so that a round comes to every port.
        let stride = rest % u64::from(COUNT / PRIMES) * u64::from(PRIMES) + 1;
        let small = |number| u16::try_from(number).expect("a number below the length of the range");
        Self { next: RANGE.start + small(offset), stride: small(stride) }
    }

    /// The next port that nobody listens on and that is not `used`; takes it into `used`.
    pub(super) fn take(&mut self, used: &mut BTreeSet<u16>) -> Option<SocketAddr> {
        for _ in RANGE {
            let port = self.step();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if !used.contains(&port) && is_free(address).is_ok() {
                used.insert(port);
                return Some(address);
            }
        }
        None
    }

    /// Where it stands, before it goes on.
    fn step(&mut self) -> u16 {
        let port = self.next;
        self.next = RANGE.start + (port - RANGE.start + self.stride) % COUNT;
        port
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
        let mut ports = Ports::starting_at(u64::from(COUNT) - 1);
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
        let again = Ports { next: first.port(), stride: 1 }.take(&mut BTreeSet::new()).unwrap();
        assert_ne!(again, first);
    }

    #[test]
    fn a_round_comes_to_every_port_whatever_the_stride() {
        let count = u64::from(COUNT);
        for draw in [0, 1, count, count * 399, u64::MAX] {
            let mut ports = Ports::starting_at(draw);
            let met: BTreeSet<u16> = RANGE.map(|_| ports.step()).collect();
            assert_eq!(met, RANGE.collect(), "{ports:?}");
        }
    }

    #[test]
    fn two_fleets_that_meet_part() {
        let [mut one, mut other] = [0, u64::from(COUNT)].map(Ports::starting_at);
        assert_eq!(one.step(), other.step());
        assert_ne!(one.step(), other.step());
    }

    #[test]
    fn a_full_range_gives_nothing() {
        let mut all = RANGE.collect();
        assert_eq!(Ports::starting_at(0).take(&mut all), None);
    }
}

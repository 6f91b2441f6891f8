//! The listening sockets: one per thread, all on the same port.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per thread. The system caps it (`somaxconn`, 4096 on
/// Linux): a burst of clients should wait here rather than be refused.
const BACKLOG: i32 = 4096;

/// Descriptors that are not for traffic: a thread's listener, its epoll and what wakes it, and what
/// the controller and the admin API have open.
const DESCRIPTORS_KEPT: usize = 64;

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl BindError {
    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether somebody else listens there.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

/// Opens `count` sockets on one address, whose port may be 0 for any.
pub(super) fn listen(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let failed = |source| BindError { address, source };
    let first = open(address, Sharing::AfterBind).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(open(bound, Sharing::BeforeBind).map_err(failed)?);
    }
    Ok(listeners)
}

/// Lets this process open as many descriptors as it may: each request in flight takes two, and
/// the usual soft limit of 1024 is there for programs that use `select`.
pub fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Refused, we go on with what we have: connections beyond it wait in the backlog.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// How many client connections the descriptors of this process allow, if that is less than wanted.
/// Clients beyond it wait in the backlog until one leaves; accepted, they would only take the
/// descriptors that the requests of the others need.
pub(super) fn connections_that_fit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let fitting = fitting(limit);
    if fitting < wanted {
        tracing::info!(limit, wanted, fitting, "the descriptors allow fewer client connections");
    }
    fitting.min(wanted)
}

/// A quarter is for the connections to endpoints: most clients are idle at any moment, and requests
/// beyond that are held until others give their connections back.
const fn fitting(limit: usize) -> usize {
    let fitting = (limit - limit / 4).saturating_sub(DESCRIPTORS_KEPT);
    if fitting > 0 { fitting } else { 1 }
}

/// When a socket is marked as sharing its port with others of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// The first one: marked before, it could join the sockets of another process of the same
    /// user, and each would get a part of the other's clients.
    AfterBind,
    BeforeBind,
}

fn open(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a previous run that linger in TIME_WAIT must not keep the port.
    socket.set_reuse_address(true)?;
    if sharing == Sharing::BeforeBind {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_their_requests() {
        for (limit, connections) in [(0, 1), (64, 1), (1024, 704), (1_048_576, 786_368)] {
            assert_eq!(fitting(limit), connections);
        }
        assert_eq!(connections_that_fit(1), 1);
        assert!(connections_that_fit(usize::MAX) < usize::MAX);
    }
}

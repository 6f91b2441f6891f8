//! A connected stream socket, over TCP or within this machine (Unix domain).
//!
//! What is read and written is the same for both, so this offers only what they share: whether
//! the socket is ready, and one system call when it is. The runtime watches it only from the first
//! wait on: a client that asks once and leaves has mostly gone before anybody had to wait for it,
//! and has cost neither the two system calls of a watch nor its memory.

use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_quickack;
use socket2::{Domain, SockAddr, SockRef, Type};
use tokio::io::Interest;

use crate::address::Address;
use crate::descriptor::Late;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Socket(Late);

impl From<OwnedFd> for Socket {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Late::new(descriptor))
    }
}

impl Socket {
    /// Opens a connection.
    pub(super) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Ip(address) => Self::connect_tcp(*address).await,
            // Done at once: a listener whose queue is full refuses instead of letting us wait.
            Address::Unix(name) => {
                let (socket, address) = (open(Domain::UNIX)?, SockAddr::unix(name.to_path())?);
                socket.connect(&address)?;
                Ok(OwnedFd::from(socket).into())
            }
        }
    }

    async fn connect_tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = open(Domain::for_address(address))?;
        // Without it a request in two pieces waits for an acknowledgement (RFC 896).
        let _ = socket.set_tcp_nodelay(true);
        let begun = socket.connect(&address.into());
        let is_begun = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::INPROGRESS);
        let socket = Self::from(OwnedFd::from(socket));
        match begun {
            Err(error) if is_begun(&error) => socket.connected().await?,
            begun => begun?,
        }
        // With nobody listening on a local port, the system may choose that very port for our
        // side, and the socket is then connected to itself.
        let local = SockRef::from(&socket).local_addr().ok().and_then(|local| local.as_socket());
        if local == Some(address) {
            return Err(Errno::CONNREFUSED.into());
        }
        Ok(socket)
    }

    /// Returns when a connection that was begun is open, or has failed.
    async fn connected(&self) -> io::Result<()> {
        poll_fn(|context| self.poll_write_ready(context)).await?;
        SockRef::from(self).take_error()?.map_or(Ok(()), Err)
    }

    /// Whether somebody has waited for it.
    pub(super) fn is_watched(&self) -> bool {
        self.0.watched().is_some()
    }

    /// Has the runtime watch it from now on.
    pub(super) fn watch(&self) -> io::Result<()> {
        self.0.watch().map(|_| ())
    }

    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.watch()?.poll_read_ready(context))?.retain_ready();
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.watch()?.poll_write_ready(context))?.retain_ready();
        Poll::Ready(Ok(()))
    }

    /// Runs `operation`, which makes one system call, unless it was reported that the socket is
    /// not ready for it; if it would block (whether it was made or not), the socket counts as not
    /// ready from then on.
    pub(super) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        match self.0.watched() {
            Some(watch) => watch.try_io(interest, |_| operation()),
            None => operation(),
        }
    }

    /// Has the system acknowledge now what was read, instead of waiting up to 40 ms for something
    /// to send along with it (RFC 9293, 3.8.6.3). A sender that may not send more until then stands
    /// still, which is seen in the middle of large bodies, above all with BBR.
    pub(super) fn acknowledge(&self) {
        // Within this machine (Unix domain) there is nothing to acknowledge.
        let _ = set_tcp_quickack(self, true);
    }

    /// Has the runtime watch it no more.
    pub(super) fn into_unwatched(self) -> OwnedFd {
        self.0.into_unwatched()
    }

    /// Ends one direction, or both.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(self).shutdown(how)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(domain: Domain) -> io::Result<socket2::Socket> {
    socket2::Socket::new(domain, Type::STREAM.nonblocking().cloexec(), None)
}

#[cfg(test)]
mod tests {
    use rustix::net::{RecvFlags, recv};

    use super::*;

    fn read(socket: &Socket) -> io::Result<usize> {
        socket.try_io(Interest::READABLE, || {
            Ok(recv(socket, &mut [0; 8], RecvFlags::empty()).map(|(_, count)| count)?)
        })
    }

    #[tokio::test]
    async fn who_need_not_wait_is_not_watched_and_who_waits_is_from_then_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ours = Socket::connect(&address.into()).await.unwrap();
        let (theirs, _) = listener.accept().unwrap();
        assert_eq!(read(&ours).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        rustix::io::write(&theirs, b"abc").unwrap();
        poll_fn(|context| ours.poll_read_ready(context)).await.unwrap();
        assert!(ours.is_watched());
        assert_eq!(read(&ours).unwrap(), 3);
        // Another one of the same descriptor begins anew.
        let again = Socket::from(ours.into_unwatched());
        assert!(!again.is_watched());
        drop(theirs);
        poll_fn(|context| again.poll_read_ready(context)).await.unwrap();
        assert_eq!(read(&again).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_says_so_over_either_kind() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = Socket::connect(&closed.into()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let nobody: Address = "unix:@cloudaps-nobody-listens-here".parse().unwrap();
        let refused = Socket::connect(&nobody).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}

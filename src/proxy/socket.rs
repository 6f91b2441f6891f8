//! A connected stream socket, over TCP or within this machine (Unix domain).
//!
//! What is read and written is the same for both, so this offers only what they share: whether
//! the socket is ready, and one system call when it is. It is an enum of tokio's two types rather
//! than a descriptor of our own (`AsyncFd`), which tokio registers in unsafe code only; choosing
//! between them costs a predicted branch, and neither an allocation nor a system call.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;

/// A connection that the runtime does not watch.
#[derive(Debug)]
pub(super) enum Unwatched {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// One end of a connection.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl Socket {
    /// Opens a connection.
    pub(super) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Ip(address) => Self::connect_tcp(*address).await,
            // Done at once: a listener whose queue is full refuses instead of letting us wait.
            Address::Unix(name) => UnixStream::connect(name.to_path()).await.map(Self::Unix),
        }
    }

    async fn connect_tcp(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // With nobody listening on a local port, the system may choose that very port for our
        // side, and the socket is then connected to itself.
        if stream.local_addr().is_ok_and(|local| local == address) {
            return Err(Errno::CONNREFUSED.into());
        }
        // Without it a request in two pieces waits for an acknowledgement (RFC 896).
        let _ = stream.set_nodelay(true);
        Ok(Self::Tcp(stream))
    }

    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
        }
    }

    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Runs `operation`, which makes one system call, if the socket was reported ready for it; if
    /// it would block (whether it was made or not), the socket counts as not ready from then on.
    pub(super) fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Self::Tcp(stream) => stream.try_io(interest, operation),
            Self::Unix(stream) => stream.try_io(interest, operation),
        }
    }

    /// Has the runtime watch it no more.
    pub(super) fn unwatch(self) -> io::Result<Unwatched> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Unwatched::Tcp),
            Self::Unix(stream) => stream.into_std().map(Unwatched::Unix),
        }
    }

    /// Ends one direction, or both.
    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(self).shutdown(how)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Unwatched {
    /// Has the runtime watch it again.
    pub(super) fn watch(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }
}

impl AsFd for Unwatched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

//! Taking clients out of the backlog.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::descriptor;

/// A listening socket. Whom it accepts is not watched yet, as tokio's would be: that costs a system
/// call and a quarter of a kilobyte, and is not needed as long as a client says nothing.
#[derive(Debug)]
pub(super) struct Acceptor(AsyncFd<OwnedFd>);

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        descriptor::watch(listener.into()).map(Self)
    }

    /// The next client, and its end of the connection.
    pub(super) async fn accept(&self) -> io::Result<(OwnedFd, SocketAddr)> {
        self.0.async_io(Interest::READABLE, accept_now).await
    }
}

fn accept_now(listener: &OwnedFd) -> io::Result<(OwnedFd, SocketAddr)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (stream, address) = acceptfrom_with(listener, flags)?;
    // The system knows no address of a client that has left already.
    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
    let address = address.ok_or(ErrorKind::ConnectionAborted)?;
    Ok((stream, address))
}

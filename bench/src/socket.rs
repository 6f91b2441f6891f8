//! Sockets that never block, and the epoll that tells when they can go on.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Alarm;

/// Connections that may wait to be accepted: all ten thousand idle ones arrive at once.
const BACKLOG: i32 = 16_384;

/// Events that one wait may bring: enough for every connection of a busy case.
const EVENTS_MAX: usize = 1_024;

/// Starts to listen. On the wildcard address only the loopback interface is served, so that every
/// address of 127.0.0.0/8 leads here and nothing from outside does.
pub(crate) fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip().is_unspecified() {
        socket.bind_device(Some(b"lo"))?;
    }
    socket.set_reuse_address(true)?;
    // What is accepted inherits both.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Takes the next connection that waits, if one does.
pub(crate) fn accept(listener: &impl AsFd) -> io::Result<Option<OwnedFd>> {
    match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(accepted) => Ok(Some(accepted)),
        Err(Errno::AGAIN | Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Begins to connect; the socket is writable when that is done.
pub(crate) fn connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    /// The other side has closed, or the connection broke.
    End,
}

/// Reads once.
#[inline]
pub(crate) fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Received {
    received(recv(socket, bytes, RecvFlags::empty()))
}

/// Reads once, at most as much as there is room for, and drops it: nothing is copied to there.
pub(crate) fn discard(socket: &OwnedFd, room: &mut [u8]) -> Received {
    received(recv(socket, room, RecvFlags::TRUNC))
}

fn received(read: rustix::io::Result<(usize, usize)>) -> Received {
    match read {
        Ok((0, _)) => Received::End,
        Ok((count, _)) => Received::Bytes(count),
        Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
        Err(_) => Received::End,
    }
}

/// Writes once: how many bytes were taken, which is none while there is no room.
#[inline]
pub(crate) fn transmit(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    taken(send(socket, bytes, SendFlags::NOSIGNAL))
}

/// The same, of what is followed at once by more, with which it goes out.
pub(crate) fn announce(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    taken(send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::MORE))
}

/// The same, of `count` bytes of a file from `place` on, which are not copied.
pub(crate) fn transmit_file(
    socket: &OwnedFd,
    file: &OwnedFd,
    mut place: u64,
    count: u64,
) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    taken(sendfile(socket, file, Some(&mut place), count)).map(|sent| sent as u64)
}

fn taken(sent: rustix::io::Result<usize>) -> io::Result<usize> {
    match sent {
        Ok(count) => Ok(count),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// One epoll, edge-triggered: a socket is added once, and never changed.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Reports what happens to a connection as `token`. One that closes is forgotten by the kernel.
    pub(crate) fn add(&self, socket: &impl AsFd, token: u64) -> io::Result<()> {
        let edges = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP;
        self.register(socket, token, edges | epoll::EventFlags::ET)
    }

    /// Reports connections that wait at a listener, as long as one does; or bytes that do at
    /// something else that is only read.
    pub(crate) fn add_listener(&self, socket: &impl AsFd, token: u64) -> io::Result<()> {
        self.register(socket, token, epoll::EventFlags::IN)
    }

    /// Reports each time that an alarm rings as `token`.
    pub(crate) fn add_alarm(&self, alarm: &Alarm, token: u64) -> io::Result<()> {
        self.register(alarm, token, epoll::EventFlags::IN | epoll::EventFlags::ET)
    }

    /// Waits, and returns how many tokens there are to ask for.
    #[inline]
    pub(crate) fn wait(&mut self) -> io::Result<usize> {
        self.wait_for(None)
    }

    /// The same, without waiting.
    #[inline]
    pub(crate) fn look(&mut self) -> io::Result<usize> {
        self.wait_for(Some(&Timespec::default()))
    }

    #[inline]
    fn wait_for(&mut self, timeout: Option<&Timespec>) -> io::Result<usize> {
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout) {
            Ok(_) | Err(Errno::INTR) => Ok(self.events.len()),
            Err(error) => Err(error.into()),
        }
    }

    /// One of the tokens of the last wait.
    #[inline]
    pub(crate) fn token(&self, index: usize) -> u64 {
        self.events[index].data.u64()
    }

    fn register(
        &self,
        socket: &impl AsFd,
        token: u64,
        events: epoll::EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), events)?)
    }
}

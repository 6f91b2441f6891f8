//! What follows a switch of protocols (RFC 9110 §7.8): bytes, both ways, that nobody looks at.

use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::time::sleep;

use super::client::Client;
use super::io::{Arrived, arrived, readable, write_all};
use super::socket::Socket;
use super::thread::Thread;
use super::upstream::{Link, Role};
use crate::clock::{self, Instant};

/// A silent peer is asked whether it is there once a minute, and given up after the system's nine
/// questions: ten minutes, where the idle limit is an hour and the system's own default two.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(60));

/// Two connections that carry another protocol.
struct Tunnel<'a> {
    thread: &'a Thread,
    link: &'a Link,
    /// When a byte was last taken from either side.
    moved: Cell<Instant>,
    /// How long both may be silent.
    idle: Cell<Duration>,
}

/// Joins a client and an endpoint until both have said all, one fails, or neither has spoken for
/// the idle limit.
pub(super) async fn run(thread: &Thread, client: &Client, link: Link) {
    link.set_role(Role::Switched);
    for stream in [&client.stream, link.stream()] {
        // Refused, the idle limit ends the tunnel as well, only later.
        let _ = SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE);
    }
    let idle = Cell::new(thread.settings.timeouts.tunnel_idle);
    let tunnel = Tunnel { thread, link: &link, moved: Cell::new(clock::now()), idle };
    let ended = tokio::select! {
        biased;
        ended = async { tokio::try_join!(
            tunnel.carry(&client.stream, link.stream()),
            tunnel.carry(link.stream(), &client.stream),
        ) } => ended.is_ok(),
        () = tunnel.silence() => false,
    };
    if !ended {
        // Neither protocol nor client may take this for an orderly end.
        client.reset();
    }
}

impl Tunnel<'_> {
    /// Carries what `from` says to `to`, and its end. A side that does not read stops the other
    /// from being read. Holds a buffer only while there is something in it.
    async fn carry(&self, from: &Socket, to: &Socket) -> io::Result<()> {
        loop {
            readable(from).await?;
            let mut buffer = self.thread.take_buffer();
            let found = arrived(from, &mut buffer);
            if found == Arrived::Bytes {
                self.moved.set(clock::now());
                write_all(self.idle.get(), to, buffer.filled()).await?;
            }
            self.thread.give_buffer(buffer);
            if found == Arrived::End {
                break;
            }
        }
        if self.link.is_lost() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.half_close(to)
    }

    /// The other side may still answer, but has no reason to be long about it.
    fn half_close(&self, to: &Socket) -> io::Result<()> {
        self.idle.set(self.idle.get().min(self.thread.settings.timeouts.stall));
        self.moved.set(clock::now());
        to.shutdown(Shutdown::Write)
    }

    /// Returns when nothing was said for as long as is allowed.
    async fn silence(&self) {
        loop {
            let now = clock::now();
            let until = self.moved.get() + self.idle.get();
            if now >= until {
                return;
            }
            // A half-close may shorten the limit meanwhile.
            let step = until.since(now).min(self.thread.settings.timeouts.stall);
            sleep(step).await;
        }
    }
}

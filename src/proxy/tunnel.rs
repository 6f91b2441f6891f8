//! What follows a switch of protocols (RFC 9110 §7.8): bytes, both ways, that nobody looks at.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::time::sleep;

use super::buffer::Buffer;
use super::client::Client;
use super::error::Side;
use super::io::{Arrived, arrived, readable, write_all};
use super::socket::Socket;
use super::thread::Thread;
use super::trail::Trail;
use super::upstream::{Link, Role};
use crate::clock::{self, Instant};

/// A silent peer is asked whether it is there once a minute, and given up after the system's nine
/// questions: ten minutes, where the idle limit is an hour and the system's own default two.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(60));

/// Two connections that carry another protocol.
struct Tunnel<'a> {
    thread: &'a Thread,
    client: &'a Client,
    link: &'a Link,
    /// What will be told of the request, if it is.
    trail: RefCell<Option<Box<Trail>>>,
    /// When a byte was last taken from either side.
    moved: Cell<Instant>,
    /// How long both may be silent.
    idle: Cell<Duration>,
}

/// Which way bytes go.
#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// Who ends a tunnel that does not end in order, and how.
#[derive(Clone, Copy)]
struct Ended(Side, &'static str);

const CLIENT_GONE: Ended = Ended(Side::Client, "client_gone");
const ENDPOINT_GONE: Ended = Ended(Side::Server, "connection_terminated");
const IDLE: Ended = Ended(Side::Balancer, "tunnel_idle");

/// Joins a client and an endpoint until both have said all, one fails, or neither has spoken for
/// the idle limit.
pub(super) async fn run(thread: &Thread, client: &Client, link: Link, trail: Option<Box<Trail>>) {
    link.set_role(Role::Switched);
    for stream in [&client.stream, link.stream()] {
        // Refused, the idle limit ends the tunnel as well, only later.
        let _ = SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE);
    }
    let idle = Cell::new(thread.settings.timeouts.tunnel_idle);
    let (moved, trail) = (Cell::new(clock::now()), RefCell::new(trail));
    let tunnel = Tunnel { thread, client, link: &link, trail, moved, idle };
    let ended = tokio::select! {
        biased;
        ended = async { tokio::try_join!(tunnel.carry(Way::Up), tunnel.carry(Way::Down)) } => {
            ended.map(|_| ())
        }
        () = tunnel.silence() => Err(IDLE),
    };
    let mut trail = tunnel.trail.into_inner();
    if let Err(Ended(side, how)) = ended {
        trail.iter_mut().for_each(|trail| trail.notes.note_ended_by(side, how));
        // Neither protocol nor client may take this for an orderly end.
        client.reset();
    }
    trail.iter_mut().for_each(|trail| trail.close());
}

impl Tunnel<'_> {
    /// Carries what one side says to the other, and its end. A side that does not read stops the
    /// other from being read. Holds a buffer only while there is something in it.
    async fn carry(&self, way: Way) -> Result<(), Ended> {
        let (client, endpoint) = (&self.client.stream, self.link.stream());
        let (from, from_gone, to, to_gone) = match way {
            Way::Up => (client, CLIENT_GONE, endpoint, ENDPOINT_GONE),
            Way::Down => (endpoint, ENDPOINT_GONE, client, CLIENT_GONE),
        };
        loop {
            readable(from).await.map_err(|_| from_gone)?;
            let mut buffer = Buffer::default();
            let found = arrived(&self.thread.blocks, from, &mut buffer);
            if found == Arrived::Bytes {
                self.moved.set(clock::now());
                let patience = (self.client.alarm(), self.idle.get());
                write_all(patience, to, buffer.filled()).await.map_err(|_| to_gone)?;
                self.count(way, buffer.filled().len());
            }
            buffer.clear(&self.thread.blocks);
            if found == Arrived::End {
                break;
            }
        }
        if self.link.is_lost() {
            return Err(ENDPOINT_GONE);
        }
        self.half_close(to).map_err(|_| to_gone)
    }

    fn count(&self, way: Way, bytes: usize) {
        let mut trail = self.trail.borrow_mut();
        let Some(trail) = trail.as_deref_mut() else { return };
        match way {
            Way::Up => trail.received += bytes as u64,
            Way::Down => trail.notes.note_carried(bytes as u64),
        }
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

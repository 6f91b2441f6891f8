//! A client's connection: waiting for its next request, and the ways to part from it.

use std::cell::{Cell, OnceCell};
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;

use super::alarm::Alarm;
use super::buffer::Buffer;
use super::error::{Error, Kind};
use super::io::{is_quiet_now, poll_read, read, readable, wake_by_shutdown};
use super::per_client::Counted;
use super::settings::Inbound;
use super::socket::Socket;
use super::thread::Thread;
use crate::http1::{self, Forwarding, Peer, Progress, RequestHead};

/// Bytes that a refused client may still send before it is cut off: what a client with a window
/// of the usual size has under way when the answer reaches it.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: Socket,
    /// Who is at the other end of the socket: the client, or a proxy in front of us.
    pub(super) socket_address: IpAddr,
    identity: OnceCell<Identity>,
    /// What its session waits with.
    pub(super) alarm: Alarm,
    /// The tick of the thread's clock since which it has no request, if it has none.
    idle_since: Cell<Option<u32>>,
}

/// Who a client is.
#[derive(Debug)]
pub(super) struct Identity {
    /// Its address, or that of a proxy in front of us which can only tell per request.
    pub(super) address: IpAddr,
    /// The address, as the forwarding headers name it.
    pub(super) peer: Peer,
    /// What becomes of what it says about itself.
    pub(super) forwarding: Forwarding,
    /// Its place among the connections of that address, unless these are not counted.
    #[expect(dead_code, reason = "it is held, and given back when the client is dropped")]
    pub(super) counted: Option<Counted>,
}

impl Client {
    pub(super) fn new(stream: Socket, address: SocketAddr) -> Self {
        Self {
            stream,
            // An IPv4 client of a dual-stack listener is named as what it is.
            socket_address: address.ip().to_canonical(),
            identity: OnceCell::new(),
            alarm: Alarm::default(),
            idle_since: Cell::new(None),
        }
    }

    /// Settles who this is, once.
    pub(super) fn settle(&self, identity: Identity) {
        let settled = self.identity.set(identity);
        debug_assert!(settled.is_ok(), "a client is who it is");
    }

    /// Who this is.
    pub(super) fn identity(&self) -> &Identity {
        self.identity.get().expect("who a client is is settled before it is served")
    }

    /// Who sent a request: the client itself, or whom the proxies that we trust name in it.
    pub(super) fn sender(&self, inbound: &Inbound, request: &RequestHead, bytes: &[u8]) -> IpAddr {
        let address = self.identity().address;
        let is_trusted = |address| inbound.trusted_proxies.contains(address);
        http1::client_address(request, bytes, address, is_trusted)
    }

    /// Reads the beginning of the next request. Zero is the end of the connection. This waits with
    /// neither a buffer nor a timer: a connection that is idle for too long is closed by the
    /// thread, and then there is an end to be read.
    pub(super) async fn next(&self, thread: &Thread, inbound: &mut Buffer) -> io::Result<usize> {
        self.idle_since.set(Some(thread.tick_now()));
        let read = read(&thread.blocks, &self.stream, inbound).await;
        self.idle_since.set(None);
        read
    }

    /// Waits in the same way for what the connection has to begin with, and takes none of it.
    pub(super) async fn wait(&self, tick: u32) {
        self.idle_since.set(Some(tick));
        // An error is met again by whoever reads.
        let _ = readable(&self.stream).await;
        self.idle_since.set(None);
    }

    /// Reads a request's head. Its first byte is there or on its way; the rest has so much time as
    /// the settings say.
    pub(super) async fn read_head(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        request: &mut RequestHead,
    ) -> Result<(), Error> {
        request.clear();
        match parse(thread, inbound, request)? {
            Progress::Complete => Ok(()),
            // Boxed, as all that few requests need: a session has room for its longest wait.
            Progress::Incomplete => Box::pin(self.read_rest(thread, inbound, request)).await,
        }
    }

    async fn read_rest(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        request: &mut RequestHead,
    ) -> Result<(), Error> {
        let reading = pin!(async {
            loop {
                match read(&thread.blocks, &self.stream, inbound).await {
                    Ok(0) | Err(_) => return Err(Error::downstream(Kind::Gone)),
                    Ok(_) => {}
                }
                if parse(thread, inbound, request)? == Progress::Complete {
                    return Ok(());
                }
            }
        });
        let done = self.alarm.within(thread.settings.timeouts.head, reading).await;
        done.unwrap_or(Err(Error::downstream(Kind::SlowHead)))
    }

    /// Takes the timer back if there has been no request since before this tick: a busy connection
    /// keeps it, because setting it anew costs more than a request's head.
    pub(super) fn rest_if_idle_before(&self, tick: u32) {
        if self.idle_since.get().is_some_and(|since| since < tick) {
            self.alarm.clear();
        }
    }

    /// Ends the connection if it has had no request since before tick `oldest`, and none has
    /// arrived.
    pub(super) fn close_if_idle_before(&self, oldest: u32) {
        let is_due = self.idle_since.get().is_some_and(|since| since < oldest);
        if is_due && is_quiet_now(&self.stream) {
            wake_by_shutdown(&self.stream);
        }
    }

    /// Ready when the client has left. What it sends meanwhile (the next request) is kept.
    pub(super) fn poll_gone(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        while inbound.has_room() {
            // Mostly nothing has come, which asking for readiness first finds out sooner.
            if ready!(self.stream.poll_read_ready(context)).is_err() {
                return Poll::Ready(());
            }
            match ready!(poll_read(context, &thread.blocks, &self.stream, inbound)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        // A client that has filled the buffer ahead is noticed when it is answered.
        Poll::Pending
    }

    /// Says that no more will come, and lets the client read what was said before its own bytes
    /// make the system reset the connection (RFC 9112 §9.6).
    pub(super) async fn linger(&self, thread: &Thread, inbound: &mut Buffer) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let discard = pin!(async {
            let mut total = 0;
            while total < LINGER_BYTES_MAX {
                inbound.consume(inbound.filled().len());
                match read(&thread.blocks, &self.stream, inbound).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => total += count,
                }
            }
        });
        let _ = self.alarm.within(thread.settings.timeouts.linger, discard).await;
    }

    /// Makes closing a reset: the client must not take what it has for the whole answer.
    pub(super) fn reset(&self) {
        // If it fails the connection is gone, which is as clear.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// Reads as much of a head as has come.
fn parse(thread: &Thread, inbound: &Buffer, request: &mut RequestHead) -> Result<Progress, Error> {
    let parsed = request.parse(inbound.filled(), &thread.settings.limits.head);
    parsed.map_err(|refusal| Error::downstream(Kind::Refused(refusal)))
}

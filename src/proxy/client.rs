//! A client's connection: waiting for its next request, and the ways to part from it.

use std::cell::Cell;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::time::timeout;

use super::buffer::Buffer;
use super::error::{Error, Kind};
use super::io;
use super::socket::Socket;
use crate::http1::{Limits, Peer, Progress, RequestHead, Scheme};

/// Bytes that a refused client may still send before it is cut off: what a client with a window
/// of the usual size has under way when the answer reaches it.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: Socket,
    /// The address, as the forwarding headers name it.
    pub(super) peer: Peer,
    /// The tick of the thread's clock since which it has no request, if it has none.
    idle_since: Cell<Option<u32>>,
}

impl Client {
    pub(super) fn new(stream: Socket, address: SocketAddr) -> Self {
        // An IPv4 client of a dual-stack listener is named as what it is.
        let peer = Peer::new(address.ip(), Scheme::Http);
        Self { stream, peer, idle_since: Cell::new(None) }
    }

    /// Waits for the first byte of a request, holding neither a buffer nor a timer: a connection
    /// that is idle for too long is closed by the thread, and then there is an end to be read.
    pub(super) async fn wait(&self, tick: u32) {
        self.idle_since.set(Some(tick));
        // An error is met again by whoever reads.
        let _ = io::readable(&self.stream).await;
        self.idle_since.set(None);
    }

    /// Reads a request's head. Its first byte is there or on its way; the rest has `in_time`.
    pub(super) async fn read_head(
        &self,
        inbound: &mut Buffer,
        request: &mut RequestHead,
        limits: &Limits,
        in_time: Duration,
    ) -> Result<(), Error> {
        request.clear();
        let reading = async {
            loop {
                let parsed = request.parse(inbound.filled(), limits);
                match parsed.map_err(|refusal| Error::downstream(Kind::Refused(refusal)))? {
                    Progress::Complete => return Ok(()),
                    Progress::Incomplete => {}
                }
                match io::read(&self.stream, inbound).await {
                    Ok(0) | Err(_) => return Err(Error::downstream(Kind::Gone)),
                    Ok(_) => {}
                }
            }
        };
        let read = io::within(in_time, reading).await;
        read.unwrap_or(Err(Error::downstream(Kind::SlowHead)))
    }

    /// Ends the connection if it has had no request since before tick `oldest`, and none has
    /// arrived.
    pub(super) fn close_if_idle_before(&self, oldest: u32) {
        let is_due = self.idle_since.get().is_some_and(|since| since < oldest);
        if is_due && io::is_quiet_now(&self.stream) {
            io::wake_by_shutdown(&self.stream);
        }
    }

    /// Returns when the client has left. What it sends meanwhile (the next request) is kept.
    pub(super) async fn gone(&self, inbound: &mut Buffer) {
        while inbound.has_room() {
            match io::read(&self.stream, inbound).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        // A client that has filled the buffer ahead is noticed when it is answered.
        std::future::pending::<()>().await;
    }

    /// Says that no more will come, and lets the client read what was said before its own bytes
    /// make the system reset the connection (RFC 9112 §9.6).
    pub(super) async fn linger(&self, inbound: &mut Buffer, limit: Duration) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let discard = async {
            let mut total = 0;
            while total < LINGER_BYTES_MAX {
                inbound.consume(inbound.filled().len());
                match io::read(&self.stream, inbound).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => total += count,
                }
            }
        };
        let _ = timeout(limit, discard).await;
    }

    /// Makes closing a reset: the client must not take what it has for the whole answer.
    pub(super) fn reset(&self) {
        // If it fails the connection is gone, which is as clear.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

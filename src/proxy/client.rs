//! A client's connection: waiting for its next request, and the ways to part from it.

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::alarm::Alarm;
use super::buffer::Buffer;
use super::error::{Error, Kind};
use super::io::{is_quiet_now, poll_read, read, readable, reset_when_closed, wake_by_shutdown};
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
    /// What its session waits with: that of the task, which has had clients before.
    alarm: Rc<Alarm>,
    idle: Cell<Idle>,
    /// Wakes its session, which has waited for the client before.
    waker: OnceCell<Waker>,
}

/// Whether a client has a request, and if not, since which tick of its thread's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    No,
    Since(u32),
    /// For so long that its session is to end, and the connection to be parked.
    Long(u32),
}

/// What a client that has no request does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It asks.
    Asks,
    /// It leaves, or has to.
    Leaves,
    /// Nothing, for so long that it is better parked.
    Rests,
}

/// What there is of a client that has no session.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) stream: OwnedFd,
    pub(super) socket_address: IpAddr,
    pub(super) address: IpAddr,
    pub(super) counted: Option<Counted>,
    /// The tick since which it has had no request.
    pub(super) since: u32,
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
    /// Its place among the connections of that address, unless these are not counted. It is given
    /// back when the client is dropped.
    pub(super) counted: Option<Counted>,
}

impl Client {
    /// `alarm` is that of the task that serves it.
    pub(super) fn new(stream: Socket, socket_address: IpAddr, alarm: Rc<Alarm>) -> Self {
        Self {
            stream,
            socket_address,
            identity: OnceCell::new(),
            alarm,
            idle: Cell::new(Idle::No),
            waker: OnceCell::new(),
        }
    }

    /// What its session waits with.
    pub(super) fn alarm(&self) -> &Alarm {
        &self.alarm
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

    /// Reads the beginning of the next request, unless it is there already. This waits with neither
    /// a buffer nor a timer: the thread parks a connection that is idle for long, and closes one
    /// that is so for too long; then there is an end to be read.
    pub(super) fn next(&self, thread: &Thread, inbound: &mut Buffer) -> impl Future<Output = Next> {
        if inbound.is_empty() {
            self.idle.set(Idle::Since(thread.tick_now()));
            // Read unwatched, the next request could overtake what the runtime has still to tell of
            // a kept connection: that its endpoint has said something unasked. If the watch fails,
            // the wait meets the error itself.
            let _ = self.stream.watch();
        }
        poll_fn(|context| match self.idle.get() {
            Idle::No => Poll::Ready(Next::Asks),
            Idle::Since(_) | Idle::Long(_) => self.poll_next(thread, inbound, context),
        })
    }

    fn poll_next(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        context: &mut Context<'_>,
    ) -> Poll<Next> {
        let next = match poll_read(context, &thread.blocks, &self.stream, inbound) {
            Poll::Ready(Ok(1..)) => Next::Asks,
            Poll::Ready(Ok(0) | Err(_)) => Next::Leaves,
            Poll::Pending if matches!(self.idle.get(), Idle::Long(_)) => {
                return Poll::Ready(Next::Rests);
            }
            Poll::Pending => {
                self.keep_waker(context);
                return Poll::Pending;
            }
        };
        self.idle.set(Idle::No);
        Poll::Ready(next)
    }

    /// What is left when its session has ended because it rests.
    pub(super) fn rest(self) -> io::Result<Resting> {
        let (Idle::Since(since) | Idle::Long(since)) = self.idle.get() else {
            return Err(io::Error::other("a client with a request does not rest"));
        };
        let identity = self.identity.into_inner();
        let Identity { address, counted, .. } =
            identity.expect("who a client is is settled before it is served");
        let (stream, socket_address) = (self.stream.into_unwatched(), self.socket_address);
        Ok(Resting { stream, socket_address, address, counted, since })
    }

    /// Waits in the same way for what the connection has to begin with, and takes none of it.
    pub(super) async fn wait(&self, tick: u32) {
        self.idle.set(Idle::Since(tick));
        // An error is met again by whoever reads.
        let _ = readable(&self.stream).await;
        self.idle.set(Idle::No);
    }

    /// Reads a request's head. Its first byte is there or on its way; the rest has so much time as
    /// the settings say.
    pub(super) async fn read_head(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        request: &mut RequestHead,
    ) -> Result<(), Error> {
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

    /// Ends the session, and not the connection, if it has had no request since before tick
    /// `oldest`. One that has not asked for a request yet has another wait before it.
    pub(super) fn park_if_idle_before(&self, oldest: u32) {
        let (Idle::Since(since), Some(waker)) = (self.idle.get(), self.waker.get()) else { return };
        if since < oldest {
            self.idle.set(Idle::Long(since));
            waker.wake_by_ref();
        }
    }

    /// Ends the connection if it has had no request since before tick `oldest`, and none has
    /// arrived.
    pub(super) fn close_if_idle_before(&self, oldest: u32) {
        let (Idle::Since(since) | Idle::Long(since)) = self.idle.get() else { return };
        if since < oldest && self.is_quiet() {
            wake_by_shutdown(&self.stream);
        }
    }

    /// Whether it has sent nothing that was not read, and has not left.
    pub(super) fn is_quiet(&self) -> bool {
        is_quiet_now(&self.stream)
    }

    /// Has the runtime watch a client that [`Self::poll_gone_in_time`] has not watched until now.
    pub(super) fn watch_if_waiting(&self) {
        let (Idle::No, Some(waker)) = (self.idle.get(), self.waker.get()) else { return };
        if !self.stream.is_watched() {
            // If that fails, the session meets the error itself.
            let _ = self.stream.watch();
            waker.wake_by_ref();
        }
    }

    /// As [`Self::poll_gone`], for a wait that is mostly short. That the client of a first request
    /// has left is seen with the thread's next tick: by then most are answered, and need not be
    /// watched at all.
    pub(super) fn poll_gone_in_time(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.stream.is_watched() {
            return self.poll_gone(thread, inbound, context);
        }
        inbound.rest(&thread.blocks);
        self.keep_waker(context);
        Poll::Pending
    }

    /// Notes who is to be woken. It is always the same: a client belongs to one task.
    fn keep_waker(&self, context: &Context<'_>) {
        self.waker.get_or_init(|| context.waker().clone());
    }

    /// Ready when the client has left. What it sends meanwhile (the next request) is kept. This
    /// waits without a buffer, unless there is something in it: the next one who reads gets the one
    /// that the processor's caches hold.
    pub(super) fn poll_gone(
        &self,
        thread: &Thread,
        inbound: &mut Buffer,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        inbound.rest(&thread.blocks);
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

    /// Says that no more will come: with what the system may have kept back for that. Closed at
    /// once, it would throw that away if the client has said more than anybody wants to read.
    ///
    /// # Errors
    ///
    /// It fails only if the client is gone.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Says that no more will come, and lets the client read what was said before its own bytes
    /// make the system reset the connection (RFC 9112 §9.6).
    pub(super) async fn linger(&self, thread: &Thread, inbound: &mut Buffer) {
        if self.finish().is_err() {
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

    /// Makes closing a reset.
    pub(super) fn reset(&self) {
        reset_when_closed(&self.stream);
    }
}

impl Resting {
    /// Whether it has had no request since before tick `oldest`, and none has arrived.
    pub(super) fn is_idle_before(&self, oldest: u32) -> bool {
        self.since < oldest && is_quiet_now(&self.stream)
    }
}

/// Reads as much of a head as has come.
fn parse(thread: &Thread, inbound: &Buffer, request: &mut RequestHead) -> Result<Progress, Error> {
    let parsed = request.parse(inbound.filled(), &thread.settings.limits.head);
    parsed.map_err(|refusal| Error::downstream(Kind::Refused(refusal)))
}

//! Reading and writing without a system call more than needed.
//!
//! tokio remembers whether a socket was readable or writable when it last reported. Here it is
//! made to forget after a short read, which has taken all there was: so one message costs one
//! `read`, nobody asks in vain, and waiting needs no buffer. The same holds for writing: what the
//! system took only a part of has filled its buffer, and it reports when there is room again.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv};
use socket2::SockRef;
use tokio::io::Interest;

use super::alarm::Alarm;
use super::buffer::{Block, Buffer};
use super::pace::Pace;
use super::parts::Parts;
use super::socket::Socket;
use super::stock::Stock;
use crate::clock;

/// Waits until there is something to read: bytes, the end, or an error.
pub(super) async fn readable(stream: &Socket) -> io::Result<()> {
    poll_fn(|context| stream.poll_read_ready(context)).await
}

/// Reads once, as soon as there is something. Zero is the end of the stream. An empty buffer has no
/// memory while this waits.
pub(super) async fn read(
    blocks: &Stock<Block>,
    stream: &Socket,
    buffer: &mut Buffer,
) -> io::Result<usize> {
    poll_fn(|context| poll_read(context, blocks, stream, buffer)).await
}

/// The same, for whoever waits for more than this.
pub(super) fn poll_read(
    context: &mut Context<'_>,
    blocks: &Stock<Block>,
    stream: &Socket,
    buffer: &mut Buffer,
) -> Poll<io::Result<usize>> {
    loop {
        match read_now(blocks, stream, buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                buffer.rest(blocks);
                ready!(stream.poll_read_ready(context))?;
            }
            read => return Poll::Ready(read),
        }
    }
}

/// What is there to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Nothing yet: readiness is a hint, and tokio takes it for granted of a new connection.
    Nothing,
    /// Bytes, which are in the buffer now.
    Bytes,
    /// The end of the stream, or of the connection.
    End,
}

/// Reads once what is there already.
pub(super) fn arrived(blocks: &Stock<Block>, stream: &Socket, buffer: &mut Buffer) -> Arrived {
    match read_now(blocks, stream, buffer) {
        Ok(0) => Arrived::End,
        Ok(_) => Arrived::Bytes,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Arrived::Nothing,
        Err(_) => Arrived::End,
    }
}

/// The same, of a connection that the runtime does not watch.
pub(super) fn arrived_unwatched(
    blocks: &Stock<Block>,
    stream: &OwnedFd,
    buffer: &mut Buffer,
) -> Arrived {
    match recv(stream, buffer.room(blocks), RecvFlags::DONTWAIT) {
        Ok((_, count @ 1..)) => {
            buffer.add(count);
            Arrived::Bytes
        }
        Err(Errno::AGAIN) => {
            buffer.rest(blocks);
            Arrived::Nothing
        }
        Ok((_, 0)) | Err(_) => {
            buffer.rest(blocks);
            Arrived::End
        }
    }
}

/// Reads once, without waiting. A read that leaves room was the last one until the system reports
/// again: whatever arrives after it is a new event, and the end of the stream is not forgotten.
fn read_now(blocks: &Stock<Block>, stream: &Socket, buffer: &mut Buffer) -> io::Result<usize> {
    let mut taken = None;
    let read = stream.try_io(Interest::READABLE, || {
        let room = buffer.room(blocks);
        let (count, _) = recv(stream, &mut *room, RecvFlags::empty())?;
        taken = Some(count);
        if count < room.len() { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    buffer.add(taken.unwrap_or(0));
    taken.map_or(read, Ok)
}

/// Reads once, waiting at most `stall`.
pub(super) async fn read_within(
    (alarm, stall): (&Alarm, Duration),
    blocks: &Stock<Block>,
    stream: &Socket,
    buffer: &mut Buffer,
) -> io::Result<usize> {
    let read = alarm.within(stall, pin!(read(blocks, stream, buffer))).await;
    read.unwrap_or(Err(ErrorKind::TimedOut.into()))
}

/// Looks at what is there to read, which stays where it is. Zero is the end of the stream.
pub(super) fn look(stream: &Socket, room: &mut [u8]) -> io::Result<usize> {
    stream.try_io(Interest::READABLE, || {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        Ok(recv(stream, &mut *room, flags).map(|(_, count)| count)?)
    })
}

/// Takes exactly as much as `bytes` is long, all of which must have arrived.
pub(super) fn take_exactly(stream: &Socket, bytes: &mut [u8]) -> io::Result<()> {
    let wanted = bytes.len();
    let (_, count) = recv(stream, bytes, RecvFlags::DONTWAIT)?;
    if count == wanted { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Reads once, from a client that has to keep its pace.
pub(super) async fn read_at(
    (alarm, pace): (&Alarm, &mut Pace),
    blocks: &Stock<Block>,
    stream: &Socket,
    buffer: &mut Buffer,
) -> io::Result<usize> {
    in_step((alarm, pace), pin!(read(blocks, stream, buffer))).await
}

/// Writes once, to a client that has to keep its pace, as soon as something fits.
pub(super) async fn write_at(
    (alarm, pace): (&Alarm, &mut Pace),
    stream: &Socket,
    parts: Parts<'_>,
) -> io::Result<usize> {
    in_step((alarm, pace), pin!(write_some(stream, parts))).await
}

/// Waits for a client as long as its pace allows. What is ready at once costs neither a timer nor
/// a look at the clock.
pub(super) async fn in_step<F: Future<Output = io::Result<usize>>>(
    (alarm, pace): (&Alarm, &mut Pace),
    mut work: Pin<&mut F>,
) -> io::Result<usize> {
    let mut waiting = None;
    let done = poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(done),
        Poll::Pending => {
            let begun = || {
                let now = clock::now();
                (now, now + pace.patience())
            };
            let (_, until) = *waiting.get_or_insert_with(begun);
            alarm.poll(until, context).map(|()| Err(ErrorKind::TimedOut.into()))
        }
    });
    let done = done.await;
    if let Some((since, _)) = waiting {
        pace.waited(clock::now().since(since));
    }
    done.inspect(|count| pace.moved(*count))
}

/// Writes what fits, as soon as something does.
async fn write_some(stream: &Socket, parts: Parts<'_>) -> io::Result<usize> {
    loop {
        match write_now(stream, parts, SendFlags::NOSIGNAL) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|context| stream.poll_write_ready(context)).await?;
            }
            written => return written,
        }
    }
}

/// Writes what fits, after waiting at most `stall` for room.
pub(super) async fn write(
    (alarm, stall): (&Alarm, Duration),
    stream: &Socket,
    parts: Parts<'_>,
) -> io::Result<usize> {
    let written = alarm.within(stall, pin!(write_some(stream, parts))).await;
    written.unwrap_or(Err(ErrorKind::TimedOut.into()))
}

/// When the system sends what it has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    Now,
    /// With the end of what we say, which comes at once: that is one packet instead of two, each of
    /// which both sides' systems have to handle and to acknowledge.
    WithTheEnd,
}

/// Writes what fits at once, which may be nothing.
pub(super) fn write_at_once(
    stream: &Socket,
    parts: Parts<'_>,
    departure: Departure,
) -> io::Result<usize> {
    let flags = match departure {
        Departure::Now => SendFlags::NOSIGNAL,
        Departure::WithTheEnd => SendFlags::NOSIGNAL.union(SendFlags::MORE),
    };
    match write_now(stream, parts, flags) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// Writes once, without waiting. A write that took less has filled the socket, and another one
/// would be in vain until the system reports room.
fn write_now(stream: &Socket, parts: Parts<'_>, flags: SendFlags) -> io::Result<usize> {
    let mut given = None;
    let written = stream.try_io(Interest::WRITABLE, || {
        let count = parts.send(stream, flags)?;
        given = Some(count);
        if count < parts.len() { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    given.map_or(written, Ok)
}

/// Writes all, as long as each `stall` brings some progress.
pub(super) async fn write_all(
    (alarm, stall): (&Alarm, Duration),
    stream: &Socket,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = write((alarm, stall), stream, bytes.into()).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Whether nothing was reported since the last read: no byte, no end, no error. Costs no system
/// call, unless something was.
pub(super) fn is_quiet(stream: &Socket) -> bool {
    let peeked = stream.try_io(Interest::READABLE, || Ok(peek(stream)?));
    matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// The same, asked of the system: an end that has arrived but was not reported yet counts.
pub(super) fn is_quiet_now<S: AsFd>(stream: &S) -> bool {
    peek(stream) == Err(Errno::AGAIN)
}

/// Looks at the next byte, which stays where it is.
fn peek(stream: impl AsFd) -> Result<usize, Errno> {
    recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(_, count)| count)
}

/// Makes closing a reset: the client must not take what it has for the whole answer.
pub(super) fn reset_when_closed<S: AsFd>(stream: &S) {
    // If it fails the connection is gone, which is as clear.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Ends both directions, so that whoever waits on the socket sees its end.
pub(super) fn wake_by_shutdown(stream: &Socket) {
    // It fails only if the connection is gone, and then its task has been woken already.
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

//! Reading and writing without a system call more than needed.
//!
//! tokio remembers whether a socket was readable or writable when it last reported. Here it is
//! made to forget after a short read, which has taken all there was: so one message costs one
//! `read`, nobody asks in vain, and waiting needs no buffer. The same holds for writing: what the
//! system took only a part of has filled its buffer, and it reports when there is room again.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::buffer::Buffer;
use super::socket::Socket;

/// Waits for `future` at most `limit`. What is ready at once costs no timer.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(limit, future).await,
    }
}

/// Waits until there is something to read: bytes, the end, or an error.
pub(super) async fn readable(stream: &Socket) -> io::Result<()> {
    poll_fn(|context| stream.poll_read_ready(context)).await
}

/// Reads once, as soon as there is something. Zero is the end of the stream.
pub(super) async fn read(stream: &Socket, buffer: &mut Buffer) -> io::Result<usize> {
    buffer.make_room();
    loop {
        match read_now(stream, buffer.spare()) {
            Ok(count) => {
                buffer.add(count);
                return Ok(count);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => readable(stream).await?,
            Err(error) => return Err(error),
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
pub(super) fn arrived(stream: &Socket, buffer: &mut Buffer) -> Arrived {
    match read_now(stream, buffer.spare()) {
        Ok(0) => Arrived::End,
        Ok(count) => {
            buffer.add(count);
            Arrived::Bytes
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Arrived::Nothing,
        Err(_) => Arrived::End,
    }
}

/// Reads once, without waiting. A read that leaves room was the last one until the system reports
/// again: whatever arrives after it is a new event, and the end of the stream is not forgotten.
fn read_now(stream: &Socket, room: &mut [u8]) -> io::Result<usize> {
    let mut taken = None;
    let read = stream.try_io(Interest::READABLE, || {
        let (count, _) = recv(stream, &mut *room, RecvFlags::empty())?;
        taken = Some(count);
        if count < room.len() { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    taken.map_or(read, Ok)
}

/// Reads once, waiting at most `stall`.
pub(super) async fn read_within(
    stall: Duration,
    stream: &Socket,
    buffer: &mut Buffer,
) -> io::Result<usize> {
    within(stall, read(stream, buffer)).await?
}

/// Writes what fits now, after waiting at most `stall` for room.
pub(super) async fn write(stall: Duration, stream: &Socket, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match write_now(stream, bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let writable = poll_fn(|context| stream.poll_write_ready(context));
                timeout(stall, writable).await??;
            }
            written => return written,
        }
    }
}

/// Writes once, without waiting. A write that took less has filled the socket, and another one
/// would be in vain until the system reports room.
fn write_now(stream: &Socket, bytes: &[u8]) -> io::Result<usize> {
    let mut given = None;
    let written = stream.try_io(Interest::WRITABLE, || {
        let count = send(stream, bytes, SendFlags::NOSIGNAL)?;
        given = Some(count);
        if count < bytes.len() { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    given.map_or(written, Ok)
}

/// Writes all, as long as each `stall` brings some progress.
pub(super) async fn write_all(
    stall: Duration,
    stream: &Socket,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = write(stall, stream, bytes).await?;
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
pub(super) fn is_quiet_now(stream: &Socket) -> bool {
    peek(stream) == Err(Errno::AGAIN)
}

/// Looks at the next byte, which stays where it is.
fn peek(stream: &Socket) -> Result<usize, Errno> {
    recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT).map(|(_, count)| count)
}

/// Ends both directions, so that whoever waits on the socket sees its end.
pub(super) fn wake_by_shutdown(stream: &Socket) {
    // It fails only if the connection is gone, and then its task has been woken already.
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

//! Reading and writing without a system call more than needed.
//!
//! tokio remembers whether a socket was readable or writable when it last reported, and forgets
//! it after a short read or write. So one message costs one `recv`, nobody asks in vain, and
//! waiting needs no buffer.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::buffer::Buffer;

/// Waits for `future` at most `limit`. What is ready at once costs no timer.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(limit, future).await,
    }
}

/// Waits until there is something to read: bytes, the end, or an error.
pub(super) async fn readable(stream: &TcpStream) -> io::Result<()> {
    poll_fn(|context| stream.poll_read_ready(context)).await
}

/// Reads once, as soon as there is something. Zero is the end of the stream.
pub(super) async fn read(stream: &TcpStream, buffer: &mut Buffer) -> io::Result<usize> {
    buffer.make_room();
    loop {
        match stream.try_read(buffer.spare()) {
            Ok(count) => {
                buffer.add(count);
                return Ok(count);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => readable(stream).await?,
            Err(error) => return Err(error),
        }
    }
}

/// Reads once, waiting at most `stall`.
pub(super) async fn read_within(
    stall: Duration,
    stream: &TcpStream,
    buffer: &mut Buffer,
) -> io::Result<usize> {
    within(stall, read(stream, buffer)).await?
}

/// Writes what fits now, after waiting at most `stall` for room.
pub(super) async fn write(stall: Duration, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.try_write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let writable = poll_fn(|context| stream.poll_write_ready(context));
                timeout(stall, writable).await??;
            }
            written => return written,
        }
    }
}

/// Writes all, as long as each `stall` brings some progress.
pub(super) async fn write_all(
    stall: Duration,
    stream: &TcpStream,
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
pub(super) fn is_quiet(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0]) {
        Err(error) => error.kind() == ErrorKind::WouldBlock,
        Ok(_) => false,
    }
}

/// The same, asked of the system: an end that has arrived but was not reported yet counts.
pub(super) fn is_quiet_now(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    is_quiet(stream) && recv(stream, &mut [0], flags) == Err(Errno::AGAIN)
}

/// Ends both directions, so that whoever waits on the socket sees its end.
pub(super) fn wake_by_shutdown(stream: &TcpStream) {
    // It fails only if the connection is gone, and then its task has been woken already.
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
}

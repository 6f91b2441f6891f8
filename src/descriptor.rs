//! Descriptors that the runtime watches although it has no type for them.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime tell when there is something to read.
///
/// tokio's constructors that are not `unsafe` are deprecated, because a type with another idea of
/// `as_raw_fd` could close or swap its descriptor meanwhile (tokio-rs/tokio#8587). An `OwnedFd`
/// that nobody else can reach keeps what the `unsafe` ones ask for: it stays open, and the same.
///
/// # Errors
///
/// Fails if the system has no room for one more, or cannot watch what this is.
#[expect(deprecated, reason = "sound for an OwnedFd, and this crate has no unsafe code")]
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

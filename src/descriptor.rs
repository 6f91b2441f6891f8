//! Descriptors that the runtime watches although it has no type for them.

use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

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

/// A descriptor that the runtime watches only once somebody has to wait for it.
#[derive(Debug)]
pub(crate) struct Late {
    /// Before the descriptor, so that it ends before that is closed.
    watch: OnceCell<AsyncFd<Handle>>,
    descriptor: OwnedFd,
}

/// The number of the descriptor that [`Late`] owns.
#[derive(Debug)]
pub(crate) struct Handle(RawFd);

impl Late {
    /// It must not block.
    pub(crate) const fn new(descriptor: OwnedFd) -> Self {
        Self { watch: OnceCell::new(), descriptor }
    }

    /// Its watch, if it has one.
    pub(crate) fn watched(&self) -> Option<&AsyncFd<Handle>> {
        self.watch.get()
    }

    /// Has the runtime tell from now on when it can be read or written.
    ///
    /// # Errors
    ///
    /// As [`watch`], which also says why this is sound: nobody else reaches the descriptor, and it
    /// outlives its watch.
    #[expect(deprecated, reason = "sound for a descriptor that is owned beside its watch")]
    pub(crate) fn watch(&self) -> io::Result<&AsyncFd<Handle>> {
        if let Some(watch) = self.watch.get() {
            return Ok(watch);
        }
        let handle = Handle(self.descriptor.as_raw_fd());
        let both = Interest::READABLE.add(Interest::WRITABLE);
        let watch = AsyncFd::with_interest(handle, both)?;
        Ok(self.watch.get_or_init(|| watch))
    }

    /// Has the runtime watch it no more.
    pub(crate) fn into_unwatched(self) -> OwnedFd {
        drop(self.watch);
        self.descriptor
    }
}

impl AsFd for Late {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn what_has_come_before_it_is_watched_is_told_and_its_end_leaves_no_trace() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let late = Late::new(theirs.into());
        assert!(late.watched().is_none());
        ours.write_all(b"a").unwrap();
        let watch = late.watch().unwrap();
        poll_fn(|context| watch.poll_read_ready(context)).await.unwrap().clear_ready();
        assert!(std::ptr::eq(watch, late.watch().unwrap()), "it is watched once");
        let mut again = UnixStream::from(late.into_unwatched());
        again.read_exact(&mut [0]).unwrap();
        // The same descriptor, for whoever wants it watched next.
        assert!(Late::new(again.into()).watch().is_ok());
    }
}

//! Large bodies that go from one socket to another without passing through our memory.
//!
//! splice(2) moves the pages that a socket has received into a pipe, and from there into the socket
//! that sends them: nothing is copied, and there are fewer calls, because a pipe takes more than a
//! block. What it moves is not seen, so it is for bodies whose length is known and whose bytes go
//! on as they came.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use super::socket::Socket;

/// What has to be left of a body for a pipe to be worth taking: four blocks, each of which would be
/// a read and a write.
pub(super) const WORTHWHILE: u64 = 64 * 1024;

/// What a pipe holds at most, and so what a client that stops reading keeps of an answer here. More
/// does not make it faster; it is the kernel's memory, which limits it for each user (pipe(7)) and
/// then makes the pipes smaller, which makes us slower and nothing else.
const PIPE_BYTES: usize = 128 * 1024;

/// Pipes that a thread keeps, at two descriptors each: as many large bodies at a time as make up a
/// busy thread.
const KEPT_MAX: usize = 16;

/// A thread's pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    #[expect(clippy::vec_box, reason = "a request, which few use one in, has room for a pointer")]
    kept: RefCell<Vec<Box<Pipe>>>,
    /// Some sandboxes do not have the system call.
    is_offered: Cell<bool>,
}

/// A pipe on the way from one socket to another.
#[derive(Debug)]
pub(super) struct Pipe {
    entrance: OwnedFd,
    exit: OwnedFd,
    filled: usize,
}

impl Default for Pipes {
    fn default() -> Self {
        Self { kept: RefCell::default(), is_offered: Cell::new(true) }
    }
}

impl Pipes {
    /// An empty pipe; `None` if there can be none, and the body has to be copied.
    pub(super) fn take(&self) -> Option<Box<Pipe>> {
        if !self.is_offered.get() {
            return None;
        }
        // Out of descriptors, say.
        self.kept.borrow_mut().pop().or_else(|| Pipe::open().ok())
    }

    /// Takes it back, unless there is something in it: that belongs to one body alone.
    pub(super) fn give(&self, pipe: Box<Pipe>) {
        let mut kept = self.kept.borrow_mut();
        if pipe.is_empty() && kept.len() < KEPT_MAX {
            kept.push(pipe);
        }
    }

    /// Whether an error says that the system does not offer this here; then it is not tried again.
    /// Nothing was moved.
    pub(super) fn is_refused(&self, error: &io::Error) -> bool {
        let refused = matches!(
            error.kind(),
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
        );
        self.is_offered.set(self.is_offered.get() && !refused);
        refused
    }
}

impl Pipe {
    fn open() -> io::Result<Box<Self>> {
        let (exit, entrance) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does it, too.
        let _ = fcntl_setpipe_size(&entrance, PIPE_BYTES);
        Ok(Box::new(Self { entrance, exit, filled: 0 }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Moves in what `from` has received, at most so much, as soon as there is something. Zero is
    /// the end of the stream. For an empty pipe, which always has room.
    pub(super) async fn fill(&mut self, from: &Socket, most: u64) -> io::Result<usize> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(PIPE_BYTES);
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let entrance = &self.entrance;
        let moved = poll_fn(|context| {
            poll_io(context, from, Interest::READABLE, || {
                splice(from, None, entrance, None, most, flags)
            })
        })
        .await?;
        from.acknowledge();
        self.filled += moved;
        Ok(moved)
    }

    /// Moves out what is in it, as soon as `to` takes something.
    pub(super) async fn drain(&mut self, to: &Socket) -> io::Result<usize> {
        let (exit, filled) = (&self.exit, self.filled);
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = poll_fn(|context| {
            poll_io(context, to, Interest::WRITABLE, || splice(exit, None, to, None, filled, flags))
        })
        .await?;
        self.filled -= moved;
        Ok(moved)
    }
}

/// One system call as soon as the socket is ready for it. That it would have to wait is the
/// socket's doing: the pipe is empty or not, as the call needs it.
fn poll_io(
    context: &mut Context<'_>,
    socket: &Socket,
    interest: Interest,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        match socket.try_io(interest, || Ok(call()?)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(match interest {
                Interest::READABLE => socket.poll_read_ready(context),
                _ => socket.poll_write_ready(context),
            })?,
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use rustix::net::sockopt::{set_tcp_quickack, tcp_quickack};

    use super::*;

    #[tokio::test]
    async fn a_sender_need_not_wait_for_the_acknowledgement_of_what_a_pipe_took() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (receiver, _) = listener.accept().unwrap();
        receiver.set_nonblocking(true).unwrap();
        // As the system has it after some requests and answers.
        set_tcp_quickack(&receiver, false).unwrap();
        let receiver = Socket::from(OwnedFd::from(receiver));
        let mut pipe = Pipe::open().unwrap();

        sender.write_all(b"a part of a body").unwrap();
        assert!(!tcp_quickack(&receiver).unwrap());
        assert_eq!(pipe.fill(&receiver, 5).await.unwrap(), 5);
        assert!(tcp_quickack(&receiver).unwrap());
    }
}

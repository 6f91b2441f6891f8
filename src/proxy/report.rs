//! What the engine tells the controller.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::pool::EndpointId;

/// Something that the controller wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A request failed there. Dropped when the channel is full: the endpoint is ejected already,
    /// and a report that comes a hundred times says nothing more.
    Failed {
        /// The endpoint.
        endpoint: EndpointId,
        /// How.
        failure: Failure,
    },
    /// This thread has applied a snapshot in which the endpoint is not serving (or is absent), and
    /// has nothing in flight there. Never dropped: a drain is over when all threads said so.
    Quiet {
        /// The endpoint.
        endpoint: EndpointId,
        /// The thread.
        thread: usize,
    },
}

/// How an endpoint failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It refused the connection: nothing listens there.
    Refused,
    /// No connection could be opened: there is no way there.
    Unreachable,
    /// No connection could be opened in time.
    ConnectTimedOut,
    /// It closed the connection before it answered.
    Reset,
    /// It closed the connection in the middle of its answer's head.
    Incomplete,
    /// It did not answer in time.
    TimedOut,
    /// What it answered is not HTTP.
    Invalid,
    /// The head of its answer is larger than allowed.
    TooLarge,
    /// We could not even try: this machine is out of descriptors, ports or memory.
    Exhausted,
}

impl Failure {
    /// Why a connection could not be opened.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        const OURS: [Errno; 5] =
            [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
        match Errno::from_io_error(error) {
            // A Unix socket's file is gone with its server, or was not made yet.
            Some(Errno::CONNREFUSED | Errno::NOENT) => Self::Refused,
            Some(Errno::TIMEDOUT) => Self::ConnectTimedOut,
            Some(errno) if OURS.contains(&errno) => Self::Exhausted,
            _ => Self::Unreachable,
        }
    }
}

impl Failure {
    /// Whether the endpoint may have acted on the request.
    pub(super) const fn is_after_sending(self) -> bool {
        match self {
            Self::Refused | Self::Unreachable | Self::ConnectTimedOut | Self::Exhausted => false,
            Self::Reset | Self::Incomplete | Self::TimedOut | Self::Invalid | Self::TooLarge => {
                true
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "refused the connection",
            Self::Unreachable => "cannot be reached",
            Self::ConnectTimedOut => "did not take the connection in time",
            Self::Reset => "closed the connection before it answered",
            Self::Incomplete => "closed the connection in the middle of its answer",
            Self::TimedOut => "did not answer in time",
            Self::Invalid => "did not answer in HTTP",
            Self::TooLarge => "answered with a head that is too large",
            Self::Exhausted => "not tried: out of descriptors, ports or memory",
        })
    }
}

//! Why a verb was not done, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::controller::INSTANCES_MAX;
use crate::fleet::ParseSlotError;
use crate::incidents::KEPT_MAX;
use crate::provider::process::OpenError;
use crate::{config, provider, state_dir};

/// The exit code of a command that was called wrongly (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// A verb that was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration file is not valid.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The argument names no slot.
    #[error("{0}; in short, `0` or `backend`")]
    Slot(#[from] ParseSlotError),
    /// The argument is out of range.
    #[error("{0} instances are out of range: allowed are 0 to {INSTANCES_MAX}")]
    Size(u32),
    /// So many incidents cannot be shown.
    #[error("{0} incidents cannot be shown: allowed are 1 to {KEPT_MAX}")]
    Last(usize),
    /// The state directory, or what is in it.
    #[error(transparent)]
    State(#[from] state_dir::Error),
    /// The token cannot be had, so nothing can be changed.
    #[error(
        "changing something takes the token of the running `cloudaps up`, and it cannot be \
        had here; run this as the user who runs `up`, and name its --state-dir"
    )]
    Token(#[source] state_dir::Error),
    /// Nobody answers.
    #[error(
        "nothing answers at http://{address} ({reason}): if `cloudaps up` runs elsewhere, \
        name its --state-dir or --admin; if it was killed, start it again (it takes over what \
        still runs), or end what it left with `cloudaps down`"
    )]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// How it failed.
        reason: String,
    },
    /// Somebody else answers.
    #[error(
        "{address} answers, but not as the admin API of `cloudaps up` does ({reason}): name \
        the address with --admin, or the --state-dir of the `up` that is meant"
    )]
    Stranger {
        /// Where.
        address: SocketAddr,
        /// What is strange.
        reason: String,
    },
    /// The token is another one's.
    #[error("the `cloudaps up` at http://{address} does not take the token in {}: it is that of \
        another; name the --state-dir of the one that is meant", file.display())]
    WrongToken {
        /// Where.
        address: SocketAddr,
        /// Where our token is from.
        file: PathBuf,
    },
    /// The server does not want to, and says why.
    #[error("{error}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// Why.
        error: String,
    },
    /// Somebody owns the state directory and cannot be asked to go.
    #[error("`cloudaps up` ({holder}) uses {}, but cannot be told to stop; to stop it all the \
        same: kill {pid}", dir.display())]
    Deaf {
        /// The state directory.
        dir: PathBuf,
        /// Whose it is.
        holder: String,
        /// Its process, for the advice.
        pid: String,
        /// What became of the last try.
        source: Box<Failure>,
    },
    /// It takes too long.
    #[error("`cloudaps up` ({holder}) is still stopping after {}; `cloudaps status` shows what it \
        waits for, and a second `kill` ends it at once", humantime::format_duration(*after))]
    StillStopping {
        /// Whose it is.
        holder: String,
        /// For how long.
        after: Duration,
    },
    /// What an `up` left cannot be taken over.
    #[error("cannot take over what `cloudaps up` left")]
    Open(#[from] OpenError),
    /// What an `up` left cannot be listed.
    #[error("cannot list what `cloudaps up` left")]
    List(#[source] provider::Error),
    /// Some of what an `up` left still runs.
    #[error("{0} of the processes that `cloudaps up` left could not be ended; try again")]
    Left(usize),
    /// The outcome cannot be printed.
    #[error("cannot print")]
    Print(#[from] io::Error),
    /// The system does not let us work.
    #[error("cannot start")]
    Start(#[source] io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Slot(_) | Self::Size(_) | Self::Last(_) => {
                ExitCode::from(EXIT_USAGE)
            }
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether a server that comes or goes just now answers like this.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Refused { status: 503, .. }
                | Self::State(state_dir::Error::NotRunning { .. })
        )
    }
}

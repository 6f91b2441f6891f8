//! The signals that stop us, and the one that asks for a new access log.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT (Ctrl-C) and SIGTERM, which mean the same; and SIGUSR1, which is sent to programs with a
/// log once it was moved away, and must not end one without.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    reopen: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Stop,
    Reopen,
}

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let reopen = signal(SignalKind::user_defined1())?;
        Ok(Self { interrupt, terminate, reopen })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.reopen.recv() => Wish::Reopen,
        }
    }

    /// Waits for one that stops us.
    pub(super) async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}

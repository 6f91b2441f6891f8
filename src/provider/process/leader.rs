//! The process that an instance is, and the process group that it leads.
//!
//! It is held by a pidfd, which means this process and no other, even after the kernel has handed
//! its number out again; and which is readable once it has ended, so that nobody has to poll
//! (pidfd_open(2)). That works for our children and for processes adopted from another controller.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::locked;
use super::procfs::{self, State};
use crate::descriptor;

/// A process that leads a group of its own.
#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    /// How it ended, once somebody has found out. Held while the group is signalled: while nobody
    /// takes our child's exit status, its number stays its own.
    how: Mutex<Option<Arc<str>>>,
}

impl Leader {
    /// Takes hold of whatever process has the number now, if there is one.
    pub(super) fn open(pid: Pid) -> io::Result<Option<Self>> {
        let Some(pidfd) = open_pidfd(pid)? else { return Ok(None) };
        Ok(Some(Self { pid, pidfd: descriptor::watch(pidfd)?, how: Mutex::default() }))
    }

    pub(super) const fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until it has ended; says how.
    pub(super) async fn ended(&self) -> io::Result<Arc<str>> {
        let check = |_: &OwnedFd| self.how()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
        self.pidfd.async_io(Interest::READABLE, check).await
    }

    /// How it ended, or `None` while it lives.
    pub(super) fn how(&self) -> io::Result<Option<Arc<str>>> {
        self.find_out(&mut locked(&self.how))
    }

    /// Whether it is suspended, by `SIGSTOP` for example.
    pub(super) fn is_stopped(&self) -> io::Result<bool> {
        if self.how()?.is_some() {
            return Ok(false);
        }
        Ok(procfs::stat(self.pid)?.is_some_and(|stat| stat.state == State::Stopped))
    }

    /// Sends a signal to the whole group, if the leader lives: a dead leader's number may name
    /// somebody else's group by now.
    pub(super) fn signal_group(&self, signal: Signal) -> io::Result<()> {
        let mut how = locked(&self.how);
        if self.find_out(&mut how)?.is_some() {
            return Ok(());
        }
        // Not both for every signal: a second SIGTERM means "at once" to many servers.
        let sent = match kill_process_group(self.pid, signal) {
            Err(Errno::SRCH) => pidfd_send_signal(&self.pidfd, signal),
            Ok(()) if signal == Signal::KILL => pidfd_send_signal(&self.pidfd, signal),
            other => other,
        };
        unless_absent(sent).map(drop).map_err(io::Error::from)
    }

    fn find_out(&self, how: &mut Option<Arc<str>>) -> io::Result<Option<Arc<str>>> {
        if how.is_none() && has_ended(self.pidfd.as_fd(), Timespec::default())? {
            *how = Some(self.reap().into());
        }
        Ok(how.clone())
    }

    /// Ends what is left of the group, and takes the exit status, if the process is our child.
    ///
    /// Until the status is taken the child's number stays its own, so that the group's number
    /// cannot mean anybody else. An adopted process belongs to init, which takes the status.
    fn reap(&self) -> String {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let id = || WaitId::PidFd(self.pidfd.as_fd());
        if !matches!(waitid(id(), peek), Ok(Some(_))) {
            return "exited (adopted, so its status is not known)".to_owned();
        }
        // Fails only when nobody is left in the group, which is what we want.
        let _ = kill_process_group(self.pid, Signal::KILL);
        match waitid(id(), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => describe(&status),
            Ok(None) | Err(_) => "exited".to_owned(),
        }
    }
}

/// Takes hold of a process, or `None` if no process has that number.
pub(super) fn open_pidfd(pid: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(unless_absent(pidfd_open(pid, PidfdFlags::empty()))?)
}

/// Whether the process has ended, after waiting for that at most as long as told.
pub(super) fn has_ended(pidfd: BorrowedFd<'_>, wait: Timespec) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&wait)))? > 0)
}

/// `None` for a process that is not there any more.
pub(super) fn unless_absent<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// In the words of the standard library: `exit status: 1`, `signal: 9 (SIGKILL)`.
fn describe(status: &WaitIdStatus) -> String {
    const CORE_DUMPED: i32 = 0x80;
    let exited = status.exit_status().map(|code| code << 8);
    let killed = status.terminating_signal();
    let dumped = if status.dumped() { CORE_DUMPED } else { 0 };
    ExitStatus::from_raw(exited.or(killed).unwrap_or_default() | dumped).to_string()
}

//! The fleet's own processes, for whoever tries how it copes when they fail.
//!
//! Reads the launch records of a running `up`, and changes none. A process is held by its pidfd
//! from before it is compared with its record, so that what is done is done to it or to nobody,
//! even after the kernel has handed its number out again.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::Timespec;
use rustix::process::{Pid, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_send_signal};
use socket2::{SockFilter, Socket};

use super::leader::{has_ended, open_pidfd, unless_absent};
use super::procfs::{self, State};
use super::record::{Ledger, Record};
use crate::fleet::{InstanceId, Slot};
use crate::state_dir::StateDir;

/// A program for the kernel that drops every packet (BPF: return 0 bytes of it).
const DROP_ALL: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];

/// Where the launch records of a running `up` are.
#[derive(Debug)]
pub struct Victims {
    ledger: Ledger,
    boot: String,
}

/// A process of the fleet.
#[derive(Debug)]
pub struct Victim {
    instance: InstanceId,
    slot: Slot,
    pid: Pid,
    pidfd: OwnedFd,
}

impl Victims {
    /// Those of the fleet that keeps its state there.
    ///
    /// # Errors
    /// The kernel does not say which boot this is.
    pub fn of(dir: &StateDir) -> io::Result<Self> {
        Ok(Self { ledger: Ledger::new(dir.records()), boot: procfs::boot()? })
    }

    /// Every process of the fleet that lives, in the order of their slots.
    ///
    /// # Errors
    /// The records or the processes cannot be looked at.
    pub fn alive(&self) -> io::Result<Vec<Victim>> {
        let found = self.ledger.peek()?.into_iter().map(|record| self.seize(&record));
        found.filter_map(Result::transpose).collect()
    }

    fn seize(&self, record: &Record) -> io::Result<Option<Victim>> {
        let Some(identity) = record.process.as_ref().filter(|of| of.boot == self.boot) else {
            return Ok(None);
        };
        let Some(pid) = Pid::from_raw(identity.pid) else { return Ok(None) };
        let Some(pidfd) = open_pidfd(pid)? else { return Ok(None) };
        let stat = procfs::stat(pid)?;
        let is_it =
            stat.is_some_and(|stat| stat.started == identity.started && stat.state != State::Ended);
        let (instance, slot) = (record.id(), record.slot);
        Ok(is_it.then_some(Victim { instance, slot, pid, pidfd }))
    }
}

impl Victim {
    /// Whose process it is.
    #[must_use]
    pub const fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The place that the instance was launched for.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The process's number.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// `SIGKILL`.
    ///
    /// # Errors
    /// The process is not ours to signal.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// `SIGSTOP`: it keeps its connections, and does nothing.
    ///
    /// # Errors
    /// The process is not ours to signal.
    pub fn suspend(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// `SIGCONT`.
    ///
    /// # Errors
    /// The process is not ours to signal.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Whether it is suspended, by whomever.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn is_suspended(&self) -> io::Result<bool> {
        let stopped = procfs::stat(self.pid)?.is_some_and(|stat| stat.state == State::Stopped);
        Ok(stopped && self.is_alive()?)
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn is_alive(&self) -> io::Result<bool> {
        Ok(!has_ended(self.pidfd.as_fd(), Timespec::default())?)
    }

    /// New connections are refused from now on, for good; those that it has go on.
    ///
    /// # Errors
    /// The kernel does not let us reach into the process.
    pub fn refuse(&self) -> io::Result<()> {
        self.for_each_listener(|listener| listener.shutdown(Shutdown::Read))
    }

    /// New connections get no answer from now on: every packet to its listeners is dropped.
    ///
    /// # Errors
    /// The kernel does not let us reach into the process.
    pub fn block(&self) -> io::Result<()> {
        self.for_each_listener(|listener| listener.attach_filter(&DROP_ALL))
    }

    /// Takes back what [`Self::block`] did.
    ///
    /// # Errors
    /// The kernel does not let us reach into the process.
    pub fn unblock(&self) -> io::Result<()> {
        self.for_each_listener(|listener| match listener.detach_filter() {
            // It has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
    }

    /// Whether the kernel lets us reach into it.
    ///
    /// # Errors
    /// It does not; this is how it says so.
    pub fn reach(&self) -> io::Result<()> {
        self.for_each_listener(|_| Ok(()))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(unless_absent(pidfd_send_signal(&self.pidfd, signal)).map(drop)?)
    }

    /// Does something to each socket that it listens on.
    fn for_each_listener(&self, act: impl Fn(&Socket) -> io::Result<()>) -> io::Result<()> {
        match self.visit_listeners(act) {
            // It has ended meanwhile, of what was done to the first one perhaps: there are no more.
            Err(error) if is_absence(&error) => Ok(()),
            visited => visited,
        }
    }

    /// A copy of such a socket keeps the port open after the process's own end, so none is kept
    /// longer than that takes.
    fn visit_listeners(&self, act: impl Fn(&Socket) -> io::Result<()>) -> io::Result<()> {
        let folder = PathBuf::from(format!("/proc/{}/fd", self.pid()));
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Closed meanwhile, it was no listener.
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            if !target.as_os_str().to_string_lossy().starts_with("socket:") {
                continue;
            }
            let socket = match pidfd_getfd(&self.pidfd, number, PidfdGetfdFlags::empty()) {
                Ok(socket) => Socket::from(socket),
                Err(rustix::io::Errno::BADF) => continue,
                Err(error) => return Err(error.into()),
            };
            if socket.is_listener().unwrap_or(false) {
                act(&socket)?;
            }
        }
        Ok(())
    }
}

/// Whether that is how the kernel says that a process is no more.
fn is_absence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests;

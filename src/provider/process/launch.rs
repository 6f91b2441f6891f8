//! Makes a process: intent, spawn, identity.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::io::Errno;
use rustix::process::Pid;

use super::leader::Leader;
use super::ports::Ports;
use super::record::{Identity, Record};
use super::workload::{Addresses, Workload};
use super::{
    CONTROL_TOKEN_VARIABLE, INSTANCE_VARIABLE, LAUNCH_VARIABLE, OWNER_VARIABLE, STORE_VARIABLE,
};
use super::{Error, Fault, Instance, InstanceId, Launch, Shared, locked, procfs};
use crate::clock;
use crate::fleet::{Group, LaunchToken};

/// The longest token: EC2's limit, and short enough for a file's name.
const TOKEN_CHARS_MAX: usize = 64;

impl Shared {
    /// Launches an instance, or finds the one that the token has made. Blocks.
    pub(super) fn launch(self: &Arc<Self>, launch: &Launch) -> Result<Instance, Error> {
        let mut ports = locked(&self.ports);
        if let Some(entry) = self.entry(&InstanceId::new(launch.token.as_str())) {
            return entry.instance();
        }
        refuse_odd_token(&launch.token)?;
        let workload = self.workload(launch.slot.group)?;
        let at = self.addresses(workload, &mut ports)?;
        let words = workload.words(&self.program, at, &launch.backends);
        let intent = intent(launch, at, &words);
        self.ledger.write(&intent).map_err(|error| {
            let what = format!("cannot write the launch record of {}", launch.token);
            Error::new(Fault::Unavailable, anyhow!(error).context(what))
        })?;
        self.start(intent, workload, &words)?.instance()
    }

    fn workload(&self, group: Group) -> Result<&Workload, Error> {
        let workload = match group {
            Group::Instances => Some(&self.config.instances),
            Group::Backend => self.config.backend.as_ref(),
        };
        workload.ok_or_else(|| {
            Error::new(
                Fault::Denied,
                anyhow!("no command is configured for group {}", group.name()),
            )
        })
    }

    fn addresses(&self, workload: &Workload, ports: &mut Ports) -> Result<Addresses, Error> {
        let entries = self.entries();
        let mut used: BTreeSet<u16> =
            entries.iter().flat_map(|entry| entry.record.ports()).collect();
        let mut take = || {
            let none = || anyhow!("no loopback port is free");
            ports.take(&mut used).ok_or_else(|| Error::new(Fault::Capacity, none()))
        };
        let traffic = take()?;
        let control = if workload.has_control() { Some(take()?) } else { None };
        Ok(Addresses { traffic, control })
    }

    /// Spawns the process and completes its record; without a process the intent is withdrawn.
    fn start(
        &self,
        intent: Record,
        workload: &Workload,
        words: &[OsString],
    ) -> Result<super::Entry, Error> {
        let started = self.spawn(&intent, workload, words).and_then(|child| self.identify(child));
        match started {
            Ok((identity, leader)) => {
                let record = Record { process: Some(identity), ..intent };
                self.complete(&record);
                let pid = leader.pid().as_raw_pid();
                tracing::debug!(instance = %record.token, pid, "spawned");
                Ok(self.watch(record, leader))
            }
            Err(error) => {
                if let Err(error) = self.ledger.remove(&intent.token) {
                    tracing::warn!(instance = %intent.token, %error, "a launch record stays");
                }
                Err(error)
            }
        }
    }

    fn spawn(
        &self,
        record: &Record,
        workload: &Workload,
        words: &[OsString],
    ) -> Result<Child, Error> {
        let mut command = self.command(record, workload, words).map_err(|error| {
            let what = format!("cannot open the log of {}", record.token);
            Error::new(Fault::Unavailable, anyhow!(error).context(what))
        })?;
        command.spawn().map_err(|error| {
            let fault = spawn_fault(&error);
            Error::new(fault, anyhow!(error).context(format!("cannot run {}", self.name(words))))
        })
    }

    fn command(
        &self,
        record: &Record,
        workload: &Workload,
        words: &[OsString],
    ) -> io::Result<Command> {
        let log = self.logs.open(&record.token)?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        command.env(INSTANCE_VARIABLE, record.id().as_str());
        let tag = self.tag(record);
        command.env(LAUNCH_VARIABLE, tag.token.as_str()).env(OWNER_VARIABLE, tag.owner);
        // The user's own program has no business with the secrets that our environment may hold.
        command.env_remove(CONTROL_TOKEN_VARIABLE);
        command.env_remove(STORE_VARIABLE);
        if let Some(store) = workload.store() {
            command.env(STORE_VARIABLE, store);
        }
        if workload.has_control() {
            command.env(CONTROL_TOKEN_VARIABLE, self.config.control_token.as_str());
        }
        if let Some(directory) = &self.config.directory {
            command.current_dir(directory);
        }
        Ok(command)
    }

    /// Takes hold of the new process. One that cannot be watched is ended again.
    fn identify(&self, mut child: Child) -> Result<(Identity, Leader), Error> {
        let pid = Pid::from_child(&child);
        take_hold(pid, &self.boot).map_err(|error| {
            // Both fail only if the process has ended.
            let _ = child.kill();
            let _ = child.wait();
            Error::new(Fault::Capacity, error.context("cannot watch the new process"))
        })
    }

    /// The intent and the tag in the process's environment suffice for adoption, so that a full
    /// disk does not cost an instance that already runs.
    pub(super) fn complete(&self, record: &Record) {
        if let Err(error) = self.ledger.write(record) {
            tracing::warn!(instance = %record.token, %error, "a launch record is incomplete");
        }
    }

    fn name(&self, words: &[OsString]) -> String {
        let program = words[0].display();
        match &self.config.directory {
            Some(directory) => format!("`{program}` in {}", directory.display()),
            None => format!("`{program}`"),
        }
    }
}

/// Opens a process that is known to be ours, and reads what identifies it.
pub(super) fn take_hold(pid: Pid, boot: &str) -> Result<(Identity, Leader), anyhow::Error> {
    let leader = Leader::open(pid)?.context("it is gone")?;
    let stat = procfs::stat(pid)?.context("it is gone")?;
    let boot = boot.to_owned();
    Ok((Identity { pid: pid.as_raw_pid(), started: stat.started, boot }, leader))
}

fn intent(launch: &Launch, at: Addresses, words: &[OsString]) -> Record {
    // As exact as it is written, so that an adopted instance is the same to the millisecond.
    let now = Duration::from_millis(clock::wall().as_millis().try_into().unwrap_or(u64::MAX));
    Record {
        token: launch.token.clone(),
        slot: launch.slot,
        address: at.traffic,
        control: at.control,
        command: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        launched: now,
        process: None,
    }
}

/// The token names files, so that a slash or a leading dot in it would leave the directory.
fn refuse_odd_token(token: &LaunchToken) -> Result<(), Error> {
    let text = token.as_str();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(());
    }
    let allowed = "allowed are 1 to 64 letters, digits, `-` and `_`";
    Err(Error::new(Fault::Denied, anyhow!("launch token `{text}` cannot name a file: {allowed}")))
}

/// A full process table or memory empties again; a program that is not there stays away.
fn spawn_fault(error: &io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => Fault::Capacity,
        // Somebody is writing the program right now.
        Some(Errno::TXTBSY) => Fault::Unavailable,
        _ => Fault::Denied,
    }
}

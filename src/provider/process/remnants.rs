//! What an instance's process leaves behind in its group when it ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::process::{Pid, Signal, pidfd_send_signal};

use super::leader::{has_ended, open_pidfd, unless_absent};
use super::procfs;
use crate::clock;
use crate::fleet::LaunchToken;

/// How long killed processes get to disappear. Only one that is stuck in the kernel (a dead disk,
/// a dead NFS server) takes longer than milliseconds.
const KILLED_WAIT: Duration = Duration::from_secs(5);
/// How often the group is searched again, because what was killed may have forked meanwhile.
const SEARCHES_MAX: usize = 16;

/// Kills the processes of the group that carry the launch's tag; returns when they are gone.
///
/// With the leader gone, the group's number proves nothing (it may be handed out again), so each
/// process has to carry the tag, and is signalled through a pidfd that was opened before it was
/// looked at. Blocks: not for an async task.
pub(super) fn end(token: &LaunchToken, group: Pid) -> io::Result<()> {
    let deadline = clock::now() + KILLED_WAIT;
    for _ in 0..SEARCHES_MAX {
        let found = find(token, group)?;
        if found.is_empty() {
            return Ok(());
        }
        for pidfd in &found {
            unless_absent(pidfd_send_signal(pidfd, Signal::KILL))?;
        }
        for pidfd in &found {
            let left = deadline.since(clock::now());
            let wait = Timespec::try_from(left).expect("a wait of seconds fits a timespec");
            if !has_ended(pidfd.as_fd(), wait)? {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "a killed process stays"));
            }
        }
    }
    Err(io::Error::other("its process group forks faster than it can be killed"))
}

fn find(token: &LaunchToken, group: Pid) -> io::Result<Vec<OwnedFd>> {
    let mut found = Vec::new();
    for (pid, stat) in procfs::tagged(token)? {
        if stat.group != group.as_raw_pid() {
            continue;
        }
        let Some(pidfd) = open_pidfd(pid)? else { continue };
        let same = procfs::stat_if_tagged(pid, token)?;
        if same.is_some_and(|same| same.group == stat.group) {
            found.push(pidfd);
        }
    }
    Ok(found)
}

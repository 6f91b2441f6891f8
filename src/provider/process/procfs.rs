//! What the kernel says of processes (`/proc`, see proc(5)): enough to know one of ours again.
//!
//! A process id alone names nobody, because the kernel hands it out again. Together with the
//! time that the process started, in clock ticks since the boot, and the boot's id, it does.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::event::Timespec;
use rustix::process::{Pid, geteuid};

use super::leader::{has_ended, open_pidfd};
use super::{LAUNCH_VARIABLE, OWNER_VARIABLE};
use crate::fleet::LaunchToken;

/// Starting a program takes a fraction of this, and a busy machine a few of them.
const LOOK_PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// How often a process is looked at that is starting a program: for a tenth of a second.
const LOOKS_MAX: usize = 100;
/// After so many looks at a program that runs its environment is empty indeed, or it wrote another
/// text in its place: it may have begun to run between the two halves of one look.
const ODD_LOOKS: usize = 20;

/// What we need of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Whether it runs, sleeps, is stopped, …
    pub(super) state: State,
    /// The process group.
    pub(super) group: i32,
    /// The clock ticks from the boot to its start.
    pub(super) started: u64,
}

/// The states that make a difference to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It exists, and runs whenever it has something to do.
    Live,
    /// A signal such as `SIGSTOP` suspended it.
    Stopped,
    /// It has ended; only its exit status is left.
    Ended,
}

/// What a process of ours has in its environment, and whatever it starts inherits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    /// The state directory: another fleet on this machine may use the same tokens.
    pub(super) owner: &'a Path,
    /// The launch that made it.
    pub(super) token: &'a LaunchToken,
}

/// The state of process `pid`, or `None` if there is no such process.
pub(super) fn stat(pid: Pid) -> io::Result<Option<Stat>> {
    match fs::read_to_string(path(pid, "stat")) {
        Ok(text) => parse_stat(&text).map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc stat reads `{text}`"))
        }),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The id of this boot of the machine.
pub(super) fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Every live process of our user that carries the tag, oldest first.
pub(super) fn tagged(tag: Tag<'_>) -> io::Result<Vec<(Pid, Stat)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { continue };
        if let Some(stat) = stat_if_tagged(pid, tag)? {
            found.push((pid, stat));
        }
    }
    found.sort_by_key(|(pid, stat)| (stat.started, pid.as_raw_pid()));
    Ok(found)
}

/// The state of `pid` if it is live, of our user, and carries the tag.
pub(super) fn stat_if_tagged(pid: Pid, tag: Tag<'_>) -> io::Result<Option<Stat>> {
    // Anybody can put our variable into an environment; nobody else can run as our user.
    let is_ours = match fs::metadata(path(pid, "")) {
        Ok(found) => found.uid() == geteuid().as_raw(),
        Err(error) if is_absent(&error) => false,
        Err(error) => return Err(error),
    };
    if !is_ours || !carries(pid, tag) {
        return Ok(None);
    }
    Ok(stat(pid)?.filter(|stat| stat.state != State::Ended))
}

/// Whether the environment that `pid` started with holds the tag. One that may not be read (the
/// process changed its credentials) is not known to be ours.
fn carries(pid: Pid, tag: Tag<'_>) -> bool {
    let Ok(environment) = environment(pid) else { return false };
    let holds = |name: &str, value: &[u8]| {
        let wanted = [name.as_bytes(), b"=", value].concat();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
    };
    holds(LAUNCH_VARIABLE, tag.token.as_str().as_bytes())
        && holds(OWNER_VARIABLE, tag.owner.as_os_str().as_bytes())
}

/// The environment that `pid` started with, `NAME=value` and a zero byte each. Blocks while the
/// process is starting another program: until that runs the kernel shows none, and of one that is
/// being read then only a part.
fn environment(pid: Pid) -> io::Result<Vec<u8>> {
    let (mut environment, mut odd) = (Vec::new(), 0);
    for _ in 0..LOOKS_MAX {
        environment = fs::read(path(pid, "environ"))?;
        if environment.ends_with(&[0]) {
            break;
        }
        match program(pid) {
            Program::Starting => {}
            Program::Runs => odd += 1,
            Program::None => break,
        }
        let pidfd = open_pidfd(pid)?.filter(|_| odd < ODD_LOOKS);
        if pidfd.map_or(Ok(true), |pidfd| has_ended(pidfd.as_fd(), LOOK_PAUSE))? {
            break;
        }
    }
    Ok(environment)
}

/// What a process executes.
enum Program {
    /// Nothing: it is a kernel thread, or has ended.
    None,
    /// A program that does not run yet: it has no arguments so far.
    Starting,
    Runs,
}

fn program(pid: Pid) -> Program {
    if fs::read_link(path(pid, "exe")).is_err() {
        return Program::None;
    }
    let has_arguments = fs::read(path(pid, "cmdline")).is_ok_and(|text| !text.is_empty());
    if has_arguments { Program::Runs } else { Program::Starting }
}

fn path(pid: Pid, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{file}", pid.as_raw_pid()))
}

/// The process ended before the file was opened (`ENOENT`), or before it was read (`ESRCH`).
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Fields 3 (state), 5 (process group) and 22 (start time). Field 2 is the program's name, which
/// may hold spaces and parentheses: the last parenthesis ends it.
fn parse_stat(text: &str) -> Option<Stat> {
    const FIRST_AFTER_NAME: usize = 3;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - FIRST_AFTER_NAME).copied();
    let state = match field(3)? {
        "T" => State::Stopped,
        "Z" | "X" | "x" => State::Ended,
        _ => State::Live,
    };
    Some(Stat { state, group: field(5)?.parse().ok()?, started: field(22)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = "4242 (a) T 1 (b)) S 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 \
                    5 6 7";
        let expected = Stat { state: State::Live, group: 4242, started: 987_654 };
        assert_eq!(parse_stat(text), Some(expected));
    }

    #[test]
    fn a_truncated_line_is_not_a_process() {
        assert_eq!(parse_stat("4242 (sh) S 1 4242"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_kernel_knows_this_process() {
        let stat = stat(rustix::process::getpid()).unwrap().unwrap();
        assert_eq!(stat.state, State::Live);
        assert!(stat.started > 0);
        assert!(!boot().unwrap().is_empty());
    }
}

//! Where it was measured, and which versions.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use super::subject::{Programs, find};

/// What a reader needs to know to compare figures with others, in pairs of a name and a value.
pub(super) fn facts(programs: &Programs) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split_once(':')).map_or("unknown", |(_, name)| name);
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let version = |program: &str, flag: &str| {
        find(program).map_or("not installed".to_owned(), |path| first_line(&path, &[flag]))
    };
    vec![
        ("date", first_line(Path::new("date"), &["-u", "+%F"])),
        ("congestion control", read("/proc/sys/net/ipv4/tcp_congestion_control")),
        ("CPU", format!("{}, {} cores", model.trim(), cores())),
        ("memory", memory.trim().to_owned()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("system", first_line(Path::new("uname"), &["-sm"])),
        ("cloudaps", format!("{}, {}", first_line(&programs.cloudaps, &["--version"]), commit())),
        ("nginx", version("nginx", "-v")),
        ("HAProxy", version("haproxy", "-v")),
    ]
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn commit() -> String {
    let git = Path::new("git");
    let hash = first_line(git, &["rev-parse", "--short=12", "HEAD"]);
    let changed = !first_line(git, &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("commit {hash}{}", if changed { " with changes" } else { "" })
}

/// The first line that a program prints, on either output.
fn first_line(program: &Path, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return String::new() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

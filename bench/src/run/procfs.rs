//! What the kernel says about the processes of a subject, and about its core.

use std::fs;

/// Ticks of `/proc/stat` in a second, on every Linux that matters.
const TICK_NANOS: u64 = 10_000_000;

/// A process and all its descendants.
pub(super) fn family(id: u32) -> Vec<u32> {
    let pairs: Vec<(u32, u32)> = processes().filter_map(|id| Some((id, parent(id)?))).collect();
    let mut members = vec![id];
    let mut index = 0;
    // Each member is looked at once, and no process is its own descendant.
    while let Some(&member) = members.get(index) {
        members.extend(pairs.iter().filter(|(_, parent)| *parent == member).map(|(id, _)| *id));
        index += 1;
    }
    members
}

/// The CPU time of all threads of these processes, in nanoseconds.
pub(super) fn cpu_nanos(ids: &[u32]) -> u64 {
    let tasks = ids.iter().flat_map(|id| fs::read_dir(format!("/proc/{id}/task")));
    let tasks = tasks.flat_map(Iterator::flatten);
    tasks
        .filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}

/// The resident memory of these processes, in bytes.
pub(super) fn resident_bytes(ids: &[u32]) -> u64 {
    ids.iter().map(|id| status_bytes(*id, "VmRSS:")).sum()
}

/// The most that was resident since [`forget_peak`].
pub(super) fn peak_bytes(ids: &[u32]) -> u64 {
    ids.iter().map(|id| status_bytes(*id, "VmHWM:")).sum()
}

/// From now on the peak counts anew. Without the right to do so, it counts from the start.
pub(super) fn forget_peak(ids: &[u32]) {
    for id in ids {
        let _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
    }
}

/// Whether something traces every one of these processes.
pub(super) fn are_traced(ids: &[u32]) -> bool {
    ids.iter().all(|id| status_value(*id, "TracerPid:").is_some_and(|tracer| tracer > 0))
}

/// The time in which the subject's core was not idle, whoever used it, in nanoseconds.
pub(super) fn core_busy_nanos() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("cpu0 ")).unwrap_or_default();
    let ticks: Vec<u64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
    let busy = ticks.iter().take(8).enumerate().filter(|(index, _)| !matches!(index, 3 | 4));
    busy.map(|(_, ticks)| ticks * TICK_NANOS).sum()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(id: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may contain anything.
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn status_bytes(id: u32, key: &str) -> u64 {
    status_value(id, key).unwrap_or(0) * 1024
}

fn status_value(id: u32, key: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_of_its_own_family_and_of_its_parents() {
        let id = std::process::id();
        let parent = parent(id).expect("it has one");
        assert!(family(id).contains(&id) && family(parent).contains(&id));
        assert!(cpu_nanos(&[id]) > 0 && resident_bytes(&[id]) > 0 && core_busy_nanos() > 0);
    }
}

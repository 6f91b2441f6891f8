//! What the kernel says of this process, under the names that all programs use for it.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::families as family;
use super::text::Text;

/// Where in `/proc/self/stat` the fields are (proc(5)), counted from the state, which follows the
/// program's name: that may have blanks in it.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const THREADS: usize = 17;
const STARTED: usize = 19;
const RESIDENT: usize = 21;

/// What could not be read is left out.
pub(super) fn expose(text: &mut Text) {
    text.single(&family::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Some(stat) = stat() {
        let field = |index: usize| stat.get(index).copied().unwrap_or_default() as f64;
        let ticks = clock_ticks_per_second() as f64;
        text.single(&family::CPU, &[], (field(USER_TIME) + field(SYSTEM_TIME)) / ticks);
        text.single(&family::RESIDENT, &[], field(RESIDENT) * page_size() as f64);
        text.single(&family::THREADS, &[], field(THREADS));
        if let Some(boot) = boot() {
            text.single(&family::STARTED, &[], boot + field(STARTED) / ticks);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The one that it is read through is one of them.
        text.single(&family::OPEN_FDS, &[], open.count().saturating_sub(1));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        text.single(&family::MAX_FDS, &[], most);
    }
}

/// The numbers that follow the program's name.
fn stat() -> Option<Vec<u64>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(|field| field.trim().parse().unwrap_or(0)).collect())
}

/// When the machine started, in seconds since 1970.
fn boot() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()
}

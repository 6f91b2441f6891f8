//! The instances' output: one file per launch, bounded in size and in number.
//!
//! An instance writes to its file itself, because a pipe to us would break when we are killed and
//! take the instance along. So the bound is kept from outside: what is too long is copied aside
//! and cut to nothing. `O_APPEND` makes the instance go on at the new end. What it writes between
//! the copy and the cut is lost.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::fleet::LaunchToken;

/// The most that stays in a log: a few thousand lines, which is what somebody reads.
const BYTES: u64 = 1024 * 1024;
/// The logs of ended instances that are kept: the last day of a quiet fleet, the last incident of
/// a busy one, and 64 MiB at most.
const KEPT: usize = 32;
/// How often the sizes are looked at. What an instance can write in that time comes on top of the
/// bound.
const EVERY: Duration = Duration::from_secs(1);
/// How the name of a log ends.
const SUFFIX: &str = ".log";
/// How the name of its copy ends.
const COPY_SUFFIX: &str = ".log.1";
/// Only the owner may read what instances say.
const MODE: u32 = 0o600;

/// How much of the instances' output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// The most that stays in a log, and in the one older copy of it.
    pub bytes: u64,
    /// How many ended instances' logs are kept, the newest first.
    pub kept: usize,
    /// How often the sizes are looked at.
    pub every: Duration,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { bytes: BYTES, kept: KEPT, every: EVERY }
    }
}

/// The directory of the logs.
#[derive(Clone, Debug)]
pub(super) struct Logs {
    dir: PathBuf,
    bounds: LogBounds,
}

impl Logs {
    pub(super) const fn new(dir: PathBuf, bounds: LogBounds) -> Self {
        Self { dir, bounds }
    }

    pub(super) const fn bounds(&self) -> LogBounds {
        self.bounds
    }

    /// The file that a new instance writes to.
    pub(super) fn open(&self, token: &LaunchToken) -> io::Result<File> {
        let path = self.dir.join(format!("{token}{SUFFIX}"));
        OpenOptions::new().append(true).create(true).mode(MODE).open(path)
    }

    /// Cuts every log that is too long.
    pub(super) fn cut(&self) -> io::Result<()> {
        for path in self.paths()? {
            // A log that was pruned meanwhile needs no cut.
            let Ok(found) = fs::metadata(&path) else { continue };
            if found.len() > self.bounds.bytes
                && let Err(error) = cut(&path, self.bounds.bytes)
            {
                tracing::warn!(log = %path.display(), %error, "a log could not be kept aside");
            }
        }
        Ok(())
    }

    /// Removes the oldest logs of instances that are not `live`, but for the number to be kept.
    pub(super) fn prune(&self, live: &BTreeSet<LaunchToken>) -> io::Result<()> {
        let mut ended: Vec<(SystemTime, PathBuf)> = Vec::new();
        for path in self.paths()? {
            let is_live = token(&path).is_some_and(|token| live.contains(&token));
            if !is_live && let Ok(modified) = fs::metadata(&path).and_then(|log| log.modified()) {
                ended.push((modified, path));
            }
        }
        ended.sort();
        let surplus = ended.len().saturating_sub(self.bounds.kept);
        for (_, path) in &ended[..surplus] {
            crate::state_dir::remove_file(path)?;
            crate::state_dir::remove_file(&copy_of(path))?;
        }
        Ok(())
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if token(&path).is_some() {
                paths.push(path);
            }
        }
        Ok(paths)
    }
}

/// Keeps the end of a log aside and empties it; empties it in any case, so that a full disk is
/// not made fuller.
fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let mut log = OpenOptions::new().read(true).write(true).open(path)?;
    let kept = keep_end(&mut log, &copy_of(path), bytes);
    log.set_len(0)?;
    kept
}

fn keep_end(log: &mut File, copy: &Path, bytes: u64) -> io::Result<()> {
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut options = OpenOptions::new();
    let mut copy = options.write(true).create(true).truncate(true).mode(MODE).open(copy)?;
    io::copy(&mut log.take(bytes), &mut copy)?;
    Ok(())
}

fn copy_of(path: &Path) -> PathBuf {
    path.with_extension(COPY_SUFFIX.trim_start_matches('.'))
}

fn token(path: &Path) -> Option<LaunchToken> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(SUFFIX).map(LaunchToken::recorded)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_long_log_keeps_its_end_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = LogBounds { bytes: 4, ..LogBounds::default() };
        let logs = Logs::new(dir.path().to_owned(), bounds);
        let mut file = logs.open(&LaunchToken::recorded("a")).unwrap();
        file.write_all(b"123456789").unwrap();
        logs.cut().unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(dir.path().join("a.log.1")).unwrap(), b"6789");
        assert_eq!(fs::read(dir.path().join("a.log")).unwrap(), b"new");
    }

    #[test]
    fn the_oldest_logs_of_the_ended_go_first_and_those_of_the_living_stay() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = LogBounds { kept: 1, ..LogBounds::default() };
        let logs = Logs::new(dir.path().to_owned(), bounds);
        for (age, name) in [(40, "live"), (30, "older"), (20, "old"), (10, "new")] {
            let file = logs.open(&LaunchToken::recorded(name)).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 - age);
            file.set_modified(at).unwrap();
        }
        fs::write(dir.path().join("old.log.1"), "copy").unwrap();
        fs::write(dir.path().join("notes.txt"), "not ours").unwrap();
        logs.prune(&BTreeSet::from([LaunchToken::recorded("live")])).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["live.log", "new.log", "notes.txt"]);
    }
}

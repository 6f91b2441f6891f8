//! The incidents on the disk: a line of JSON for each change of one, of which the last counts.
//!
//! Nobody waits for them. What cannot be written stays in memory and is tried again; what cannot
//! be read is told of, and healing goes on without it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::incidents::{Incident, IncidentId, KEPT_MAX, Record, Snapshot};
use crate::state_dir::{StateDir, replace_file};

/// Lines after which the file is written anew, with one for each incident that is kept. An incident
/// takes about eight, so that this happens once in some hundred incidents.
const LINES_MAX: usize = 4 * KEPT_MAX;

/// The most that is read. Every incident with all evidence that it may have is less.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// After a failure it is tried again with the next change, or then: a disk that was full a while
/// ago may not be any more.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What is added to the name of a file that could not be understood.
const SET_ASIDE_SUFFIX: &str = ".corrupt";

/// Only the owner may read it: it tells of commands and addresses.
const MODE: u32 = 0o600;

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct Annals {
    path: PathBuf,
    written: Snapshot,
    lines: usize,
    health: Health,
}

/// Whether the file holds whole lines only, and all that it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Whole,
    /// The last write failed, and may have left half a line: the next one writes all anew.
    Torn,
}

/// What a file held.
#[derive(Debug, Default)]
struct Found {
    incidents: BTreeMap<IncidentId, Incident>,
    lines: usize,
    /// Whether the last line has no end: its writer was killed.
    is_torn: bool,
    /// Lines that tell of no incident, and what is wrong with the first of them.
    bad: Option<(usize, String)>,
}

impl Annals {
    /// Reads what an earlier `up` wrote. Never fails: without it, there is less to show.
    pub(super) fn open(dir: &StateDir) -> (Self, Vec<Incident>) {
        let path = dir.incidents();
        let mut annals =
            Self { path, written: Snapshot::default(), lines: 0, health: Health::Whole };
        let kept = match read(&annals.path) {
            Ok(found) => annals.take_over(found),
            Err(error) => {
                let path = annals.path.display();
                tracing::warn!("earlier incidents are not known: {path} cannot be read: {error}");
                Vec::new()
            }
        };
        (annals, kept)
    }

    /// Writes down what changes, until the controller ends.
    pub(super) async fn follow(mut self, mut incidents: watch::Receiver<Snapshot>) {
        loop {
            let changed = incidents.changed();
            let open = match self.health {
                Health::Whole => changed.await.is_ok(),
                Health::Torn => timeout(RETRY_AFTER, changed).await.is_ok_and(|news| news.is_ok()),
            };
            let snapshot = Arc::clone(&incidents.borrow_and_update());
            let write = spawn_blocking(move || {
                self.write(&snapshot);
                self
            });
            match write.await {
                Ok(annals) => self = annals,
                Err(error) => return tracing::error!("incidents are no longer written: {error}"),
            }
            if !open && incidents.has_changed().is_err() {
                return;
            }
        }
    }

    fn take_over(&mut self, found: Found) -> Vec<Incident> {
        let Found { mut incidents, lines, is_torn, bad } = found;
        while incidents.len() > KEPT_MAX {
            incidents.pop_first();
        }
        let kept: Vec<Incident> = incidents.into_values().collect();
        self.written = Arc::new(kept.iter().cloned().map(Arc::new).collect());
        self.lines = lines;
        if let Some((count, problem)) = &bad {
            self.set_aside(*count, problem);
        }
        if is_torn {
            tracing::info!("the last line of {} was cut and is left out", self.path.display());
        }
        if is_torn || bad.is_some() || lines > LINES_MAX {
            let written = Arc::clone(&self.written);
            let rewritten = self.rewrite(&written);
            self.judge(rewritten);
        }
        kept
    }

    fn set_aside(&self, count: usize, problem: &str) {
        let mut aside = self.path.as_os_str().to_owned();
        aside.push(SET_ASIDE_SUFFIX);
        let (path, kept_as) = (self.path.display(), aside.display().to_string());
        match fs::rename(&self.path, &aside) {
            Ok(()) => tracing::warn!(
                "{count} lines of {path} cannot be understood ({problem}): the file is kept as \
                 {kept_as}, and the others are taken over"
            ),
            Err(error) => tracing::warn!(
                "{count} lines of {path} cannot be understood ({problem}), and it cannot be kept \
                 as {kept_as}: {error}"
            ),
        }
    }

    fn write(&mut self, snapshot: &Snapshot) {
        let fresh = self.fresh(snapshot);
        if fresh.is_empty() && self.health == Health::Whole {
            return;
        }
        let result = if self.health == Health::Torn || self.lines + fresh.len() > LINES_MAX {
            self.rewrite(snapshot)
        } else {
            append(&self.path, &fresh).map(|()| self.lines += fresh.len())
        };
        if result.is_ok() {
            self.written = Arc::clone(snapshot);
        }
        self.judge(result);
    }

    /// Those that are not in the file as they are now.
    fn fresh(&self, snapshot: &Snapshot) -> Vec<Arc<Incident>> {
        let is_written = |incident: &Arc<Incident>| {
            let found = self.written.binary_search_by_key(&incident.id, |written| written.id);
            found.is_ok_and(|index| Arc::ptr_eq(&self.written[index], incident))
        };
        snapshot.iter().filter(|incident| !is_written(incident)).cloned().collect()
    }

    fn rewrite(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        replace_file(&self.path, &lines_of(snapshot)?)?;
        self.lines = snapshot.len();
        Ok(())
    }

    /// Only a change is worth a line in the log.
    fn judge(&mut self, result: io::Result<()>) {
        let path = self.path.display();
        match (self.health, result) {
            (Health::Whole, Err(error)) => {
                tracing::warn!("incidents are kept in memory only: cannot write {path}: {error}");
                self.health = Health::Torn;
            }
            (Health::Torn, Ok(())) => {
                tracing::info!("incidents are written to {path} again");
                self.health = Health::Whole;
            }
            (Health::Whole, Ok(())) | (Health::Torn, Err(_)) => {}
        }
    }
}

fn append(path: &Path, incidents: &[Arc<Incident>]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(MODE).open(path)?;
    file.write_all(&lines_of(incidents)?)
}

fn lines_of(incidents: &[Arc<Incident>]) -> io::Result<Vec<u8>> {
    let mut text = String::new();
    for incident in incidents {
        text += &Record::from(&**incident).to_line()?;
    }
    Ok(text.into_bytes())
}

fn read(path: &Path) -> io::Result<Found> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(BYTES_MAX).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
    };
    Ok(understand(&bytes))
}

fn understand(bytes: &[u8]) -> Found {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Found::default();
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else {
            found.is_torn = true;
            break;
        };
        found.lines += 1;
        match Record::parse(line) {
            Ok(incident) => drop(found.incidents.insert(incident.id, incident)),
            Err(problem) => {
                found.bad.get_or_insert((0, problem.to_string())).0 += 1;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;

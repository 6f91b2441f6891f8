//! Launch records: what makes a process ours, on the disk before it runs.
//!
//! A record is written twice: with the intent, before the process is made, and again with the
//! process's identity. A controller that is killed in between finds the process by the launch
//! token in its environment.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fleet::{Capacity, Instance, InstanceId, LaunchToken, Slot, Vitals};
use crate::state_dir::{TEMPORARY_SUFFIX, remove_file, replace_file};

/// How the name of a record ends.
const SUFFIX: &str = ".json";
/// What is added to the name of a record that cannot be read.
const SET_ASIDE_SUFFIX: &str = ".corrupt";

/// One launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) token: LaunchToken,
    pub(super) slot: Slot,
    pub(super) address: SocketAddr,
    pub(super) control: Option<SocketAddr>,
    /// For people; a command is never run from a record.
    pub(super) command: Vec<String>,
    pub(super) launched: Duration,
    /// `None`: the process was about to be made.
    pub(super) process: Option<Identity>,
}

/// Names one process for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The kernel's number, which is also the number of its group.
    pub(super) pid: i32,
    /// The clock ticks from the boot to its start.
    pub(super) started: u64,
    /// The boot.
    pub(super) boot: String,
}

/// A record as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    token: String,
    slot: String,
    address: SocketAddr,
    control: Option<SocketAddr>,
    command: Vec<String>,
    launched_ms: u64,
    process: Option<Identity>,
}

/// The directory of the records.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    dir: PathBuf,
}

impl Record {
    pub(super) fn id(&self) -> InstanceId {
        InstanceId::new(self.token.as_str())
    }

    /// The ports that the instance was given.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        [Some(self.address), self.control].into_iter().flatten().map(|address| address.port())
    }

    /// The instance that the launch made.
    pub(super) fn instance(&self, vitals: Vitals) -> Instance {
        Instance {
            id: self.id(),
            slot: self.slot,
            token: Some(self.token.clone()),
            address: Some(self.address.into()),
            control: self.control,
            capacity: Capacity::ORDINARY,
            vitals,
            label: self.process.as_ref().map_or_else(String::new, |at| format!("pid {}", at.pid)),
            launched: self.launched,
        }
    }

    fn to_json(&self) -> io::Result<Vec<u8>> {
        let written = Written {
            token: self.token.to_string(),
            slot: self.slot.to_string(),
            address: self.address,
            control: self.control,
            command: self.command.clone(),
            launched_ms: u64::try_from(self.launched.as_millis()).unwrap_or(u64::MAX),
            process: self.process.clone(),
        };
        Ok(serde_json::to_vec_pretty(&written)?)
    }

    fn from_json(text: &[u8]) -> Result<Self, anyhow::Error> {
        let written: Written = serde_json::from_slice(text)?;
        // kill(2): the "groups" 0 and 1 are our own, and every process there is.
        let pid = written.process.as_ref().map(|process| process.pid);
        anyhow::ensure!(pid.is_none_or(|pid| pid > 1), "no instance has pid {pid:?}");
        Ok(Self {
            token: LaunchToken::recorded(&written.token),
            slot: written.slot.parse()?,
            address: written.address,
            control: written.control,
            command: written.command,
            launched: Duration::from_millis(written.launched_ms),
            process: written.process,
        })
    }
}

impl Ledger {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        replace_file(&self.path(&record.token), &record.to_json()?)
    }

    /// Removes a record; one that is not there is a success.
    pub(super) fn remove(&self, token: &LaunchToken) -> io::Result<()> {
        remove_file(&self.path(token))
    }

    /// All records. One that cannot be understood is kept under another name, with a warning: it
    /// may be the only trace of a process.
    pub(super) fn read(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(TEMPORARY_SUFFIX) {
                remove_file(&path)?;
            } else if let Some(token) = name.strip_suffix(SUFFIX) {
                records.extend(read_record(&path, token)?);
            }
        }
        records.sort_by(|a, b| (a.slot, &a.token).cmp(&(b.slot, &b.token)));
        Ok(records)
    }

    /// All records that can be read, changing nothing: for who does not own them. One that is just
    /// being written or removed is not there.
    pub(super) fn peek(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == &SUFFIX[1..]) {
                let bytes = fs::read(&path).ok();
                records.extend(bytes.and_then(|bytes| Record::from_json(&bytes).ok()));
            }
        }
        records.sort_by(|a, b| (a.slot, &a.token).cmp(&(b.slot, &b.token)));
        Ok(records)
    }

    fn path(&self, token: &LaunchToken) -> PathBuf {
        self.dir.join(format!("{token}{SUFFIX}"))
    }
}

fn read_record(path: &Path, token: &str) -> io::Result<Option<Record>> {
    let problem = match Record::from_json(&fs::read(path)?) {
        Ok(record) if record.token.as_str() == token => return Ok(Some(record)),
        Ok(record) => format!("it is the record of {}", record.token),
        Err(error) => format!("{error:#}"),
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(SET_ASIDE_SUFFIX);
    fs::rename(path, &aside)?;
    let aside = aside.display();
    tracing::warn!(
        record = %path.display(), kept_as = %aside, %problem,
        "a launch record cannot be read: a process that it describes is not adopted"
    );
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(token: &str) -> Record {
        Record {
            token: LaunchToken::recorded(token),
            slot: "instance-1".parse().unwrap(),
            address: "127.0.0.1:20001".parse().unwrap(),
            control: None,
            command: vec!["serve".into(), "--name=\"a b\"".into()],
            launched: Duration::from_millis(1_700_000_000_123),
            process: Some(Identity { pid: 4242, started: 99, boot: "b".into() }),
        }
    }

    #[test]
    fn a_record_reads_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path().to_owned());
        let intent = Record { process: None, ..record("instance-1-2") };
        ledger.write(&record("instance-1-1")).unwrap();
        ledger.write(&intent).unwrap();
        assert_eq!(ledger.read().unwrap(), [record("instance-1-1"), intent]);
        ledger.remove(&LaunchToken::recorded("instance-1-1")).unwrap();
        ledger.remove(&LaunchToken::recorded("instance-1-1")).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_kept_aside_and_hides_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path().to_owned());
        ledger.write(&record("instance-1-1")).unwrap();
        fs::copy(dir.path().join("instance-1-1.json"), dir.path().join("copy.json")).unwrap();
        fs::write(dir.path().join("torn.json"), "{\"token\":").unwrap();
        fs::write(dir.path().join("half.json.tmp"), "{").unwrap();
        assert_eq!(ledger.read().unwrap(), [record("instance-1-1")]);
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["copy.json.corrupt", "instance-1-1.json", "torn.json.corrupt"]);
    }
}

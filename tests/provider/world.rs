//! One state directory, the provider on it, and what it notices.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudaps::fleet::{Instance, InstanceId, Vitals};
use cloudaps::provider::process::{Config, Provider, Workload};
use cloudaps::provider::{Notice, Provider as _};
use cloudaps::state_dir::{Lock, StateDir, TokenName};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

pub(super) use crate::support::contract::launch;

/// Nothing here takes longer, unless it hangs.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// How often a condition without an event is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What one controller has.
pub(super) struct World {
    pub(super) provider: Provider,
    pub(super) config: Config,
    notices: mpsc::Receiver<Notice>,
    dir: TempDir,
}

impl World {
    /// A provider whose instances run a shell script.
    pub(super) fn running(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    /// The same, with settings changed.
    pub(super) fn with(script: &str, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&lock(&dir), shell(script));
        change(&mut config);
        let (provider, notices) = open(&config);
        Self { provider, config, notices, dir }
    }

    /// What a controller does that comes after another one.
    pub(super) async fn reopen(&mut self) {
        self.provider.close().await;
        (self.provider, self.notices) = open(&self.config);
    }

    pub(super) async fn launch(&self, serial: u32) -> Instance {
        self.provider.launch(&launch(serial)).await.unwrap()
    }

    pub(super) async fn list(&self) -> Vec<Instance> {
        self.provider.list().await.unwrap()
    }

    pub(super) async fn terminate(&self, id: &InstanceId) {
        timeout(DEADLINE, self.provider.terminate(id)).await.unwrap().unwrap();
    }

    /// Waits for the notice that an instance is gone; says how it ended.
    pub(super) async fn gone(&mut self, id: &InstanceId) -> String {
        loop {
            let notice = timeout(DEADLINE, self.notices.recv()).await.unwrap().unwrap();
            let Notice::Gone(gone, how) = notice;
            if gone == *id {
                return how;
            }
        }
    }

    /// Waits until the instance has written this line to its log, and returns the line's end.
    pub(super) async fn said(&self, instance: &Instance, start: &str) -> String {
        let log = self.log(&instance.id);
        let line = || {
            let text = fs::read_to_string(&log).unwrap();
            let (_, rest) = text.split_once(start)?;
            rest.split_once('\n').map(|(line, _)| line.to_owned())
        };
        eventually(start, line).await
    }

    pub(super) fn log(&self, id: &InstanceId) -> PathBuf {
        self.dir.path().join("logs").join(format!("{id}.log"))
    }

    /// The names of the launch records.
    pub(super) fn records(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("instances")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(super) fn record(&self, id: &InstanceId) -> PathBuf {
        self.dir.path().join("instances").join(format!("{id}.json"))
    }

    /// Changes a record as if another controller had written it.
    pub(super) fn edit_record(&self, id: &InstanceId, edit: impl FnOnce(&mut serde_json::Value)) {
        let path = self.record(id);
        let mut record = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut record);
        fs::write(path, record.to_string()).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.provider.kill_all();
    }
}

/// The settings of a test: the shipped ones.
pub(super) fn config(lock: &Arc<Lock>, workload: Workload) -> Config {
    let token = lock.dir().token(TokenName::Control).unwrap();
    Config::new(Arc::clone(lock), token, workload, None)
}

pub(super) fn lock(dir: &TempDir) -> Arc<Lock> {
    Arc::new(StateDir::open(dir.path()).unwrap().lock().unwrap())
}

pub(super) fn open(config: &Config) -> (Provider, mpsc::Receiver<Notice>) {
    let (sender, notices) = mpsc::channel(16);
    (Provider::open(config.clone(), sender).unwrap(), notices)
}

/// A shell script as an instance's command; it finds its port in `$0`.
pub(super) fn shell(script: &str) -> Workload {
    Workload::Command(["sh", "-c", script, "{port}"].map(str::to_owned).into())
}

pub(super) fn pid(instance: &Instance) -> Pid {
    Pid::from_raw(instance.label.strip_prefix("pid ").unwrap().parse().unwrap()).unwrap()
}

pub(super) fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).unwrap();
}

/// Whether the process exists and is more than an exit status that nobody has taken.
pub(super) fn lives(pid: Pid) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The state letter of `/proc/PID/stat`.
pub(super) fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

pub(super) fn is_gone(instance: &Instance) -> bool {
    matches!(instance.vitals, Vitals::Gone(_))
}

/// Waits for something that sends no event.
pub(super) async fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within_the_deadline(look).await.unwrap_or_else(|| panic!("never: {what}"))
}

/// The same, for who has something to do even if it never comes.
pub(super) async fn within_the_deadline<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(LOOK).await;
        }
    };
    timeout(DEADLINE, looking).await.ok()
}

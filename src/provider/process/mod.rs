//! Provider `process`: instances are child processes on this machine. Linux only (pidfd).
//!
//! Each leads a process group of its own, so that Ctrl-C in the terminal does not reach it, and
//! writes to a log of its own, so that it lives on when the controller is killed. The launch
//! records in the state directory say which processes are ours; the next controller adopts what
//! still runs. Nothing without a record, or our tag in its environment, is ever signalled.
//!
//! A command has to stay in the foreground: when its process exits, the instance is gone, and what
//! is left in its process group is killed.

mod adopt;
mod end;
mod launch;
mod leader;
mod log;
mod ports;
mod procfs;
mod record;
mod remnants;
mod victim;
mod workload;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::log::LogBounds;
pub use self::victim::{Victim, Victims};
pub use self::workload::{Workload, WorkloadError};

use self::leader::Leader;
use self::log::Logs;
use self::ports::Ports;
use self::procfs::Tag;
use self::record::{Ledger, Record};
use super::{Error, Fault, Notice, locked};
pub use crate::boot::{CONTROL_TOKEN_VARIABLE, INSTANCE_VARIABLE, STORE_VARIABLE};
use crate::fleet::{Instance, InstanceId, Launch, Vitals};
use crate::state_dir::{Lock, Token};

/// The environment variable with the launch token: one half of the owner's tag of a process.
pub const LAUNCH_VARIABLE: &str = "CLOUDAPS_LAUNCH";
/// The environment variable with the state directory: the other half.
pub const OWNER_VARIABLE: &str = "CLOUDAPS_OWNER";

/// How long an instance gets from `SIGTERM` to `SIGKILL`. Its traffic was drained before, so this
/// is for closing files; a database closes in less.
const GRACE: Duration = Duration::from_secs(5);

/// What is run and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state directory, which this process owns.
    pub lock: Arc<Lock>,
    /// The secret of the forwarders' control channels. Adopted forwarders were given it by the
    /// controller before us, so it has to be the one that the state directory keeps.
    pub control_token: Token,
    /// What the instances run.
    pub instances: Workload,
    /// What the backend runs, if there is one.
    pub backend: Option<Workload>,
    /// The binary with the roles `forward` and `tasks`; `None` is this one.
    pub program: Option<PathBuf>,
    /// The working directory of what is run; `None` is ours.
    pub directory: Option<PathBuf>,
    /// From `SIGTERM` to `SIGKILL`.
    pub grace: Duration,
    /// How much of the output is kept.
    pub log: LogBounds,
}

/// Makes and ends processes.
///
/// Dropping it leaves the processes running, for the next one to adopt.
#[derive(Debug)]
pub struct Provider {
    shared: Arc<Shared>,
}

/// Why the provider cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A workload cannot run.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// The path of this binary is not known.
    #[error("cannot find the path of this program")]
    Program(#[source] io::Error),
    /// The kernel does not say which boot this is.
    #[error("cannot read the boot id: provider process needs /proc")]
    Boot(#[source] io::Error),
    /// There is no randomness to choose ports by.
    #[error("cannot draw a random number")]
    Random(#[source] getrandom::Error),
    /// The launch records cannot be read or changed.
    #[error("cannot go through the launch records in {}", path.display())]
    Records {
        /// Where they are.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be told whether a recorded process still runs.
    #[error("cannot look for the process of {instance}")]
    Process {
        /// Whose process.
        instance: InstanceId,
        /// Why not.
        source: io::Error,
    },
}

/// What the verbs and the watching tasks share.
#[derive(Debug)]
struct Shared {
    config: Config,
    program: PathBuf,
    boot: String,
    ledger: Ledger,
    logs: Logs,
    notices: mpsc::Sender<Notice>,
    /// Held through a whole launch: two launches with one token must not both find it unused.
    ports: Mutex<Ports>,
    entries: Mutex<BTreeMap<InstanceId, Entry>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// One instance, from its launch or adoption until it was terminated.
#[derive(Clone, Debug)]
struct Entry {
    record: Arc<Record>,
    process: Process,
}

/// What is known of an instance's process.
#[derive(Clone, Debug)]
enum Process {
    /// It ran when we took hold of it, and is watched.
    Held(Arc<Leader>),
    /// It was gone when we came; the text says all that is known.
    Missed(&'static str),
}

impl Config {
    /// The shipped defaults.
    #[must_use]
    pub fn new(
        lock: Arc<Lock>,
        control_token: Token,
        instances: Workload,
        backend: Option<Workload>,
    ) -> Self {
        Self {
            lock,
            control_token,
            instances,
            backend,
            program: None,
            directory: None,
            grace: GRACE,
            log: LogBounds::default(),
        }
    }
}

impl Provider {
    /// Takes over the state directory: adopts every recorded process that still runs, ends none.
    /// `notices` hears of exits at once. Has to be called in a tokio runtime; reads a few files.
    ///
    /// # Errors
    /// A workload cannot run, or the records or processes cannot be looked at.
    pub fn open(config: Config, notices: mpsc::Sender<Notice>) -> Result<Self, OpenError> {
        config.instances.check()?;
        config.backend.iter().try_for_each(Workload::check)?;
        let program = config.program.clone().map_or_else(std::env::current_exe, Ok);
        let dir = config.lock.dir();
        let shared = Arc::new(Shared {
            program: program.map_err(OpenError::Program)?,
            boot: procfs::boot().map_err(OpenError::Boot)?,
            ledger: Ledger::new(dir.records()),
            logs: Logs::new(dir.logs(), config.log),
            notices,
            ports: Mutex::new(Ports::starting_at(getrandom::u64().map_err(OpenError::Random)?)),
            entries: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            config,
        });
        let provider = Self { shared };
        adopt::all(&provider.shared)?;
        provider.shared.bound_logs();
        Ok(provider)
    }

    /// Stops watching and returns when nothing of it runs any more. The processes stay.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Sends `SIGKILL` to every instance and returns at once, for who cannot wait. Their records
    /// stay until they are terminated, by this provider or the next.
    pub fn kill_all(&self) {
        for entry in self.shared.entries() {
            if let Process::Held(leader) = &entry.process
                && let Err(error) = leader.signal_group(Signal::KILL)
            {
                tracing::warn!(instance = %entry.record.token, %error, "cannot kill an instance");
            }
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl super::Provider for Provider {
    async fn list(&self) -> Result<Vec<Instance>, Error> {
        self.shared.entries().iter().map(Entry::instance).collect()
    }

    /// Runs to its end even if the future is dropped: `list` will tell.
    async fn launch(&self, launch: &Launch) -> Result<Instance, Error> {
        let launch = launch.clone();
        self.shared.blocking(move |shared| shared.launch(&launch)).await?
    }

    /// If the future is dropped, the instance may have had its `SIGTERM` and not its `SIGKILL`.
    async fn terminate(&self, id: &InstanceId) -> Result<(), Error> {
        self.shared.end(id).await
    }
}

impl Shared {
    /// What marks the processes of this launch as ours.
    fn tag<'a>(&'a self, record: &'a Record) -> Tag<'a> {
        Tag { owner: self.config.lock.dir().path(), token: &record.token }
    }

    fn entries(&self) -> Vec<Entry> {
        locked(&self.entries).values().cloned().collect()
    }

    fn entry(&self, id: &InstanceId) -> Option<Entry> {
        locked(&self.entries).get(id).cloned()
    }

    fn keep(&self, record: Record, process: Process) -> Entry {
        let id = record.id();
        let entry = Entry { record: Arc::new(record), process };
        locked(&self.entries).insert(id, entry.clone());
        entry
    }

    /// Keeps a running instance, and sends a notice when it ends.
    fn watch(&self, record: Record, leader: Leader) -> Entry {
        let (id, leader) = (record.id(), Arc::new(leader));
        let notices = self.notices.clone();
        let entry = self.keep(record, Process::Held(Arc::clone(&leader)));
        let watch = async move {
            match leader.ended().await {
                // Without a receiver nobody wants to know.
                Ok(how) => drop(notices.send(Notice::Gone(id, how.to_string())).await),
                Err(error) => tracing::error!(instance = %id, %error, "cannot watch an instance"),
            }
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(watch));
        entry
    }

    /// Looks after the logs' size until the provider is closed.
    fn bound_logs(self: &Arc<Self>) {
        let (logs, tasks) = (self.logs.clone(), self.tasks.clone());
        let bound = async move {
            loop {
                tokio::time::sleep(logs.bounds().every).await;
                let logs = logs.clone();
                if let Ok(Err(error)) = tasks.spawn_blocking(move || logs.cut()).await {
                    tracing::warn!(%error, "the logs could not be looked at");
                }
            }
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(bound));
    }

    /// Does file and process work where it holds nobody up.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(self);
        let done = self.tasks.spawn_blocking(move || work(&shared)).await;
        done.map_err(|error| Error::new(Fault::Unavailable, error))
    }
}

impl Entry {
    fn instance(&self) -> Result<Instance, Error> {
        let how = match &self.process {
            Process::Held(leader) => {
                leader.how().map_err(|error| Error::new(Fault::Unavailable, error))?
            }
            Process::Missed(how) => Some((*how).into()),
        };
        let vitals = how.map_or(Vitals::Running, |how| Vitals::Gone(how.to_string()));
        Ok(self.record.instance(vitals))
    }
}

//! The origins that are killed, and who starts them anew.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::super::children::{Child, Core, Output, words};
use super::DELAY_MS;
use crate::clock::{Moment, pause};

/// From the end of an origin to its next start: `RestartSec=1`.
const RESTART: Duration = Duration::from_secs(1);

/// How often the supervisor looks; within it, its second is exact.
const LOOK: Duration = Duration::from_millis(5);

/// Whoever restarts them.
pub(super) enum Origins {
    /// A supervisor, in front of which others stand.
    Supervised(Supervisor),
    /// CloudAPS itself; its launch records are here.
    Own(PathBuf),
}

/// What is read of a launch record.
#[derive(Deserialize)]
struct Record {
    slot: String,
    process: Option<Process>,
}

#[derive(Deserialize)]
struct Process {
    pid: i32,
}

impl Origins {
    pub(super) fn of_cloudaps(state: &Path) -> Self {
        Self::Own(state.join("instances"))
    }

    pub(super) fn supervised(
        bench: &Path,
        addresses: &[SocketAddr],
        dir: &Path,
    ) -> anyhow::Result<Self> {
        Supervisor::start(bench, addresses, dir).map(Self::Supervised)
    }

    /// `kill -9`.
    pub(super) fn kill(&self, index: usize) -> anyhow::Result<()> {
        match self {
            Self::Supervised(supervisor) => supervisor.kill(index),
            Self::Own(records) => {
                let pid = own_process(records, index)?;
                let pid = Pid::from_raw(pid).context("no process has this number")?;
                kill_process(pid, Signal::KILL).context("the instance cannot be killed")
            }
        }
    }
}

fn own_process(records: &Path, index: usize) -> anyhow::Result<i32> {
    let slot = format!("instance-{index}");
    for entry in fs::read_dir(records)?.flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        // One that is just being written or removed is another launch's.
        let Ok(record) = serde_json::from_slice::<Record>(&text) else { continue };
        if let (true, Some(process)) = (record.slot == slot, record.process) {
            return Ok(process.pid);
        }
    }
    bail!("nobody is in {slot}")
}

/// Starts an origin anew, a second after its end.
pub(super) struct Supervisor {
    posts: Arc<Mutex<Vec<Post>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A place for an origin.
struct Post {
    command: Vec<OsString>,
    dir: PathBuf,
    state: State,
}

enum State {
    Runs(Child),
    Ended(Moment),
}

impl Supervisor {
    fn start(bench: &Path, addresses: &[SocketAddr], dir: &Path) -> anyhow::Result<Self> {
        let mut posts = Vec::new();
        for address in addresses {
            let delay = DELAY_MS.to_string();
            let role = ["origin", "--delay-ms", &delay, "--listen", &address.to_string()];
            let role = words(role);
            let command = [vec![bench.into()], role].concat();
            let dir = dir.join(address.port().to_string());
            fs::create_dir(&dir)?;
            let state = State::Runs(spawn(&command, &dir)?);
            posts.push(Post { command, dir, state });
        }
        let (posts, stop) = (Arc::new(Mutex::new(posts)), Arc::new(AtomicBool::new(false)));
        let (watched, ends) = (Arc::clone(&posts), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !ends.load(Relaxed) {
                locked(&watched).iter_mut().for_each(Post::look_after);
                pause(LOOK);
            }
        });
        Ok(Self { posts, stop, thread: Some(thread) })
    }

    fn kill(&self, index: usize) -> anyhow::Result<()> {
        match &locked(&self.posts)[index].state {
            State::Runs(origin) => {
                origin.signal(Signal::KILL);
                Ok(())
            }
            State::Ended(_) => bail!("origin {index} does not run"),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // It has nothing to say.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Post {
    fn look_after(&mut self) {
        let now = Moment::now();
        match &mut self.state {
            State::Runs(origin) => {
                if origin.check().is_err() {
                    self.state = State::Ended(now);
                }
            }
            State::Ended(ended) if now >= ended.after(RESTART) => {
                match spawn(&self.command, &self.dir) {
                    Ok(origin) => self.state = State::Runs(origin),
                    Err(error) => {
                        eprintln!("an origin does not start: {error:#}");
                        self.state = State::Ended(now);
                    }
                }
            }
            State::Ended(_) => {}
        }
    }
}

fn spawn(command: &[OsString], dir: &Path) -> anyhow::Result<Child> {
    Child::spawn(Core::Rest, command, dir, Output::File)
}

fn locked(posts: &Mutex<Vec<Post>>) -> MutexGuard<'_, Vec<Post>> {
    posts.lock().unwrap_or_else(PoisonError::into_inner)
}

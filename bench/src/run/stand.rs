//! The test stand: the origins, and subjects in front of them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::children::{Child, Core, Output, words};
use super::procfs;
use super::subject::{Programs, Subject, free_address};
use crate::cli::{Exchange, LoadArgs};
use crate::clock::{Moment, pause};
use crate::load::{Report, STARTED, STOPPED};
use crate::surroundings::{CONNECTED, REPORT, RESTED, TURN};

/// Origins behind every subject, as many as `cloudaps up` launches instances.
const ORIGINS: usize = 3;

/// How long a subject has until it answers, and how often it is asked.
const START_PATIENCE: Duration = Duration::from_secs(60);
const ASK_INTERVAL: Duration = Duration::from_millis(10);

/// How the name of a run's folder begins; the id of its process follows.
const FOLDER: &str = "bench-run-";

/// A subject that uses less than a twentieth of this is done with starting.
const QUIET_SPAN: Duration = Duration::from_millis(500);

/// Starts of a subject: another program may have taken its port in the meantime.
const STARTS_MAX: u32 = 3;

/// What is around the subjects, and the folder for everything that is written.
pub(super) struct Stand {
    pub(super) programs: Programs,
    pub(super) origins: Vec<SocketAddr>,
    dir: TempDir,
    surroundings: Child,
    /// Clients that were connected so far.
    connected: u32,
    configs: BTreeMap<String, String>,
}

/// A subject that runs.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) ids: Vec<u32>,
    child: Child,
    _dir: TempDir,
}

/// A subject and its clients, who ask when it is their turn.
pub(super) struct Bout {
    running: Running,
    clients: u32,
    /// CPU time of the subject while it was measured.
    cpu_nanos: u64,
    /// The time in which its core was busy meanwhile.
    busy_nanos: u64,
}

/// What the turns of a bout found.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) report: Report,
    /// CPU time of the subject while it was measured.
    pub(super) cpu_nanos: u64,
    /// Resident memory at the end.
    pub(super) resident_bytes: u64,
    /// The share of the subject's core that others used, 0 to 1.
    pub(super) disturbance: f64,
}

impl Stand {
    pub(super) fn new(programs: Programs) -> anyhow::Result<Self> {
        let dir = folder(programs.bench.parent().context("this program is in no folder")?)?;
        let program = programs.bench.clone().into_os_string();
        let mut command = vec![program, "surroundings".into()];
        // The wildcard is served on loopback only; it makes every 127.x.y.z an origin.
        command.extend(std::iter::repeat_n(words(["--listen", "0.0.0.0:0"]), ORIGINS).flatten());
        let mut surroundings = Child::spawn(Core::Rest, &command, dir.path(), Output::Piped)?;
        let mut origins = Vec::new();
        for _ in 0..ORIGINS {
            let address: SocketAddr = surroundings.line()?.parse()?;
            origins.push(SocketAddr::from(([127, 0, 0, 1], address.port())));
        }
        let configs = BTreeMap::new();
        Ok(Self { programs, origins, dir, surroundings, connected: 0, configs })
    }

    /// Starts a subject in front of the usual origins.
    pub(super) fn start(&mut self, subject: Subject) -> anyhow::Result<Running> {
        self.start_with(subject, &self.origins.clone())
    }

    pub(super) fn start_with(
        &mut self,
        subject: Subject,
        origins: &[SocketAddr],
    ) -> anyhow::Result<Running> {
        let mut tries = 1;
        loop {
            match self.try_start(subject, origins) {
                Err(_) if tries < STARTS_MAX => tries += 1,
                done => return done.with_context(|| format!("{subject} does not start")),
            }
        }
    }

    fn try_start(&mut self, subject: Subject, origins: &[SocketAddr]) -> anyhow::Result<Running> {
        self.surroundings.check().context("the origins are gone")?;
        let dir = tempfile::Builder::new().prefix("subject-").tempdir_in(self.dir.path())?;
        let address = free_address()?;
        let recipe = subject.prepare(&self.programs, dir.path(), address, origins)?;
        if origins.len() == self.origins.len() {
            let config = recipe.config.replace(&dir.path().display().to_string(), "DIR");
            self.configs.entry(subject.to_string()).or_insert(config);
        }
        let mut child = Child::spawn(Core::Subject, &recipe.command, dir.path(), Output::File)?;
        await_answer(&mut child, address)?;
        let ids = procfs::family(child.id());
        if origins.len() > self.origins.len() {
            await_quiet(&ids)?;
        }
        Ok(Running { address, ids, child, _dir: dir })
    }

    /// The configurations that were used, by subject.
    pub(super) fn configs(&self) -> impl Iterator<Item = (&String, &String)> {
        self.configs.iter().filter(|(_, config)| !config.is_empty())
    }

    /// Starts one of our own roles on the core of the origins.
    pub(super) fn role(&self, arguments: &[String]) -> anyhow::Result<Child> {
        let mut command = vec![self.programs.bench.clone().into_os_string()];
        command.extend(words(arguments));
        Child::spawn(Core::Rest, &command, self.dir.path(), Output::Piped)
    }

    /// A file beside everything else that is written.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lets the load ask, and returns how many requests were answered from the first to the last.
    pub(super) fn count(&self, load: &LoadArgs) -> anyhow::Result<u64> {
        let mut clients = self.role(&arguments(load))?;
        clients.expect(STARTED)?;
        clients.expect(STOPPED)?;
        let report: Report = serde_json::from_str(&clients.line()?)?;
        Ok(report.requests_ever)
    }

    /// Lets the load ask for so long, so that the subject has done it all before.
    pub(super) fn warm_up(&self, load: &LoadArgs, millis: u64) -> anyhow::Result<()> {
        self.count(&load.once(millis)).map(drop)
    }

    /// Connects the load's clients to a subject; they ask when it is their turn.
    pub(super) fn bout(&mut self, running: Running, load: &LoadArgs) -> anyhow::Result<Bout> {
        self.surroundings.order(&arguments(load).join(" "))?;
        self.surroundings.expect(CONNECTED)?;
        let clients = self.connected;
        self.connected += 1;
        Ok(Bout { running, clients, cpu_nanos: 0, busy_nanos: 0 })
    }
}

impl Bout {
    /// Lets the clients ask once more, and measures the subject from their start signal to their
    /// stop signal. Afterwards neither has anything to do.
    pub(super) fn turn(&mut self, stand: &mut Stand) -> anyhow::Result<()> {
        let (ids, surroundings) = (&self.running.ids, &mut stand.surroundings);
        surroundings.order(&format!("{TURN} {}", self.clients))?;
        surroundings.expect(STARTED)?;
        let (cpu, busy) = (procfs::cpu_nanos(ids), procfs::core_busy_nanos());
        surroundings.expect(STOPPED)?;
        self.cpu_nanos += procfs::cpu_nanos(ids).saturating_sub(cpu);
        self.busy_nanos += procfs::core_busy_nanos().saturating_sub(busy);
        surroundings.expect(RESTED)?;
        self.running.child.check()
    }

    /// What all turns together found.
    pub(super) fn end(self, stand: &mut Stand) -> anyhow::Result<Sample> {
        stand.surroundings.order(&format!("{REPORT} {}", self.clients))?;
        let report: Report = serde_json::from_str(&stand.surroundings.line()?)?;
        let cpu_nanos = self.cpu_nanos;
        let resident_bytes = procfs::resident_bytes(&self.running.ids);
        let others = Duration::from_nanos(self.busy_nanos.saturating_sub(cpu_nanos)).as_secs_f64();
        let disturbance = if report.seconds > 0.0 { others / report.seconds } else { 0.0 };
        Ok(Sample { report, cpu_nanos, resident_bytes, disturbance })
    }
}

/// A folder on the disk that this program is on, because the subjects log into it. It is removed at
/// the end, or by the next run if this one is killed.
pub(super) fn folder(parent: &Path) -> std::io::Result<TempDir> {
    for entry in std::fs::read_dir(parent)?.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        let owner = owner.and_then(|rest| rest.split('-').next()).map(ToOwned::to_owned);
        if owner.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let prefix = format!("{FOLDER}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)
}

/// The load as it is typed.
pub(super) fn arguments(load: &LoadArgs) -> Vec<String> {
    let exchange = match load.exchange {
        Exchange::Get => "get",
        Exchange::Post => "post",
        Exchange::Download => "download",
        Exchange::Connect => "connect",
        Exchange::Websocket => "websocket",
        Exchange::AddTask => "add-task",
        Exchange::ShowTask => "show-task",
        Exchange::ListTasks => "list-tasks",
        Exchange::ReplaceTask => "replace-task",
    };
    let mut arguments = vec!["load".to_owned(), "--exchange".to_owned(), exchange.to_owned()];
    let rate = load.rate.map(|rate| ("--rate", u64::from(rate.get())));
    let numbers = [
        ("--connections", u64::from(load.connections)),
        ("--warmup-ms", load.warmup_ms),
        ("--measure-ms", load.measure_ms),
        ("--requests", load.requests),
        ("--errors-max", load.errors_max),
    ];
    for (name, number) in numbers.into_iter().chain(rate) {
        arguments.extend([name.to_owned(), number.to_string()]);
    }
    arguments.extend(["--to".to_owned(), load.to.to_string()]);
    arguments
}

pub(super) fn await_answer(child: &mut Child, address: SocketAddr) -> anyhow::Result<()> {
    let end = Moment::now().after(START_PATIENCE);
    loop {
        child.check()?;
        if answers(address) {
            return Ok(());
        }
        if Moment::now() > end {
            bail!("it does not answer: {}", child.complaint());
        }
        pause(ASK_INTERVAL);
    }
}

/// Waits until a subject with many endpoints has probed and published all of them.
fn await_quiet(ids: &[u32]) -> anyhow::Result<()> {
    let end = Moment::now().after(START_PATIENCE);
    while Moment::now() < end {
        let before = procfs::cpu_nanos(ids);
        pause(QUIET_SPAN);
        let used = procfs::cpu_nanos(ids).saturating_sub(before);
        if Duration::from_nanos(used) < QUIET_SPAN / 20 {
            return Ok(());
        }
    }
    bail!("it is busy although nothing is asked")
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

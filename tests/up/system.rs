//! A running `cloudaps up` in a state directory of its own, and what can be done to it.

use std::fmt::Debug;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cloudaps::admin::Overview;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// How long anything may take before a test gives up. Generous: a slow machine is not a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at what has no event to await.
const LOOK: Duration = Duration::from_millis(20);

/// The binary under test.
pub(crate) fn cloudaps() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    command.stdin(Stdio::null()).env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    command.env_remove("OTEL_EXPORTER_OTLP_HEADERS");
    command.env_remove("CLOUDAPS_LOG").env("CLOUDAPS_LOG_FORMAT", "text");
    command
}

/// Runs one command to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    cloudaps().args(args).output().unwrap()
}

/// A state directory, and whatever else a test writes next to it. Outlives the `up`s that use it.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Writes a file; its path is for `-c`.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs one of the operator's verbs on this state directory.
    pub(crate) fn operate(&self, words: &[&str]) -> Output {
        cloudaps().args(words).arg("--state-dir").arg(self.state()).output().unwrap()
    }
}

impl Drop for Place {
    /// Whatever a failed test left running is ended; after a good one there is nothing.
    fn drop(&mut self) {
        let _ = self.operate(&["down"]);
    }
}

/// A running `cloudaps up`.
pub(crate) struct System {
    child: Child,
    state: PathBuf,
    lines: Receiver<String>,
    /// What it said so far, for the message of a test that fails.
    said: Arc<Mutex<Vec<String>>>,
    pub(crate) balancer: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl System {
    /// Starts the default system on free ports, and waits until everything serves.
    pub(crate) fn up(place: &Place) -> Self {
        Self::up_with(place, &[])
    }

    /// The same with more flags.
    pub(crate) fn up_with(place: &Place, flags: &[&str]) -> Self {
        let mut system = Self::spawn(place, flags);
        system.balancer = system.await_line("balancer ");
        system.admin = system.await_line("admin ");
        system.await_text("ready ");
        system
    }

    /// Starts it and waits for nothing. The addresses are not known yet.
    pub(crate) fn spawn(place: &Place, flags: &[&str]) -> Self {
        let state = place.state();
        let mut command = cloudaps();
        command.arg("up").args(flags).arg("--state-dir").arg(&state);
        for listener in ["--listen", "--admin"] {
            if !flags.contains(&listener) {
                command.args([listener, "127.0.0.1:0"]);
            }
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let (sender, said) = (sender.clone(), Arc::clone(&said));
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    said.lock().unwrap().push(line.clone());
                    let _ = sender.send(line);
                }
            });
        }
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, state, lines, said, balancer: nowhere, admin: nowhere }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Waits for a line that contains the text.
    pub(crate) fn await_text(&self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` was not said, but:\n{}", self.said())
                }
            }
        }
    }

    fn await_line(&self, name: &str) -> SocketAddr {
        loop {
            let line = self.await_text(name);
            // The name begins the line; elsewhere it is only mentioned.
            if let Some(rest) = line.strip_prefix(name) {
                let address = rest.trim().trim_start_matches("http://");
                return address.split_whitespace().next().unwrap().parse().unwrap();
            }
        }
    }

    /// The fleet as it is.
    pub(crate) fn status(&self) -> Overview {
        self.ask("/v1/status")
    }

    /// Waits until the fleet is as described. Asks again only when something changed.
    pub(crate) fn await_status(&self, what: &str, is_so: impl Fn(&Overview) -> bool) -> Overview {
        let began = std::time::Instant::now();
        let mut status = self.status();
        while !is_so(&status) {
            assert!(began.elapsed() < DEADLINE, "not {what}: {status:#?}\n{}", self.said());
            status = self.ask(&format!("/v1/status?after={}", status.revision));
        }
        status
    }

    /// Waits until every slot has an instance that serves or stands by, and nothing else is left.
    pub(crate) fn await_complete(&self) -> Overview {
        self.await_status("complete", is_complete)
    }

    /// Asks the admin API until its answer is as described: it is another one each second.
    pub(crate) fn await_answer<T: DeserializeOwned + Debug>(
        &self,
        path: &str,
        mut is_so: impl FnMut(&T) -> bool,
    ) -> T {
        let began = std::time::Instant::now();
        loop {
            let answer = self.ask(path);
            if is_so(&answer) {
                return answer;
            }
            assert!(began.elapsed() < DEADLINE, "{path}: {answer:#?}\n{}", self.said());
            thread::sleep(LOOK);
        }
    }

    /// Reads the metrics until they are as described: there is no event to await.
    pub(crate) fn await_metrics(&self, is_so: impl Fn(&str) -> bool) {
        let began = std::time::Instant::now();
        loop {
            let answer = ureq::get(format!("http://{}/metrics", self.admin)).call();
            let text = answer.unwrap().body_mut().read_to_string().unwrap();
            if is_so(&text) {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "{text}\n{}", self.said());
            thread::sleep(LOOK);
        }
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = ureq::get(format!("http://{}{path}", self.admin)).call();
        let mut answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", self.said()));
        answer.body_mut().read_json().unwrap()
    }

    /// Sends it SIGTERM and waits until it has stopped by itself.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        self.child.wait().unwrap()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// `kill -9`: nothing of it has a chance to clean up.
    pub(crate) fn kill(mut self) {
        signal(self.pid(), Signal::KILL);
        self.child.wait().unwrap();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = cloudaps().args(["down", "--state-dir"]).arg(&self.state).output();
        }
    }
}

/// A running `cloudaps forward` by itself.
pub(crate) struct Forwarder {
    child: Child,
    pub(crate) listen: SocketAddr,
    pub(crate) control: SocketAddr,
}

impl Forwarder {
    /// Starts it with these flags besides its listeners, and waits until it serves.
    pub(crate) fn start(to: SocketAddr, flags: &[&str]) -> Self {
        Self::start_in(to, flags, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn start_in(to: SocketAddr, flags: &[&str], variables: &[(&str, String)]) -> Self {
        let mut forward = cloudaps();
        forward.envs(variables.iter().map(|(name, value)| (name, value)));
        forward.args(["forward", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
        forward.arg("--to").arg(format!("http://{to}")).args(flags);
        let mut child = forward.stdout(Stdio::piped()).spawn().unwrap();
        let mut announced = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut announced).unwrap();
        let addresses = announced.split("http://").skip(1).map(|rest| {
            let address = rest.split([',', ' ', '\n']).next().unwrap();
            address.parse().unwrap_or_else(|error| panic!("{announced}: {error}"))
        });
        let [listen, _, control] = addresses.collect::<Vec<_>>()[..] else { panic!("{announced}") };
        Self { child, listen, control }
    }

    /// Sends it SIGTERM and waits until it has stopped by itself.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.child.id(), Signal::TERM);
        self.child.wait().unwrap()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_complete(status: &Overview) -> bool {
    let wanted = status.instances.desired + status.standby.desired + status.backend.desired;
    let is_ready = |state: &str| matches!(state, "serving" | "standby");
    status.slots.len() == wanted as usize && status.slots.iter().all(|row| is_ready(&row.state))
}

/// The process in a slot.
pub(crate) fn pid_in(status: &Overview, slot: &str) -> u32 {
    let row = status.slots.iter().find(|row| row.slot == slot && row.state == "serving");
    let row = row.unwrap_or_else(|| panic!("nobody serves in {slot}: {status:#?}"));
    row.occupant.as_ref().unwrap().pid.unwrap()
}

/// The processes of the whole fleet, in the order of their slots.
pub(crate) fn pids(status: &Overview) -> Vec<u32> {
    let occupants = status.slots.iter().filter_map(|row| row.occupant.as_ref());
    occupants.filter_map(|of| of.pid).collect()
}

/// Sends a signal to one process that the test knows to be its own.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Whether the process is still there (and not just waiting to be reaped).
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

/// Whether a signal suspended it.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| stat.rsplit(')').next().unwrap_or_default().starts_with(" T"))
}

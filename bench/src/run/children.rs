//! The processes of a comparison: each on its core, and ended on every way out.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

use super::procfs::family;
use crate::cli::ExecArgs;
use crate::clock::{Moment, pause};

/// How long a process has to end by itself: more than a drain of connections that are all idle.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a process is asked whether it has ended.
const ASK_INTERVAL: Duration = Duration::from_millis(5);

/// The subject has a core of its own; whatever asks and answers shares the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    Subject,
    Rest,
    /// Where what is measured has several processes.
    Any,
}

impl Core {
    fn numbers(self) -> &'static str {
        match self {
            Self::Subject => "0",
            Self::Rest => "1",
            Self::Any => "0,1",
        }
    }
}

/// A process that ends when this value is dropped, and when the process that made it ends.
pub(super) struct Child {
    child: std::process::Child,
    output: Option<BufReader<ChildStdout>>,
    input: Option<ChildStdin>,
    errors: PathBuf,
}

/// Where a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// To us, line by line.
    Piped,
    /// Into a file, which is where one of the subjects logs.
    File,
}

impl Child {
    /// Starts a program; what it complains about goes into a file in `dir`.
    pub(super) fn spawn(
        core: Core,
        command: &[OsString],
        dir: &Path,
        output: Output,
    ) -> anyhow::Result<Self> {
        let name = Path::new(&command[0]).file_name().unwrap_or_default().to_string_lossy();
        let errors = dir.join(format!("{name}.stderr"));
        let stdout = match output {
            Output::Piped => Stdio::piped(),
            Output::File => File::create(dir.join(format!("{name}.stdout")))?.into(),
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["exec", "--parent", &std::process::id().to_string(), "--"])
            .args(["taskset", "-c", core.numbers()])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(File::create(&errors)?)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(Self { input: child.stdin.take(), output, errors, child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its next line; an error if it ends instead.
    pub(super) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if let Some(output) = &mut self.output {
            output.read_line(&mut line)?;
        }
        ensure!(line.ends_with('\n'), "it ended early: {}", self.complaint());
        Ok(line.trim_end().to_owned())
    }

    /// Reads lines up to the one that says `wanted`.
    pub(super) fn expect(&mut self, wanted: &str) -> anyhow::Result<()> {
        let line = self.line()?;
        ensure!(line == wanted, "it said `{line}` instead of `{wanted}`");
        Ok(())
    }

    /// A line for its standard input.
    pub(super) fn order(&mut self, line: &str) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), |input| writeln!(input, "{line}"))
    }

    /// Fails if it has ended.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended with {status}: {}", self.complaint()),
        }
    }

    /// The end of what it wrote to its standard error.
    pub(super) fn complaint(&self) -> String {
        let text = fs::read_to_string(&self.errors).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" / ")
    }

    pub(super) fn signal(&self, signal: Signal) {
        signal_process(self.id(), signal);
    }

    /// Waits until it has ended; whether it did.
    pub(super) fn wait(&mut self) -> bool {
        let end = Moment::now().after(PATIENCE);
        while Moment::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            pause(ASK_INTERVAL);
        }
        false
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let members = family(self.id());
        self.signal(Signal::TERM);
        if !self.wait() {
            members.into_iter().for_each(|id| signal_process(id, Signal::KILL));
            // It is reaped, so that its number is not given to somebody else meanwhile.
            let _ = self.child.wait();
        }
    }
}

/// Becomes a program that gets SIGTERM when its parent ends, even if that is killed.
pub(crate) fn exec(args: &ExecArgs) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have ended before the line above.
    let parent = getppid().map(Pid::as_raw_nonzero);
    ensure!(parent.is_some_and(|parent| parent.get() == args.parent), "the parent has ended");
    let error = Command::new(&args.command[0]).args(&args.command[1..]).exec();
    Err(error).with_context(|| format!("{} cannot be run", args.command[0].display()))
}

/// The parts of a command line.
pub(super) fn words<'a>(
    parts: impl IntoIterator<Item = &'a (impl AsRef<OsStr> + ?Sized + 'a)>,
) -> Vec<OsString> {
    parts.into_iter().map(|part| part.as_ref().to_owned()).collect()
}

fn signal_process(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // One that has ended needs no signal.
        let _ = kill_process(id, signal);
    }
}

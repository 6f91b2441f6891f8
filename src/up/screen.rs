//! What a person sees: how far the start is, with a live line per slot on a terminal, the addresses
//! when everything serves, and the log.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

use crate::clock;
use crate::config::End;
use crate::controller::{Row, Status};
use crate::fleet::{Group, Slot};

/// How often the live lines move: often enough to look alive.
const SPIN: Duration = Duration::from_millis(100);

/// How often a start that goes on is told of where there is no terminal. One of processes is over
/// before the first time.
const PLAIN: Duration = Duration::from_secs(1);

/// Slots that have a line of their own, live and in the summary: as many as a terminal shows
/// without scrolling. Each live line is moved by a thread.
const LINES_MAX: usize = 20;

/// The terminal, shared by the live lines and the log so that neither tears the other.
#[derive(Clone, Debug)]
pub struct Screen {
    live: MultiProgress,
}

/// The addresses that the instances do not tell.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) balancer: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) state_dir: PathBuf,
    /// What Ctrl-C stops.
    pub(super) on_signal: End,
}

impl Default for Screen {
    fn default() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { live: MultiProgress::with_draw_target(target) }
    }
}

impl Screen {
    /// Shows the start, and the addresses once everything serves.
    pub(super) async fn follow(self, status: watch::Receiver<Arc<Status>>, addresses: Addresses) {
        let complete = match self.live.is_hidden() {
            true => self.tell(status).await,
            false => self.animate(status).await,
        };
        if let Some(status) = complete {
            self.print(&summary(&status, &addresses));
        }
    }

    /// Moves the live lines until everything serves; `None`: it never will.
    async fn animate(&self, mut status: watch::Receiver<Arc<Status>>) -> Option<Arc<Status>> {
        let mut lines = Lines::default();
        loop {
            let now = Arc::clone(&status.borrow_and_update());
            if now.is_complete() {
                lines.clear();
                return Some(now);
            }
            self.draw(&now, &mut lines);
            status.changed().await.ok()?;
        }
    }

    /// Prints how far it is whenever that is another line than the last one; ends like the one
    /// above.
    async fn tell(&self, mut status: watch::Receiver<Arc<Status>>) -> Option<Arc<Status>> {
        let mut told = String::new();
        loop {
            let complete = status.wait_for(|status| status.is_complete());
            tokio::select! {
                biased;
                complete = complete => return complete.ok().map(|status| Arc::clone(&status)),
                () = sleep(PLAIN) => {}
            }
            let line = progress(&status.borrow());
            if line != told {
                let seconds = clock::now().since_start().as_secs();
                self.print(&format!("{:12} {line} after {seconds} s\n", "starting"));
                told = line;
            }
        }
    }

    fn draw(&self, status: &Status, lines: &mut Lines) {
        let whole = lines.of_whole.get_or_insert_with(|| self.whole());
        whole.set_message(progress(status));
        for row in status.rows.iter().take(LINES_MAX) {
            let line = lines.of_slots.entry(row.slot).or_insert_with(|| self.line(row.slot));
            line.set_message(describe(row));
        }
        if let Some(more) = rows_beyond(status) {
            let line = lines.of_more.get_or_insert_with(|| self.line("and more"));
            line.set_message(format!("{more} others; {} serve in all", status.serving()));
        }
    }

    /// The line about all of them, with the time since the start.
    fn whole(&self) -> ProgressBar {
        let line = self.live.insert(0, ProgressBar::new_spinner());
        let line = line.with_elapsed(clock::now().since_start());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:12} {msg}, {elapsed}") {
            line.set_style(style);
        }
        line.set_prefix("starting");
        line.enable_steady_tick(SPIN);
        line
    }

    fn line(&self, name: impl Display) -> ProgressBar {
        let line = self.live.add(ProgressBar::new_spinner());
        // The template is a literal; if it were wrong, the default would do.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:12} {msg}") {
            line.set_style(style);
        }
        line.set_prefix(name.to_string());
        line.enable_steady_tick(SPIN);
        line
    }

    fn print(&self, text: &str) {
        // A closed standard output is no reason to stop serving.
        self.live.suspend(|| {
            let mut out = io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        });
    }
}

/// The live lines.
#[derive(Debug, Default)]
struct Lines {
    /// The one about all of them.
    of_whole: Option<ProgressBar>,
    of_slots: BTreeMap<Slot, ProgressBar>,
    /// The one for all slots beyond those.
    of_more: Option<ProgressBar>,
}

impl Lines {
    fn clear(&self) {
        let lines = self.of_whole.iter().chain(self.of_slots.values()).chain(&self.of_more);
        lines.for_each(ProgressBar::finish_and_clear);
    }
}

/// How many rows have no line, if any.
fn rows_beyond(status: &Status) -> Option<usize> {
    status.rows.len().checked_sub(LINES_MAX).filter(|more| *more > 0)
}

/// How many of whom are up.
fn progress(status: &Status) -> String {
    let up = |group| {
        let of_group = status.rows.iter().filter(move |row| row.slot.group == group);
        let occupants = of_group.filter_map(|row| row.occupant.as_ref());
        occupants.filter(|of| matches!(of.phase, "serving" | "standby")).count()
    };
    let wanted = status.instances + status.standby;
    let instances = format!("{} of {wanted} instances are up", up(Group::Instances));
    match status.backends {
        0 => instances,
        1 if up(Group::Backend) == 1 => format!("{instances}, and so is the backend"),
        1 => format!("{instances}, and the backend is not"),
        wanted => format!("{instances}, and {} of {wanted} backends", up(Group::Backend)),
    }
}

fn describe(row: &Row) -> String {
    match &row.occupant {
        None => "is to be launched".to_owned(),
        Some(of) => match &of.reason {
            None => format!("{} {}", of.phase, of.label),
            Some(reason) => format!("{} {}: {reason}", of.phase, of.label),
        },
    }
}

fn summary(status: &Status, addresses: &Addresses) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn Display, note: &str| {
        let gap = if note.is_empty() { "" } else { "  " };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:12} {value}{gap}{note}");
    };
    line("balancer", &format_args!("http://{}", addresses.balancer), "");
    for row in status.rows.iter().take(LINES_MAX) {
        if let Some(of) = &row.occupant
            && let Some(address) = &of.address
        {
            line(&row.slot.to_string(), &address.url(), &of.label);
        }
    }
    if let Some(more) = rows_beyond(status) {
        line("and more", &format_args!("{more} others; `cloudaps status` lists them"), "");
    }
    line("admin", &format_args!("http://{}", addresses.admin), "");
    line("state", &addresses.state_dir.display(), "");
    let millis = clock::now().since_start().as_millis();
    let ctrl_c = match addresses.on_signal {
        End::Everything => "Ctrl-C drains and stops it all",
        End::Balancer => "Ctrl-C stops the balancer; `cloudaps down` ends the machines, too",
    };
    line("ready", &format_args!("{millis} ms after the start; {ctrl_c}"), "");
    text
}

/// One line of the log, written past the live lines.
#[derive(Debug)]
pub struct LogLine<'a> {
    live: &'a MultiProgress,
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine { live: &self.live }
    }
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.live.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

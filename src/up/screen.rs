//! What a person sees: a live line per slot while things start (on a terminal), the addresses
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
use tracing_subscriber::fmt::MakeWriter;

use crate::clock;
use crate::config::End;
use crate::controller::{Row, Status};
use crate::fleet::Slot;

/// How often the live lines move: often enough to look alive.
const SPIN: Duration = Duration::from_millis(100);

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
    /// Shows the start, slot by slot, and the addresses once everything serves.
    pub(super) async fn follow(
        self,
        mut status: watch::Receiver<Arc<Status>>,
        addresses: Addresses,
    ) {
        let mut lines = Lines::default();
        loop {
            let now = Arc::clone(&status.borrow_and_update());
            if now.is_complete() {
                lines.clear();
                return self.print(&summary(&now, &addresses));
            }
            self.draw(&now, &mut lines);
            if status.changed().await.is_err() {
                return;
            }
        }
    }

    fn draw(&self, status: &Status, lines: &mut Lines) {
        if self.live.is_hidden() {
            return;
        }
        for row in status.rows.iter().take(LINES_MAX) {
            let line = lines.of_slots.entry(row.slot).or_insert_with(|| self.line(row.slot));
            line.set_message(describe(row));
        }
        if let Some(more) = rows_beyond(status) {
            let line = lines.of_more.get_or_insert_with(|| self.line("and more"));
            line.set_message(format!("{more} others; {} serve in all", status.serving()));
        }
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
    of_slots: BTreeMap<Slot, ProgressBar>,
    /// The one for all slots beyond those.
    of_more: Option<ProgressBar>,
}

impl Lines {
    fn clear(&self) {
        self.of_slots.values().chain(&self.of_more).for_each(ProgressBar::finish_and_clear);
    }
}

/// How many rows have no line, if any.
fn rows_beyond(status: &Status) -> Option<usize> {
    status.rows.len().checked_sub(LINES_MAX).filter(|more| *more > 0)
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

//! `status --watch`: shows every change until Ctrl-C.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use super::call::{Answer, Client};
use super::failure::Failure;
use super::table;

/// How long one call waits for a change; the client itself gives up later than that.
const WAIT: Duration = Duration::from_secs(25);

/// How often a screen is drawn again without a change: ages and requests in flight go on.
const REDRAW: Duration = Duration::from_secs(1);

/// Moves to the top left, and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Human,
    Json,
}

/// How changes follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    /// Each is drawn over the one before.
    Screen,
    /// Each is a block of its own; in JSON, a line.
    Stream,
}

/// Shows every change. Ctrl-C is how it is meant to end, so that is no failure.
pub(super) fn until_interrupted(client: Client, format: Format) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Start)?;
    let result = runtime.block_on(async move {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Start)?;
        let shown = spawn_blocking(move || follow(&client, format));
        tokio::select! {
            _ = interrupt.recv() => Ok(()),
            shown = shown => shown.map_err(|error| Failure::Start(error.into()))?,
        }
    });
    // The call that waits for the next change ends with the process.
    runtime.shutdown_background();
    result
}

fn follow(client: &Client, format: Format) -> Result<(), Failure> {
    let medium = match format {
        Format::Human if io::stdout().is_terminal() => Medium::Screen,
        Format::Human | Format::Json => Medium::Stream,
    };
    let wait = if medium == Medium::Screen { REDRAW } else { WAIT };
    let mut answer = client.status()?;
    loop {
        print(&answer, format, medium)?;
        let seen = answer.meant.revision;
        answer = client.status_after(seen, wait)?;
        while medium == Medium::Stream && answer.meant.revision == seen {
            answer = client.status_after(seen, wait)?;
        }
    }
}

fn print(answer: &Answer, format: Format, medium: Medium) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match (format, medium) {
        (Format::Json, _) => writeln!(out, "{}", answer.text)?,
        (Format::Human, Medium::Screen) => {
            write!(out, "{CLEAR}{}", table::render(&answer.meant))?;
        }
        (Format::Human, Medium::Stream) => writeln!(out, "{}", table::render(&answer.meant))?,
    }
    out.flush()
}

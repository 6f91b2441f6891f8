//! `status --watch`: a live screen, or, where there is no terminal, every change until Ctrl-C.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::call::{Answer, Client};
use super::failure::Failure;
use super::{live, table};
use crate::cli::Colours;

/// How long one call waits for a change; the client itself gives up later than that.
const WAIT: Duration = Duration::from_secs(25);

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Human,
    Json,
}

/// Shows the fleet as it goes on, to a person at a terminal or to whoever reads the lines.
pub(super) fn status(client: Client, format: Format, colours: Colours) -> Result<(), Failure> {
    let is_screen = io::stdout().is_terminal() && io::stdin().is_terminal();
    match format {
        Format::Human if is_screen => on_screen(client, colours),
        Format::Human | Format::Json => until_interrupted(client, format),
    }
}

/// Shows the screen until the person at it has seen enough. SIGTERM ends it in the same way, for a
/// terminal that is left as it was drawn on is of no use to anybody.
fn on_screen(client: Client, colours: Colours) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::Start)?.block_on(async move {
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
        let ended = CancellationToken::new();
        let told = ended.clone();
        let mut shown = spawn_blocking(move || live::until_quit(client, colours, &told));
        let shown = tokio::select! {
            shown = &mut shown => shown,
            _ = terminate.recv() => {
                ended.cancel();
                shown.await
            }
        };
        shown.map_err(|error| Failure::Start(error.into()))?
    })
}

/// Shows every change. Ctrl-C is how it is meant to end, so that is no failure.
fn until_interrupted(client: Client, format: Format) -> Result<(), Failure> {
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
    let mut answer = client.status()?;
    loop {
        print(&answer, format)?;
        let seen = answer.meant.revision;
        while answer.meant.revision == seen {
            answer = client.status_after(seen, WAIT)?;
        }
    }
}

/// In JSON, a line; for people, a block with an empty line after it.
fn print(answer: &Answer, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", answer.text)?,
        Format::Human => writeln!(out, "{}", table::render(&answer.meant))?,
    }
    out.flush()
}

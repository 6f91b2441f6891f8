//! `cloudaps chaos`: breaks a running fleet on purpose, for a while, and judges how it copes.
//!
//! The seed decides which fault comes when; `schedule` is pure. What is done to instances goes
//! through `hands::Hands`, which knows only the fleet's own; what is done to the controller goes
//! through its admin API. Meanwhile clients ask, and in the end there is a report, whose laws are
//! either kept or broken.

mod hands;
mod laws;
mod report;
mod schedule;
mod stage;
mod store;
mod traffic;
mod watch;

use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;

use anyhow::bail;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::report::Report;
use self::stage::Stage;
use crate::cli::ChaosArgs;

/// Runs `cloudaps chaos`: 0 if every law was kept, 1 if one was broken.
///
/// # Errors
/// There is no fleet that could be broken, or the run was cut short twice.
pub fn run(args: &ChaosArgs) -> anyhow::Result<ExitCode> {
    let stage = Stage::set(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(play(stage));
    // What still waits for an answer of the admin API ends with the process.
    runtime.shutdown_background();
    let report = report?;
    let mut out = io::stdout().lock();
    if args.admin.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(if report.is_lawful() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays to the end. The first signal ends the faults; the second one everything, and whatever was
/// stopped goes on in any case.
async fn play(stage: Stage) -> anyhow::Result<Report> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cut = CancellationToken::new();
    let mut play = pin!(stage.play(cut.clone()));
    loop {
        tokio::select! {
            report = &mut play => return report,
            () = either(&mut interrupt, &mut terminate) => {
                if cut.is_cancelled() {
                    bail!("cut short: what was stopped goes on, and nothing was judged");
                }
                tracing::warn!("no more faults: waits until the fleet is whole; a second signal \
                                ends it at once");
                cut.cancel();
            }
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

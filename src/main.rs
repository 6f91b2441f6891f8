//! Parses the command line, runs one role, and turns its outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use cloudaps::cli::{Cli, Command, ForwardArgs, Misuse};
use cloudaps::config::File;
use cloudaps::http1::Forwarding;
use cloudaps::{forwarder, task_client, tasks};

/// The exit code of a command that was called wrongly (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere to say that it could not be said.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cloudaps: {error:#}");
            if error.is::<Misuse>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Forward(args) => forward(&args),
        Command::Tasks(args) => tasks::run(&args),
        Command::Tarefa(args) => task_client::tarefa(args),
        Command::Task(args) => task_client::task(args),
        other => anyhow::bail!("{other:?} is not wired up"),
    }
}

/// Forwards with the settings of the file's `[proxy]`.
fn forward(args: &ForwardArgs) -> anyhow::Result<ExitCode> {
    let file = File::read_or_default(args.config.as_deref());
    let file = file.map_err(|error| Misuse(error.to_string()))?;
    forwarder::run(args, file.proxy.settings(Forwarding::Append))
}

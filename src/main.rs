//! Parses the command line, runs one role, and turns its outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use cloudaps::cli::{Cli, Command};
use cloudaps::{admin, task_client, tasks};

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
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cloudaps: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Tasks(args) => tasks::run(&args),
        Command::Tarefa(args) => task_client::tarefa(args),
        Command::Task(args) => task_client::task(args),
        Command::Status(args) => Ok(admin::status(&args)),
        Command::Scale(args) => Ok(admin::scale(&args)),
        Command::Drain(args) => Ok(admin::drain(&args)),
        Command::Replace(args) => Ok(admin::replace(&args)),
        Command::Pause(args) => Ok(admin::pause(&args)),
        Command::Resume(args) => Ok(admin::resume(&args)),
        Command::Down(args) => Ok(admin::down(&args)),
        other => anyhow::bail!("{other:?} is not wired up"),
    }
}

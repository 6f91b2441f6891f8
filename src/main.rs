//! Parses the command line, runs one role, and turns its outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use cloudaps::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    eprintln!("{:?} is not wired up", cli.command);
    ExitCode::FAILURE
}

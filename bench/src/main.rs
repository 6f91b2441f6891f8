//! Compares CloudAPS with nginx, HAProxy and a bare relay: `just bench`.
//!
//! One program with several roles: `run` starts the others as processes of their own, so that each
//! is pinned to its core and its CPU time is its own.

mod cli;
mod clock;
mod head;
mod load;
mod median;
mod origin;
mod relay;
mod run;
mod socket;
mod surroundings;
mod table;
mod vigil;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Failover(args) => run::failover(&args),
        Command::Tasks(args) => run::tasks(&args),
        Command::Origin(args) => origin::run(&args),
        Command::Surroundings(args) => surroundings::run(&args),
        Command::Relay(args) => relay::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Idle(args) => load::idle(&args),
        Command::Transfer(args) => load::transfer(&args),
        Command::Exec(args) => run::exec(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cloudaps-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

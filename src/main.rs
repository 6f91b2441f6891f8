//! Parses the command line, runs one role, and turns its outcome into an exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use cloudaps::cli::{CheckArgs, Cli, Command, ForwardArgs, Misuse};
use cloudaps::config::{Config, File};
use cloudaps::http1::Forwarding;
use cloudaps::up::{self, Screen};
use cloudaps::{admin, chaos, forwarder, task_client, tasks};
use tracing_subscriber::EnvFilter;

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
    let screen = Screen::default();
    log_to(&screen, &cli.log)?;
    match cli.command {
        Command::Up(args) => up::run(&args, &screen),
        Command::Check(args) => check(&args),
        Command::Forward(args) => forward(&args),
        Command::Tasks(args) => tasks::run(&args),
        Command::Tarefa(args) => task_client::tarefa(args),
        Command::Task(args) => task_client::task(args),
        Command::Status(args) => Ok(admin::status(&args)),
        Command::Incidents(args) => Ok(admin::incidents(&args)),
        Command::Scale(args) => Ok(admin::scale(&args)),
        Command::Drain(args) => Ok(admin::drain(&args)),
        Command::Replace(args) => Ok(admin::replace(&args)),
        Command::Pause(args) => Ok(admin::pause(&args)),
        Command::Resume(args) => Ok(admin::resume(&args)),
        Command::Chaos(args) => chaos::run(&args),
        Command::Down(args) => Ok(admin::down(&args)),
    }
}

fn log_to(screen: &Screen, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Misuse(format!("--log `{filter}`: {error}; allowed are error, warn, info, debug, trace"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(screen.clone())
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}

/// Validates a file as `up` would, and prints it with every default filled in.
fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let misuse = |error: cloudaps::config::Error| Misuse(error.to_string());
    let file = File::read(&args.config).map_err(misuse)?;
    Config::new(&file, Some(&args.config)).map_err(misuse)?;
    print!("{}", file.effective());
    Ok(ExitCode::SUCCESS)
}

/// Forwards with the settings of the file's `[proxy]`.
fn forward(args: &ForwardArgs) -> anyhow::Result<ExitCode> {
    let file = File::read_or_default(args.config.as_deref());
    let file = file.map_err(|error| Misuse(error.to_string()))?;
    forwarder::run(args, &file.proxy.settings(Forwarding::Append))
}

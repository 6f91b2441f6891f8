//! Parses the command line, runs one role, and turns its outcome into an exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use cloudaps::cli::{CheckArgs, Cli, Colours, Command, ForwardArgs, LogKind, Misuse};
use cloudaps::config::{Config, File};
use cloudaps::http1::Forwarding;
#[cfg(feature = "ec2")]
use cloudaps::install;
use cloudaps::up::{self, Screen};
use cloudaps::{admin, chaos, forwarder, join, manual, task_client, tasks};
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
    log_to(&screen, &cli)?;
    let colours = cli.colours();
    match cli.command {
        Command::Up(args) => up::run(&args, &screen),
        Command::Check(args) => check(&args),
        #[cfg(feature = "ec2")]
        Command::Plan(args) => install::show_plan(&args),
        #[cfg(feature = "ec2")]
        Command::Install(args) => install::install(&args),
        #[cfg(feature = "ec2")]
        Command::Destroy(args) => install::destroy(&args),
        #[cfg(not(feature = "ec2"))]
        Command::Plan(_) | Command::Install(_) | Command::Destroy(_) => Err(without_ec2()),
        Command::Forward(args) => forward(&args),
        Command::Tasks(args) => tasks::run(&args),
        Command::Join(args) => join::run(&args),
        Command::Tarefa(args) => task_client::tarefa(args),
        Command::Task(args) => task_client::task(args),
        Command::Status(args) => Ok(admin::status(&args, colours)),
        Command::Incidents(args) => Ok(admin::incidents(&args)),
        Command::Scale(args) => Ok(admin::scale(&args)),
        Command::Drain(args) => Ok(admin::drain(&args)),
        Command::Replace(args) => Ok(admin::replace(&args)),
        Command::Pause(args) => Ok(admin::pause(&args)),
        Command::Resume(args) => Ok(admin::resume(&args)),
        Command::Chaos(args) => chaos::run(&args),
        Command::Down(args) => Ok(admin::down(&args)),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}

/// The log goes to the standard error: as text to a person at a terminal, else as JSON.
fn log_to(screen: &Screen, cli: &Cli) -> anyhow::Result<()> {
    let filter = &cli.log_filter;
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        let allowed = "allowed are error, warn, info, debug, trace";
        Misuse(format!("--log-filter `{filter}`: {error}; {allowed}"))
    })?;
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen.clone());
    match cli.log.unwrap_or(if is_terminal { LogKind::Text } else { LogKind::Json }) {
        LogKind::Text => {
            let has_colours = is_terminal && cli.colours() == Colours::Wanted;
            log.with_target(false).with_ansi(has_colours).init();
        }
        LogKind::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}

/// What this build cannot do.
#[cfg(not(feature = "ec2"))]
fn without_ec2() -> anyhow::Error {
    let text = "this cloudaps was built without AWS: build it with \
                `cargo build --release --features ec2`";
    Misuse(text.to_owned()).into()
}

/// Validates a file as `up` would, and prints it with every default filled in.
fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let misuse = |error: cloudaps::config::Error| Misuse(error.to_string());
    let file = File::read(&args.config).map_err(misuse)?;
    Config::new(&file, Some(&args.config)).map_err(misuse)?;
    print!("{}", if args.json { file.effective_json() } else { file.effective() });
    Ok(ExitCode::SUCCESS)
}

/// Forwards with the settings of the file's `[proxy]` and `[traces]`.
fn forward(args: &ForwardArgs) -> anyhow::Result<ExitCode> {
    let file = File::read_or_default(args.config.as_deref());
    let file = file.and_then(|file| file.traced_to(&args.traces));
    let file = file.map_err(|error| Misuse(error.to_string()))?;
    forwarder::run(args, &file.proxy.settings(Forwarding::Append), file.traces.settings())
}

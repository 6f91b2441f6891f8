//! The command line, told to shells (completions) and to `man` (manual pages).

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{Cli, CompletionsArgs, ManArgs, ShellKind};

/// Prints what a shell has to run so that it completes `cloudaps`.
///
/// # Errors
/// It cannot be printed.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let shell = match args.shell {
        ShellKind::Bash => Shell::Bash,
        ShellKind::Zsh => Shell::Zsh,
        ShellKind::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cloudaps", &mut text);
    print(&text)
}

/// Prints the manual page, or writes one for each command.
///
/// # Errors
/// It cannot be printed, or the folder cannot be written to.
pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    match &args.dir {
        Some(dir) => write_pages(dir),
        None => {
            let mut text = Vec::new();
            Man::new(Cli::command()).render(&mut text)?;
            print(&text)
        }
    }
}

fn write_pages(dir: &Path) -> anyhow::Result<ExitCode> {
    let cannot = || format!("cannot write manual pages into {}", dir.display());
    std::fs::create_dir_all(dir).with_context(cannot)?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(cannot)?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever reads may have read enough, as `head` does.
fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

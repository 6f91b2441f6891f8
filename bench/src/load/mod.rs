//! The clients. One thread; as little work per request as possible, because the origins run on
//! the same core.

mod engine;
mod exchange;
mod pace;
mod plain;
mod tally;

pub(crate) use engine::Engine;
pub(crate) use plain::{idle, transfer};
pub(crate) use tally::Report;

use std::io::{self, Write};

use crate::cli::LoadArgs;
use crate::vigil::Vigil;

/// Printed when the measurement begins, and when it ends: whoever started this reads the CPU time
/// of the subject at these moments.
pub(crate) const STARTED: &str = "started";
pub(crate) const STOPPED: &str = "stopped";

/// Asks until the time is over, and prints the report as JSON in one line.
pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<()> {
    let mut engine = Engine::new(args, Vigil::asleep()?)?;
    engine.measure()?;
    println!("{}", serde_json::to_string(&engine.report())?);
    Ok(())
}

/// Tells whoever started this process, who reads it at once.
pub(crate) fn say(word: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{word}")?;
    output.flush()
}

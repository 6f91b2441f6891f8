//! The operator's verbs: each is one call of the admin API, and `down` also waits for the end.

mod call;
mod down;
mod failure;
mod incidents;
mod live;
mod orphans;
mod place;
mod table;
mod watch;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

pub(crate) use self::call::Client;
pub(crate) use self::failure::Failure;
pub(crate) use self::place::Place;
use self::watch::Format;
use crate::cli::{AdminArgs, Colours, GroupKind, IncidentsArgs, ScaleArgs, SlotArgs, StatusArgs};
use crate::controller::INSTANCES_MAX;
use crate::fleet::{Group, ParseSlotError, Slot};

/// Runs `cloudaps status`.
#[must_use]
pub fn status(args: &StatusArgs, colours: Colours) -> ExitCode {
    let format = Format::of(&args.admin);
    let shown = client(&args.admin).and_then(|client| match args.watch {
        true => watch::status(client, format, colours),
        false => show(&client, format),
    });
    exit("status", shown)
}

/// Runs `cloudaps incidents`.
#[must_use]
pub fn incidents(args: &IncidentsArgs) -> ExitCode {
    let format = Format::of(&args.admin);
    exit("incidents", client(&args.admin).and_then(|of| incidents::show(&of, args.last, format)))
}

/// Runs `cloudaps scale`.
#[must_use]
pub fn scale(args: &ScaleArgs) -> ExitCode {
    let count = args.count;
    let body = match args.group {
        GroupKind::Instances if count > INSTANCES_MAX => {
            return exit("scale", Err(Failure::Size(count)));
        }
        GroupKind::Instances => json!({ "instances": count }),
        GroupKind::Backend => json!({ "backends": count }),
    };
    exit("scale", post(&args.admin, "/v1/scale", Some(&body)))
}

/// Runs `cloudaps drain`.
#[must_use]
pub fn drain(args: &SlotArgs) -> ExitCode {
    exit("drain", order(args, "drain"))
}

/// Runs `cloudaps replace`.
#[must_use]
pub fn replace(args: &SlotArgs) -> ExitCode {
    exit("replace", order(args, "replace"))
}

/// Runs `cloudaps pause`.
#[must_use]
pub fn pause(args: &AdminArgs) -> ExitCode {
    exit("pause", post(args, "/v1/pause", None))
}

/// Runs `cloudaps resume`.
#[must_use]
pub fn resume(args: &AdminArgs) -> ExitCode {
    exit("resume", post(args, "/v1/resume", None))
}

/// Runs `cloudaps down`.
#[must_use]
pub fn down(args: &AdminArgs) -> ExitCode {
    exit("down", Place::find(args).and_then(|place| down::everything(&place, Format::of(args))))
}

fn client(args: &AdminArgs) -> Result<Client, Failure> {
    Ok(Client::new(Place::find(args)?))
}

fn show(client: &Client, format: Format) -> Result<(), Failure> {
    let answer = client.status()?;
    let mut out = io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", answer.text)?,
        Format::Human => write!(out, "{}", table::render(&answer.meant))?,
    }
    Ok(())
}

fn post(args: &AdminArgs, path: &str, body: Option<&serde_json::Value>) -> Result<(), Failure> {
    Format::of(args).say(client(args)?.post(path, body)?);
    Ok(())
}

fn order(args: &SlotArgs, verb: &str) -> Result<(), Failure> {
    let slot = parse_slot(&args.slot)?;
    post(&args.admin, &format!("/v1/slots/{slot}/{verb}"), None)
}

/// What a person types: the backend is the first one, and a number alone can only be an instance.
fn parse_slot(text: &str) -> Result<Slot, ParseSlotError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "backend" => Ok(Slot { group: Group::Backend, index: 0 }),
        _ if is_number => format!("{}-{text}", Group::Instances.name()).parse(),
        _ => text.parse(),
    }
}

impl Format {
    const fn of(args: &AdminArgs) -> Self {
        if args.json { Self::Json } else { Self::Human }
    }

    /// Prints what was done. It was, whether or not anybody reads it.
    pub(super) fn say(self, what: impl fmt::Display) {
        let mut out = io::stdout();
        let _ = match self {
            Self::Human => writeln!(out, "{what}"),
            Self::Json => writeln!(out, "{}", json!({ "message": what.to_string() })),
        };
    }
}

fn exit(verb: &str, done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough, as `head` does.
        Err(Failure::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let code = failure.exit_code();
            eprintln!("cloudaps {verb}: {:#}", anyhow::Error::from(failure));
            code
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_can_be_named_in_short() {
        for (text, slot) in [
            ("2", "instance-2"),
            ("instance-2", "instance-2"),
            ("backend", "backend-0"),
            ("backend-0", "backend-0"),
        ] {
            assert_eq!(parse_slot(text).unwrap().to_string(), slot);
        }
    }

    #[test]
    fn what_is_no_slot_is_refused() {
        for text in ["", "-1", "02", "instance", "x-1", "4294967296"] {
            assert!(parse_slot(text).is_err(), "{text}");
        }
    }
}

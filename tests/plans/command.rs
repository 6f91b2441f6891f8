//! The commands of a story, and how they are read.

use std::time::Duration;

use cloudaps::fleet::{Finding, Order, Slot};

/// One line of a story.
#[derive(Debug)]
pub(crate) enum Command {
    /// `at 1.5s`: it is that late now.
    At(Duration),
    /// `after 200ms`: so much time passes.
    After(Duration),
    /// `spec instances=3 surge=1 …`: what is desired from now on.
    Spec(Vec<(String, String)>),
    /// `exists a instance-0`: a machine that an earlier controller (or somebody else) started.
    Exists(String, Slot),
    /// `running a b c`: three that exist, are listed and probed well.
    Running(Vec<String>),
    /// `listed a b=pending c=gone began=1s`: what a listing names, and when it began.
    Listed(Vec<(String, String)>),
    /// `made instance-0 as a`: the provider made it, and its answer is still on the way.
    Made(Slot, String),
    /// `launched instance-0 as a`: the provider made it and said so.
    Launched(Slot, String),
    /// `launch-failed instance-0 no such program`: the provider said that it could not.
    LaunchFailed(Slot, String),
    /// `probe a b well x3`: what the next probes of these find.
    Probe(Vec<String>, Finding, u32),
    /// `suspect a`: a request was refused by it.
    Suspect(String),
    /// `gone a exit status: 1`: the provider noticed its end.
    Gone(String, String),
    /// `drained a`: its last request ended.
    Drained(String),
    /// `terminated a`: the provider knows that it is gone.
    Terminated(String),
    /// `terminate-failed a throttled`: the provider does not.
    TerminateFailed(String, String),
    /// `repointed a`: the forwarder took the address that it was told last.
    Repointed(String),
    /// `repoint-failed a 401`: it did not.
    RepointFailed(String, String),
    /// `busy a d e`: a forwarder has requests in flight at these backends, which are let finish.
    Busy(String, Vec<String>),
    /// `order drain instance-0`, `order replace instance-0`.
    Order(Order, Slot),
    /// `pause`: the operator wants nothing launched or ended.
    Pause,
    /// `resume`: the operator wants to go on.
    Resume,
    /// `scale 5`: so many instances.
    Scale(u32),
    /// `stop`: everything is to end.
    Stop,
    /// `restart`: the controller forgets everything and starts again.
    Restart,
    /// `plan`: prints what is to be done and why no more, and begins it.
    Plan,
    /// `fleet`: prints what is known.
    Fleet,
}

const COMMANDS: &str = "at, after, spec, exists, running, listed, made, launched, launch-failed, \
    probe, suspect, gone, drained, terminated, terminate-failed, repointed, repoint-failed, busy, \
    order, pause, resume, scale, stop, restart, plan, fleet";

const FINDINGS: &str =
    "well, leaving, shedding (or 503), refused, timeout, or a status such as 500";

impl Command {
    /// Reads one line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let words: Vec<&str> = rest.split_whitespace().collect();
        match verb {
            "at" => Ok(Self::At(duration(rest)?)),
            "after" => Ok(Self::After(duration(rest)?)),
            "spec" => Ok(Self::Spec(settings(&words))),
            "exists" | "running" | "listed" => Self::parse_machines(verb, &words),
            "made" | "launched" | "launch-failed" => Self::parse_launch(verb, rest),
            "probe" => Self::parse_probe(&words),
            "order" => Self::parse_order(&words),
            "scale" => Ok(Self::Scale(number(rest)?)),
            "pause" => Ok(Self::Pause),
            "resume" => Ok(Self::Resume),
            "stop" => Ok(Self::Stop),
            "restart" => Ok(Self::Restart),
            "plan" => Ok(Self::Plan),
            "fleet" => Ok(Self::Fleet),
            _ => Self::parse_instance(verb, rest),
        }
    }

    fn parse_machines(verb: &str, words: &[&str]) -> Result<Self, String> {
        match (verb, words) {
            ("listed", words) => Ok(Self::Listed(settings(words))),
            ("running", words) => Ok(Self::Running(owned(words))),
            (_, [name, at]) => Ok(Self::Exists((*name).to_owned(), slot(at)?)),
            _ => Err("allowed is `exists NAME SLOT`".to_owned()),
        }
    }

    fn parse_launch(verb: &str, rest: &str) -> Result<Self, String> {
        let (at, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = text.strip_prefix("as ").map(str::to_owned);
        match (verb, name) {
            ("launch-failed", _) => Ok(Self::LaunchFailed(slot(at)?, text.to_owned())),
            ("made", Some(name)) => Ok(Self::Made(slot(at)?, name)),
            ("launched", Some(name)) => Ok(Self::Launched(slot(at)?, name)),
            (verb, _) => Err(format!("allowed is `{verb} SLOT as NAME`")),
        }
    }

    fn parse_probe(words: &[&str]) -> Result<Self, String> {
        let (words, times) = match words {
            [rest @ .., last] if last.starts_with('x') && last[1..].parse::<u32>().is_ok() => {
                (rest, number(&last[1..])?)
            }
            words => (words, 1),
        };
        match words {
            [names @ .., found] if !names.is_empty() => {
                Ok(Self::Probe(owned(names), finding(found)?, times))
            }
            _ => Err("allowed is `probe NAME… FINDING [xTIMES]`".to_owned()),
        }
    }

    fn parse_order(words: &[&str]) -> Result<Self, String> {
        match words {
            ["drain", at] => Ok(Self::Order(Order::Drain, slot(at)?)),
            ["replace", at] => Ok(Self::Order(Order::Replace, slot(at)?)),
            _ => Err("allowed are `order drain SLOT` and `order replace SLOT`".to_owned()),
        }
    }

    fn parse_instance(verb: &str, rest: &str) -> Result<Self, String> {
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let (name, text) = (name.to_owned(), text.to_owned());
        match verb {
            "suspect" => Ok(Self::Suspect(name)),
            "gone" => Ok(Self::Gone(name, text)),
            "drained" => Ok(Self::Drained(name)),
            "terminated" => Ok(Self::Terminated(name)),
            "terminate-failed" => Ok(Self::TerminateFailed(name, text)),
            "busy" => {
                let at = text.split_whitespace().map(str::to_owned);
                Ok(Self::Busy(name, at.collect()))
            }
            "repointed" => Ok(Self::Repointed(name)),
            "repoint-failed" => Ok(Self::RepointFailed(name, text)),
            _ => Err(format!("unknown command `{verb}`; allowed are {COMMANDS}")),
        }
    }
}

/// Reads `200ms`, `1.5s` or `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let count: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Duration::try_from_secs_f64(count * seconds).ok()
    });
    let milliseconds =
        read.map(|read| Duration::from_millis((read.as_secs_f64() * 1e3).round() as u64));
    milliseconds
        .ok_or_else(|| format!("`{text}` is not a duration; allowed are `200ms`, `1.5s`, `2m`"))
}

/// Reads a count.
pub(crate) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn slot(text: &str) -> Result<Slot, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn finding(text: &str) -> Result<Finding, String> {
    match text {
        "well" => Ok(Finding::Well),
        "shedding" | "503" => Ok(Finding::Shedding),
        "leaving" => Ok(Finding::Leaving),
        "refused" => Ok(Finding::Refused),
        "timeout" => Ok(Finding::TimedOut),
        _ => text
            .parse()
            .map(Finding::Failed)
            .map_err(|_| format!("unknown finding `{text}`; allowed are {FINDINGS}")),
    }
}

/// `key=value` pairs; a word without a value has an empty one.
fn settings(words: &[&str]) -> Vec<(String, String)> {
    let pair = |word: &&str| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        (key.to_owned(), value.to_owned())
    };
    words.iter().map(pair).collect()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

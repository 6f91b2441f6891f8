//! Compares what came of a case with what must.

use super::case::{After, Exchange, Outcome, Parts, Received, Saw, Told, Upstream};
use super::message::Message;
use super::origin::Seen;
use super::stage::Observed;

/// What a subject made of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passes,
    /// It did something else that the RFC allows.
    Allowed(String),
    /// It did something else.
    Differs(String),
}

/// Judges an exchange.
pub(crate) fn judge(exchange: &Exchange, observed: &Observed) -> Verdict {
    let Err(difference) = compare(&exchange.wanted, observed) else { return Verdict::Passes };
    let said = summary(observed);
    if exchange.allowed.iter().any(|allowed| compare(allowed, observed).is_ok()) {
        return Verdict::Allowed(said);
    }
    Verdict::Differs(match difference {
        Difference::Course => said,
        Difference::Detail(detail) => detail,
    })
}

/// How an outcome is not the one that was wanted.
enum Difference {
    /// Other answers, another end, or other requests at the origin: the summary tells it.
    Course,
    /// The same course, but for this.
    Detail(String),
}

fn compare(wanted: &Outcome, observed: &Observed) -> Result<(), Difference> {
    let statuses = |told: &[Told]| told.len() == observed.told.len();
    let mut pairs = wanted.told.iter().zip(&observed.told);
    let agree = pairs.all(|(told, message)| told.statuses.contains(&message.status()));
    if !statuses(&wanted.told) || !agree || !is_after(wanted.after, observed) {
        return Err(Difference::Course);
    }
    compare_origin(&wanted.origin, observed)?;
    for (told, message) in wanted.told.iter().zip(&observed.told) {
        compare_parts(&told.parts, message, "the client")?;
    }
    compare_upstream(wanted.upstream, observed)?;
    observed.log.seen.iter().try_for_each(|seen| check_sane(seen).map_err(Difference::Detail))
}

fn is_after(after: After, observed: &Observed) -> bool {
    let is_whole = observed.told.last().is_none_or(|last| last.is_whole);
    let is_reached = observed.is_next_answered || next_of(observed).is_some();
    match after {
        After::Open => observed.is_next_answered && is_whole,
        After::Closed => observed.is_ended && !is_reached && is_whole,
        After::Cut => observed.is_ended && !is_reached && !is_whole,
    }
}

fn compare_origin(wanted: &Saw, observed: &Observed) -> Result<(), Difference> {
    let seen: Vec<&Seen> = own_of(observed).collect();
    let is_untouched = seen.is_empty() && observed.log.stray.is_empty();
    let is_as_wanted = match wanted {
        Saw::Anything => true,
        Saw::Nothing => is_untouched,
        Saw::NothingWhole => seen.iter().all(|each| !each.message.is_whole),
        Saw::Requests(requests) => requests.len() == seen.len(),
    };
    if !is_as_wanted {
        return Err(Difference::Course);
    }
    let Saw::Requests(requests) = wanted else { return Ok(()) };
    requests.iter().zip(seen).try_for_each(|(request, seen)| compare_request(request, seen))
}

fn compare_request(wanted: &Received, seen: &Seen) -> Result<(), Difference> {
    let message = &seen.message;
    if wanted.line.as_ref().is_some_and(|line| *line != message.line) {
        let line = show(&message.line);
        return Err(Difference::Detail(format!("the origin gets `{line}`")));
    }
    if !message.is_whole {
        return Err(Difference::Course);
    }
    compare_parts(&wanted.parts, message, "the origin")
}

fn compare_parts(wanted: &Parts, message: &Message, who: &str) -> Result<(), Difference> {
    let differs = |what: String| Err(Difference::Detail(format!("{who} gets {what}")));
    for (name, value) in &wanted.has {
        let found = message.values(name);
        let is_there = found.len() == 1 && matches_value(value, found[0]);
        if !is_there {
            return differs(listed(name, &found));
        }
    }
    for name in &wanted.lacks {
        let found = message.values(name);
        if !found.is_empty() {
            return differs(listed(name, &found));
        }
    }
    if let Some(body) = wanted.body.as_ref().filter(|body| **body != message.body) {
        return differs(format!("a body of {} bytes, not {}", message.body.len(), body.len()));
    }
    if let Some(framing) = wanted.framing.filter(|framing| *framing != message.framing) {
        return differs(format!("framing {:?}, not {framing:?}", message.framing));
    }
    Ok(())
}

fn compare_upstream(wanted: Option<Upstream>, observed: &Observed) -> Result<(), Difference> {
    let Some(wanted) = wanted else { return Ok(()) };
    let (Some(first), Some(next)) = (own_of(observed).next(), next_of(observed)) else {
        return Err(Difference::Course);
    };
    match (wanted, first.connection == next.connection) {
        (Upstream::Reused, true) | (Upstream::Fresh, false) => Ok(()),
        (Upstream::Reused, false) => {
            Err(Difference::Detail("does not use the connection to the origin again".to_owned()))
        }
        (Upstream::Fresh, true) => {
            Err(Difference::Detail("uses the connection to the origin again".to_owned()))
        }
    }
}

/// What holds for whatever is passed on, in every case: nobody can read it in two ways, and
/// nothing is sent behind a request that is not answered yet.
fn check_sane(seen: &Seen) -> Result<(), String> {
    let message = &seen.message;
    let count = |name: &str| message.values(name).len();
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    if lengths + codings > 1 {
        return Err("passes on more than one framing header".to_owned());
    }
    if count("host") != 1 && message.line.ends_with(" HTTP/1.1") {
        return Err(format!("passes on {} Host lines", count("host")));
    }
    if !seen.ahead.is_empty() {
        return Err("sends the next request before the answer".to_owned());
    }
    Ok(())
}

fn own_of(observed: &Observed) -> impl Iterator<Item = &Seen> {
    observed.log.seen.iter().filter(|seen| !seen.message.is_next())
}

fn next_of(observed: &Observed) -> Option<&Seen> {
    observed.log.seen.iter().find(|seen| seen.message.is_next())
}

/// `Exact`, `Begins*` or `*`.
fn matches_value(wanted: &str, found: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => found.starts_with(beginning),
        None => found == wanted,
    }
}

/// What came of it, in a few words.
fn summary(observed: &Observed) -> String {
    let statuses = observed.told.iter().map(|told| match (told.status(), told.is_whole) {
        (0, _) => "bytes that are no answer".to_owned(),
        (status, true) => status.to_string(),
        (status, false) => format!("{status} cut short"),
    });
    let mut told = statuses.collect::<Vec<_>>().join(", ");
    if told.is_empty() {
        "no answer".clone_into(&mut told);
    }
    let is_passed = own_of(observed).any(|seen| seen.message.is_whole);
    let passed = if is_passed { ", passed on" } else { "" };
    let is_open = observed.is_next_answered;
    let end = match (is_open, observed.is_ended) {
        (true, _) => "stays open",
        (false, true) if next_of(observed).is_some() => "next request passed on, closed",
        (false, true) => "closed",
        (false, false) => "waits",
    };
    format!("{told}{passed}, {end}")
}

/// Everything that was said, a line for each message.
pub(crate) fn transcript(observed: &Observed) -> String {
    let told = observed.told.iter().map(|told| format!("\n  told: {}", outline(told)));
    let seen = observed
        .log
        .seen
        .iter()
        .map(|seen| format!("\n  seen on {}: {}", seen.connection, outline(&seen.message)));
    let stray = observed
        .log
        .stray
        .iter()
        .map(|bytes| format!("\n  stray: {}", bytes[..bytes.len().min(500)].escape_ascii()));
    told.chain(seen).chain(stray).chain([format!("\n  {}", summary(observed))]).collect()
}

fn outline(message: &Message) -> String {
    let Message { line, fields, framing, body, is_whole, .. } = message;
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| show(&format!("{name}: {value}"))).collect();
    let body = show(&super::message::latin1(body));
    format!("{} {fields:?} {framing:?} `{body}` whole: {is_whole}", show(line))
}

fn listed(name: &str, values: &[&str]) -> String {
    match values {
        [] => format!("no `{name}`"),
        [value] => format!("`{name}: {}`", show(value)),
        _ => format!("{} lines of `{name}`", values.len()),
    }
}

/// Text that fits in a line, with what cannot be seen escaped.
pub(crate) fn show(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let escaped: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_default).collect();
    let escaped = escaped.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().count() > SHOWN_MAX { format!("{escaped}…") } else { escaped }
}

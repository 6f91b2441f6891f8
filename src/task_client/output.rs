//! Prints outcomes as they come, so that what was done is known even if the rest never ends.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;

use super::language::Voice;
use super::progress::Progress;
use super::server::{Failure, TaskBody};
use super::words::{self, Done};

/// The least width of the column of ids: pages of a list line up until a million tasks.
const ID_WIDTH: u16 = 8;

/// Columns of a terminal below which there is no room for the times beside the texts.
const NARROW: u16 = 48;

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Human,
    Json,
}

/// Where outcomes go: what was done to `out`, what failed to the standard error as well.
pub(super) struct Output<W> {
    voice: Voice,
    format: Format,
    progress: Progress,
    out: W,
    /// Elements of the JSON array so far; `None` outside of one.
    elements: Option<usize>,
    listed: usize,
    done: usize,
    failed: usize,
}

/// A removed task, in JSON.
#[derive(Serialize)]
struct RemovedTask {
    id: i64,
    removed: bool,
}

/// Something that was not done, in JSON.
#[derive(Serialize)]
struct FailedTask<'a> {
    #[serde(flatten)]
    about: About<'a>,
    /// Which kind of failure, for programs: it is the same in every language.
    code: &'static str,
    /// What to tell a person.
    error: &'a str,
}

/// Which task could not be dealt with: by its number, or by its text.
#[derive(Default, Serialize)]
struct About<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<W: Write> Output<W> {
    pub(super) fn new(voice: Voice, format: Format, progress: Progress, out: W) -> Self {
        Self { voice, format, progress, out, elements: None, listed: 0, done: 0, failed: 0 }
    }

    /// What follows are the elements of one array, in JSON.
    pub(super) fn begin_array(&mut self) -> io::Result<()> {
        self.elements = Some(0);
        match self.format {
            Format::Human => Ok(()),
            Format::Json => write!(self.out, "["),
        }
    }

    pub(super) fn end_array(&mut self) -> io::Result<()> {
        self.elements = None;
        match self.format {
            Format::Human => Ok(()),
            Format::Json => writeln!(self.out, "]"),
        }
    }

    /// A task was added or changed.
    pub(super) fn done(&mut self, done: Done, task: &TaskBody) -> io::Result<()> {
        self.done += 1;
        self.progress.advance();
        match self.format {
            Format::Human => self.line(&words::done(self.voice.language, done, task)),
            Format::Json => self.element(task),
        }
    }

    /// A task was removed.
    pub(super) fn removed(&mut self, id: i64) -> io::Result<()> {
        self.done += 1;
        self.progress.advance();
        match self.format {
            Format::Human => self.line(&words::removed(self.voice.language, id)),
            Format::Json => self.element(&RemovedTask { id, removed: true }),
        }
    }

    /// The task that was asked for.
    pub(super) fn one(&mut self, task: &TaskBody) -> io::Result<()> {
        self.page(std::slice::from_ref(task))
    }

    /// Some of the tasks that were asked for.
    pub(super) fn page(&mut self, tasks: &[TaskBody]) -> io::Result<()> {
        let is_first = self.listed == 0;
        self.listed += tasks.len();
        match self.format {
            Format::Json => tasks.iter().try_for_each(|task| self.element(task)),
            Format::Human if tasks.is_empty() && is_first => {
                writeln!(self.out, "{}", words::no_tasks(self.voice.language))
            }
            Format::Human if tasks.is_empty() => Ok(()),
            Format::Human => {
                let header = is_first.then(|| words::columns(self.voice.language));
                writeln!(self.out, "{}", table(header, tasks).trim_fmt())
            }
        }
    }

    /// The task with this number was not found or not changed.
    pub(super) fn failed_id(&mut self, id: i64, failure: &Failure) -> io::Result<()> {
        self.failed(&id.to_string(), About { id: Some(id), text: None }, failure)
    }

    /// This text was not added, or is no id.
    pub(super) fn failed_text(&mut self, text: &str, failure: &Failure) -> io::Result<()> {
        let about = About { id: None, text: Some(text) };
        self.failed(&format!("\"{}\"", words::shown(text)), about, failure)
    }

    /// A line of the standard input was not read.
    pub(super) fn failed_line(&mut self, failure: &Failure) -> io::Result<()> {
        self.failed(words::a_line(self.voice.language), About::default(), failure)
    }

    /// The rest of the list could not be had.
    pub(super) fn failed_list(&mut self, failure: &Failure) -> io::Result<()> {
        self.failed(words::not_listed(self.voice.language), About::default(), failure)
    }

    /// Sums up; the exit code says whether everything was done.
    pub(super) fn finish(mut self) -> ExitCode {
        self.progress.end();
        // What was written has gone out line by line; there is nothing left to lose.
        let _ = self.out.flush();
        if self.failed == 0 {
            return ExitCode::SUCCESS;
        }
        let all = self.done + self.failed;
        if all > 1 {
            let tally = words::tally(self.voice.language, self.done, all);
            eprintln!("{}: {tally}", self.voice.command);
        }
        ExitCode::FAILURE
    }

    fn failed(&mut self, what: &str, about: About<'_>, failure: &Failure) -> io::Result<()> {
        self.failed += 1;
        self.progress.advance();
        let reason = words::failure(self.voice.language, failure);
        let command = self.voice.command;
        self.progress.past(|| eprintln!("{command}: {what}: {reason}"));
        match self.format {
            Format::Human => Ok(()),
            Format::Json => {
                self.element(&FailedTask { about, code: failure.code(), error: &reason })
            }
        }
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        self.progress.past(|| writeln!(self.out, "{text}"))
    }

    fn element(&mut self, value: &impl Serialize) -> io::Result<()> {
        let value = serde_json::to_string(value)?;
        match &mut self.elements {
            None => writeln!(self.out, "{value}"),
            Some(before) => {
                let comma = if *before == 0 { "" } else { ",\n " };
                *before += 1;
                self.progress.past(|| {
                    write!(self.out, "{comma}{value}")?;
                    self.out.flush()
                })
            }
        }
    }
}

fn table(header: Option<[&str; 3]>, tasks: &[TaskBody]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let is_narrow = table.width().is_some_and(|columns| columns < NARROW);
    let fitting = |[id, created, text]: [String; 3]| match is_narrow {
        true => vec![id, text],
        false => vec![id, created, text],
    };
    if let Some(header) = header {
        table.set_header(fitting(header.map(str::to_owned)));
    }
    for task in tasks {
        let created = task.created.get(..19).unwrap_or(&task.created).replace('T', " ");
        let created = words::shown(&created);
        table.add_row(fitting([task.id.to_string(), created, words::shown(&task.text)]));
    }
    if let Some(ids) = table.column_mut(0) {
        ids.set_cell_alignment(CellAlignment::Right);
        ids.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(ID_WIDTH)));
    }
    if let Some(times) = table.column_mut(1).filter(|_| !is_narrow) {
        times.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

//! The client of the task service: `cloudaps tarefa` in Portuguese, `cloudaps task` in English.
//!
//! Several values are several requests, each reported on its own: one that fails does not keep
//! the others from being tried, and none is ever done twice.

mod input;
mod language;
mod output;
mod progress;
mod server;
mod server_url;
mod words;

use std::io::{self, BufRead};
use std::process::ExitCode;

use self::input::Items;
use self::language::{Language, Voice};
use self::output::{Format, Output};
use self::progress::Progress;
use self::server::{Failure, Server};
use self::server_url::ServerUrl;
use self::words::Done;
use crate::cli::{Misuse, TarefaArgs, TarefaVerb, TaskArgs, TaskTarget, TaskVerb, locale};

/// Runs `cloudaps tarefa`.
///
/// # Errors
/// The outcome cannot be printed; [`Misuse`] when the server's address is none.
pub fn tarefa(args: TarefaArgs) -> anyhow::Result<ExitCode> {
    let verb = match args.verb {
        TarefaVerb::Adicionar { values } => Verb::Add(values),
        TarefaVerb::Listar => Verb::List,
        TarefaVerb::Buscar { id } => Verb::Get(id),
        TarefaVerb::Apagar { ids } => Verb::Remove(ids),
        TarefaVerb::Atualizar { id, value } => Verb::Set(id, value),
    };
    let voice = voice("cloudaps tarefa", Language::Portuguese);
    run(voice, &args.target, verb)
}

/// Runs `cloudaps task`.
///
/// # Errors
/// The outcome cannot be printed; [`Misuse`] when the server's address is none.
pub fn task(args: TaskArgs) -> anyhow::Result<ExitCode> {
    let verb = match args.verb {
        TaskVerb::Add { values } => Verb::Add(values),
        TaskVerb::List => Verb::List,
        TaskVerb::Get { id } => Verb::Get(id),
        TaskVerb::Rm { ids } => Verb::Remove(ids),
        TaskVerb::Set { id, value } => Verb::Set(id, value),
    };
    run(voice("cloudaps task", Language::English), &args.target, verb)
}

fn voice(command: &'static str, typed: Language) -> Voice {
    Voice { command, language: Language::of(locale().as_deref(), typed) }
}

/// What to do, in neither language.
enum Verb {
    Add(Vec<String>),
    List,
    Get(i64),
    Remove(Vec<String>),
    Set(i64, String),
}

impl Verb {
    /// Where it is shown how far it is.
    fn progress(&self) -> Progress {
        match self {
            Self::Add(items) | Self::Remove(items) => Progress::new(input::count(items)),
            Self::List | Self::Get(_) | Self::Set(..) => Progress::hidden(),
        }
    }
}

fn run(voice: Voice, target: &TaskTarget, verb: Verb) -> anyhow::Result<ExitCode> {
    let (language, patience) = (voice.language, target.timeout);
    let url: ServerUrl =
        target.server.parse().map_err(|error| Misuse(words::not_a_server(language, &error)))?;
    let progress = verb.progress();
    let shown = progress.clone();
    let notice = move |url: &ServerUrl, reason: &str| {
        let waiting = words::waiting(language, url, patience, reason);
        shown.past(|| eprintln!("{}: {waiting}", voice.command));
    };
    let mut server = Server::new(url, patience, Box::new(notice))?;
    let format = if target.json { Format::Json } else { Format::Human };
    let mut output = Output::new(voice, format, progress, io::stdout().lock());
    match execute(verb, &mut server, &mut output) {
        Ok(()) => Ok(output.finish()),
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

fn execute(verb: Verb, server: &mut Server, output: &mut Output<impl io::Write>) -> io::Result<()> {
    let stdin = io::stdin().lock();
    match verb {
        Verb::Add(values) => add(Items::new(values, stdin), server, output),
        Verb::List => list(server, output),
        Verb::Get(id) => match server.get(id) {
            Ok(task) => output.one(&task),
            Err(failure) => output.failed_id(id, &failure),
        },
        Verb::Remove(ids) => remove(Items::new(ids, stdin), server, output),
        Verb::Set(id, value) => {
            let value = input::whole(value, stdin).map_err(Failure::Unread);
            match value.and_then(|value| server.set(id, &value)) {
                Ok(task) => output.done(Done::Set, &task),
                Err(failure) => output.failed_id(id, &failure),
            }
        }
    }
}

fn add(
    values: Items<impl BufRead>,
    server: &mut Server,
    output: &mut Output<impl io::Write>,
) -> io::Result<()> {
    output.begin_array()?;
    for value in values {
        match value {
            Err(unread) => output.failed_line(&Failure::Unread(unread))?,
            Ok(value) => match server.add(&value) {
                Ok(task) => output.done(Done::Added, &task)?,
                Err(failure) => output.failed_text(&value, &failure)?,
            },
        }
    }
    output.end_array()
}

fn remove(
    ids: Items<impl BufRead>,
    server: &mut Server,
    output: &mut Output<impl io::Write>,
) -> io::Result<()> {
    output.begin_array()?;
    for id in ids {
        match id.map(|text| (text.trim().parse::<i64>(), text)) {
            Err(unread) => output.failed_line(&Failure::Unread(unread))?,
            Ok((Err(_), text)) => output.failed_text(&text, &Failure::NotAnId)?,
            Ok((Ok(id), _)) => match server.remove(id) {
                Ok(()) => output.removed(id)?,
                Err(failure) => output.failed_id(id, &failure)?,
            },
        }
    }
    output.end_array()
}

fn list(server: &mut Server, output: &mut Output<impl io::Write>) -> io::Result<()> {
    output.begin_array()?;
    let mut after = Some(0);
    while let Some(start) = after {
        match server.page(start) {
            Ok(page) => {
                output.page(&page.tasks)?;
                after = page.next;
            }
            Err(failure) => {
                output.failed_list(&failure)?;
                break;
            }
        }
    }
    output.end_array()
}

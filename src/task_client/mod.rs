//! The client of the task service: `cloudaps tarefa` in Portuguese, `cloudaps task` in English.
//!
//! Several values are several requests, each reported on its own: one that fails does not keep
//! the others from being tried, and none is ever done twice.

mod output;
mod server;
mod server_url;
mod words;

use std::io;
use std::process::ExitCode;

use self::output::{Format, Output};
use self::server::Server;
use self::server_url::ServerUrl;
use self::words::{Done, Language};
use crate::cli::{CLIENT_TIMEOUT, TarefaArgs, TarefaVerb, TaskArgs, TaskTarget, TaskVerb};

/// The exit code of a command that was called wrongly (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// Runs `cloudaps tarefa`.
///
/// # Errors
/// The outcome cannot be printed.
pub fn tarefa(args: TarefaArgs) -> anyhow::Result<ExitCode> {
    let verb = match args.verb {
        TarefaVerb::Adicionar { values } => Verb::Add(values),
        TarefaVerb::Listar => Verb::List,
        TarefaVerb::Buscar { id } => Verb::Get(id),
        TarefaVerb::Apagar { ids } => Verb::Remove(ids),
        TarefaVerb::Atualizar { id, value } => Verb::Set(id, value),
    };
    run(Language::Portuguese, &args.target, verb)
}

/// Runs `cloudaps task`.
///
/// # Errors
/// The outcome cannot be printed.
pub fn task(args: TaskArgs) -> anyhow::Result<ExitCode> {
    let verb = match args.verb {
        TaskVerb::Add { values } => Verb::Add(values),
        TaskVerb::List => Verb::List,
        TaskVerb::Get { id } => Verb::Get(id),
        TaskVerb::Rm { ids } => Verb::Remove(ids),
        TaskVerb::Set { id, value } => Verb::Set(id, value),
    };
    run(Language::English, &args.target, verb)
}

/// What to do, in neither language.
enum Verb {
    Add(Vec<String>),
    List,
    Get(i64),
    Remove(Vec<i64>),
    Set(i64, String),
}

fn run(language: Language, target: &TaskTarget, verb: Verb) -> anyhow::Result<ExitCode> {
    let url: ServerUrl = match target.server.parse() {
        Ok(url) => url,
        Err(error) => {
            eprintln!("{}: {}", language.command(), words::not_a_server(language, &error));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let notice = move |url: &ServerUrl, reason: &str| {
        eprintln!("{}: {}", language.command(), words::waiting(language, url, reason));
    };
    let mut server = Server::new(url, CLIENT_TIMEOUT, Box::new(notice))?;
    let format = if target.json { Format::Json } else { Format::Human };
    let mut output = Output::new(language, format, io::stdout().lock());
    match execute(verb, &mut server, &mut output) {
        Ok(()) => Ok(output.finish()),
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

fn execute(verb: Verb, server: &mut Server, output: &mut Output<impl io::Write>) -> io::Result<()> {
    match verb {
        Verb::Add(values) => add(values, server, output),
        Verb::List => list(server, output),
        Verb::Get(id) => match server.get(id) {
            Ok(task) => output.one(&task),
            Err(failure) => output.failed_id(id, &failure),
        },
        Verb::Remove(ids) => remove(&ids, server, output),
        Verb::Set(id, value) => match server.set(id, &value) {
            Ok(task) => output.done(Done::Set, &task),
            Err(failure) => output.failed_id(id, &failure),
        },
    }
}

fn add(
    values: Vec<String>,
    server: &mut Server,
    output: &mut Output<impl io::Write>,
) -> io::Result<()> {
    output.begin_array()?;
    for value in values {
        match server.add(&value) {
            Ok(task) => output.done(Done::Added, &task)?,
            Err(failure) => output.failed_value(&value, &failure)?,
        }
    }
    output.end_array()
}

fn remove(ids: &[i64], server: &mut Server, output: &mut Output<impl io::Write>) -> io::Result<()> {
    output.begin_array()?;
    for id in ids {
        match server.remove(*id) {
            Ok(()) => output.removed(*id)?,
            Err(failure) => output.failed_id(*id, &failure)?,
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

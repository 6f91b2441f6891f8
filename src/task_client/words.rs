//! What the client says, in both languages.

use std::time::Duration;

use super::input::Unread;
use super::language::Language::{self, English, Portuguese};
use super::server::{Failure, TaskBody};
use super::server_url::{ParseServerUrlError, ServerUrl};

/// What was done to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Added,
    Set,
}

pub(super) fn not_a_server(language: Language, error: &ParseServerUrlError) -> String {
    let ParseServerUrlError(text) = error;
    match language {
        Portuguese => format!(
            "--server `{text}` não é um servidor: vale http://HOST:PORTA, como \
             http://127.0.0.1:5000"
        ),
        English => format!(
            "--server `{text}` is not a server: allowed is http://HOST:PORT, such as \
             http://127.0.0.1:5000"
        ),
    }
}

pub(super) fn waiting(
    language: Language,
    url: &ServerUrl,
    patience: Duration,
    reason: &str,
) -> String {
    let time = humantime::format_duration(patience);
    match language {
        Portuguese => format!("esperando por {url} (até {time}): {reason}"),
        English => format!("waiting for {url} (up to {time}): {reason}"),
    }
}

pub(super) fn done(language: Language, done: Done, task: &TaskBody) -> String {
    let TaskBody { id, text: value, .. } = task;
    let value = shown(value);
    match (language, done) {
        (Portuguese, Done::Added) => format!("tarefa {id} adicionada: {value}"),
        (Portuguese, Done::Set) => format!("tarefa {id} atualizada: {value}"),
        (English, Done::Added) => format!("added task {id}: {value}"),
        (English, Done::Set) => format!("updated task {id}: {value}"),
    }
}

pub(super) fn removed(language: Language, id: i64) -> String {
    match language {
        Portuguese => format!("tarefa {id} apagada"),
        English => format!("removed task {id}"),
    }
}

pub(super) fn columns(language: Language) -> [&'static str; 3] {
    match language {
        Portuguese => ["ID", "CRIADA EM", "TAREFA"],
        English => ["ID", "CREATED AT", "TASK"],
    }
}

pub(super) fn no_tasks(language: Language) -> &'static str {
    match language {
        Portuguese => "nenhuma tarefa",
        English => "no tasks",
    }
}

pub(super) fn not_listed(language: Language) -> &'static str {
    match language {
        Portuguese => "a lista não está completa",
        English => "the list is not complete",
    }
}

pub(super) fn a_line(language: Language) -> &'static str {
    match language {
        Portuguese => "uma linha da entrada padrão",
        English => "a line of the standard input",
    }
}

pub(super) fn tally(language: Language, done: usize, all: usize) -> String {
    match language {
        Portuguese => format!("{done} de {all} feitas"),
        English => format!("{done} of {all} done"),
    }
}

pub(super) fn failure(language: Language, failure: &Failure) -> String {
    match (language, failure) {
        (_, Failure::Unread(unread)) => not_read(language, unread),
        (Portuguese, Failure::NotAnId) => "não é um ID: vale um número inteiro".to_owned(),
        (English, Failure::NotAnId) => "is no id: allowed is a whole number".to_owned(),
        (Portuguese, Failure::Missing) => "não existe".to_owned(),
        (English, Failure::Missing) => "does not exist".to_owned(),
        (Portuguese, Failure::Refused { status, detail }) => {
            format!("o servidor recusou ({status}): {}", shown(detail))
        }
        (English, Failure::Refused { status, detail }) => {
            format!("the server refused ({status}): {}", shown(detail))
        }
        (Portuguese, Failure::Unreachable { url, reason }) => {
            format!("sem resposta de {url}: {reason}")
        }
        (English, Failure::Unreachable { url, reason }) => {
            format!("no answer from {url}: {reason}")
        }
        (Portuguese, Failure::NotATask { reason }) => {
            format!("a resposta não é a de um serviço de tarefas: {reason}")
        }
        (English, Failure::NotATask { reason }) => {
            format!("the answer is not that of a task service: {reason}")
        }
    }
}

fn not_read(language: Language, unread: &Unread) -> String {
    match (language, unread) {
        (Portuguese, Unread::TooLong) => "é comprida demais: vale até 1 MiB".to_owned(),
        (English, Unread::TooLong) => "is too long: allowed is up to 1 MiB".to_owned(),
        (Portuguese, Unread::NotText) => "não é texto em UTF-8".to_owned(),
        (English, Unread::NotText) => "is no text in UTF-8".to_owned(),
        (Portuguese, Unread::Broken(error)) => format!("não pode ser lida: {error}"),
        (English, Unread::Broken(error)) => format!("cannot be read: {error}"),
    }
}

/// `text` on one line, and unable to command the terminal.
pub(super) fn shown(text: &str) -> String {
    let escaped = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_command_the_terminal() {
        assert_eq!(shown("pão\n\u{1b}[2Jx\u{9b}"), "pão\\n\\u{1b}[2Jx\\u{9b}");
    }
}

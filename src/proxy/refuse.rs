//! Answers of our own, to a client whose request no endpoint answers.

use super::client::Client;
use super::counters::Count;
use super::error::Error;
use super::io;
use super::problem::{self, Reply};
use super::session::After;
use super::space::RequestSpace;
use super::thread::Thread;
use crate::http1::{Framing, Persistence};

/// Tells the client that its request failed, and whether its connection goes on.
pub(super) async fn refuse(
    thread: &Thread,
    client: &Client,
    space: &mut RequestSpace,
    error: Error,
    persistence: Persistence,
) -> After {
    thread.note_failed(error, space.record.subject(client));
    space.record.trail.notes.note_failed(error);
    let Some(status) = error.status() else {
        thread.tally.add(Count::Abandoned);
        return After::Close;
    };
    let persistence = if thread.is_draining() { Persistence::Close } else { persistence };
    let (method, date) = (space.terms.method, &thread.date());
    let (form, request_id) = (space.record.form(), &space.record.id);
    let reply = Reply { method, persistence, form, request_id, date };
    let (answer, length) = problem::answer(error, status, reply);
    thread.tally.add_answer(status);
    say(thread, client, space, (&answer, status, length), persistence).await
}

/// Answers `OPTIONS` that was meant for us, whose head is used up.
pub(super) async fn answer_options(
    thread: &Thread,
    client: &Client,
    space: &mut RequestSpace,
    framing: Framing,
) -> After {
    // With a body, finding where the next request begins is not worth the trouble.
    let persistence = match framing {
        Framing::Empty | Framing::Length(0) => space.terms.persistence,
        Framing::Length(_) | Framing::Chunked | Framing::UntilClose => Persistence::Close,
    };
    let (method, date) = (space.terms.method, &thread.date());
    let (form, request_id) = (space.record.form(), &space.record.id);
    let reply = Reply { method, persistence, form, request_id, date };
    thread.tally.add_answer(204);
    say(thread, client, space, (&problem::options(reply), 204, 0), persistence).await
}

/// Sends an answer of this status and with a body of this length.
async fn say(
    thread: &Thread,
    client: &Client,
    space: &mut RequestSpace,
    (answer, status, length): (&[u8], u16, usize),
    persistence: Persistence,
) -> After {
    let patience = (client.alarm(), thread.settings.timeouts.stall);
    let said = io::write_all(patience, &client.stream, answer).await;
    if said.is_ok() {
        space.record.trail.notes.note_sent(status, length as u64);
    }
    match (said, persistence) {
        (Ok(()), Persistence::KeepAlive) => After::KeepAlive,
        (Ok(()), Persistence::Close) => After::Linger,
        (Err(_), _) => After::Close,
    }
}

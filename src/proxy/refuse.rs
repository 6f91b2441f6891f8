//! Answers of our own, to a client whose request no endpoint answers.

use super::buffer::Workspace;
use super::client::Client;
use super::counters::Count;
use super::error::Error;
use super::failures::Subject;
use super::io;
use super::problem::{self, Reply};
use super::session::After;
use super::thread::Thread;
use crate::http1::{Framing, Persistence, RequestId};

/// Tells the client that its request failed, and whether its connection goes on.
pub(super) async fn refuse(
    thread: &Thread,
    client: &Client,
    space: &mut Workspace,
    error: Error,
    (request_id, persistence): (&RequestId, Persistence),
) -> After {
    let sender = space.record.sender.unwrap_or(client.identity().address);
    thread.note_failed(error, Subject { client: Some(sender), request_id: Some(request_id) });
    let Some(status) = error.status() else {
        thread.tally.add(Count::Abandoned);
        return After::Close;
    };
    let persistence = if thread.is_draining() { Persistence::Close } else { persistence };
    let (method, date) = (space.request.method(), &thread.date());
    let form = space.record.form();
    let reply = Reply { method, persistence, form, request_id, date };
    problem::write_answer(&mut space.reply, error, status, reply);
    thread.tally.add_answer(status);
    say(thread, client, &space.reply, persistence).await
}

/// Answers `OPTIONS` that was meant for us.
pub(super) async fn answer_options(
    thread: &Thread,
    client: &Client,
    space: &mut Workspace,
    request_id: &RequestId,
) -> After {
    // With a body, finding where the next request begins is not worth the trouble.
    let persistence = match space.request.framing() {
        Framing::Empty | Framing::Length(0) => space.request.persistence(),
        Framing::Length(_) | Framing::Chunked | Framing::UntilClose => Persistence::Close,
    };
    space.inbound.consume(space.request.len());
    let (method, date) = (space.request.method(), &thread.date());
    let form = space.record.form();
    let reply = Reply { method, persistence, form, request_id, date };
    problem::write_options(&mut space.reply, reply);
    thread.tally.add_answer(204);
    say(thread, client, &space.reply, persistence).await
}

async fn say(thread: &Thread, client: &Client, answer: &[u8], persistence: Persistence) -> After {
    let said = io::write_all(thread.settings.timeouts.stall, &client.stream, answer).await;
    match (said, persistence) {
        (Ok(()), Persistence::KeepAlive) => After::KeepAlive,
        (Ok(()), Persistence::Close) => After::Linger,
        (Err(_), _) => After::Close,
    }
}

//! Carries a case out: an origin, a subject in front of it, a client; and what came of it.

use std::time::Duration;

use super::case::{Act, Case, Exchange, Play, Say};
use super::judge::{self, Verdict};
use super::message::{Kind, Message};
use super::origin::{Log, Origin};
use super::subject::{Setup, Subject, Which};
use super::wire::Client;

/// How long a wait for something that must come may take: a slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same for the others, some of which let a client wait where we answer.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(3);

/// Where a case is carried out.
pub(crate) struct Stage {
    pub(crate) which: Which,
    pub(crate) setup: Setup,
    pub(crate) patience: Duration,
}

/// A subject with an origin behind it.
pub(crate) struct Running {
    pub(crate) subject: Subject,
    pub(crate) origin: Origin,
}

/// What came of an exchange.
pub(crate) struct Observed {
    /// The answers that the client got, without that to the last request.
    pub(crate) told: Vec<Message>,
    pub(crate) is_next_answered: bool,
    /// The client's connection has ended.
    pub(crate) is_ended: bool,
    pub(crate) log: Log,
}

/// Puts a case to a subject. Tells what came of it, too, for the message of a case that fails.
pub(crate) fn run(which: Which, case: &Case) -> (Verdict, String) {
    let patience = match which {
        Which::CloudAps => PATIENCE,
        Which::Nginx | Which::HaProxy => PATIENCE_WITH_OTHERS,
    };
    let stage = Stage { which, setup: case.setup, patience };
    match &case.play {
        Play::Scene(scene) => match scene(&stage) {
            Ok(()) => (Verdict::Passes, String::new()),
            Err(instead) => (Verdict::Differs(instead), String::new()),
        },
        Play::Exchange(exchange) => {
            let observed = stage.observe(exchange);
            (judge::judge(exchange, &observed), judge::transcript(&observed))
        }
    }
}

impl Stage {
    pub(crate) fn start(&self, script: Vec<Vec<Act>>) -> Running {
        let origin = Origin::start(script);
        let subject = Subject::start(self.which, &self.setup, &[origin.address]);
        Running { subject, origin }
    }

    fn observe(&self, exchange: &Exchange) -> Observed {
        let Running { subject, origin } = self.start(exchange.origin.clone());
        let client = Client::connect(subject.address);
        let mut talk = Talk { client: Some(client), told: Vec::new(), kind: kind(exchange) };
        for say in &exchange.client {
            self.perform(say, &mut talk, &origin);
        }
        let is_next_answered = self.read_rest(&mut talk);
        let is_ended = talk.client.as_ref().is_none_or(Client::is_ended);
        // Gone, it closes what it has open: then the origin has seen all that there is.
        drop(subject);
        Observed { told: talk.told, is_next_answered, is_ended, log: origin.finish() }
    }

    fn perform(&self, say: &Say, talk: &mut Talk, origin: &Origin) {
        let patience = self.patience;
        match (say, &mut talk.client) {
            (Say::Bytes(bytes), Some(client)) => client.say(bytes, patience),
            (Say::Taken, Some(client)) => client.await_taken(patience),
            (Say::IfContinued(bytes), Some(client)) => {
                if talk.told.last().is_some_and(|last| last.status() == 100) {
                    client.say(bytes, patience);
                    talk.read(patience);
                }
            }
            (Say::Begun, Some(client)) => drop(client.begins(b"HTTP/1.1 ", patience)),
            (Say::Finish, Some(client)) => client.finish(),
            (Say::Drip(piece, most), Some(client)) => client.drip(piece, *most),
            (Say::Answer, Some(_)) => drop(talk.read(patience)),
            (Say::Leave, _) => talk.client = None,
            (Say::AwaitRequests(count), _) => {
                origin.await_log(patience, |log| log.seen.len() >= *count);
            }
            (Say::OriginSays(bytes), _) => origin.say(bytes),
            (_, None) => panic!("{say:?}: the client has left"),
        }
    }

    /// Reads to the answer of the last request, to the end, or to the end of our patience.
    fn read_rest(&self, talk: &mut Talk) -> bool {
        loop {
            if talk.told.last().is_some_and(Message::is_next) {
                talk.told.pop();
                return true;
            }
            if !talk.read(self.patience) {
                return false;
            }
        }
    }
}

impl Running {
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.subject.address)
    }
}

/// The client's side of an exchange.
struct Talk {
    client: Option<Client>,
    told: Vec<Message>,
    /// What the next answer is to.
    kind: Kind,
}

impl Talk {
    /// Reads one more answer, if one comes.
    fn read(&mut self, patience: Duration) -> bool {
        let Some(client) = &mut self.client else { return false };
        let Some(message) = client.answer(self.kind, patience) else { return false };
        if message.status() >= 200 {
            self.kind = Kind::Response;
        }
        self.told.push(message);
        true
    }
}

fn kind(exchange: &Exchange) -> Kind {
    match exchange.client.first() {
        Some(Say::Bytes(bytes)) if bytes.starts_with(b"HEAD ") => Kind::ResponseToHead,
        _ => Kind::Response,
    }
}

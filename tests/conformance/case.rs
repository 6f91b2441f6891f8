//! What a case of the table is made of: what is sent, what the origin answers, and what must
//! come of it.

use super::message::Framing;
use super::stage::Stage;
use super::subject::{ORDINARY, Setup};

/// The request that follows each case. Whether it is answered tells whether the connection is
/// still open, and whether both sides agree on where the case's own request ended.
pub(crate) const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// One input, and what must come of it.
pub(crate) struct Case {
    /// The row of the check list.
    pub(crate) row: u8,
    pub(crate) level: Level,
    pub(crate) rule: &'static str,
    pub(crate) name: String,
    pub(crate) setup: Setup,
    pub(crate) play: Play,
}

/// How much weight a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The RFC demands it.
    Must,
    /// The RFC recommends it.
    Should,
    /// The RFC leaves it open, and we have chosen.
    Strict,
}

/// How a case is carried out.
pub(crate) enum Play {
    Exchange(Exchange),
    Scene(Scene),
}

/// Plays a case that is more than an exchange. `Err` says what came instead.
pub(crate) type Scene = fn(&Stage) -> Result<(), String>;

/// What both sides say, and what must come of it.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(crate) client: Vec<Say>,
    /// What the origin does about the first request, the second, and so on; then it answers `ok`.
    pub(crate) origin: Vec<Vec<Act>>,
    pub(crate) wanted: Outcome,
    /// What the RFC allows as well.
    pub(crate) allowed: Vec<Outcome>,
}

/// What the client does.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Bytes(Vec<u8>),
    /// Wait until the subject has read what was sent.
    Taken,
    /// Read one answer, interim ones included.
    Answer,
    /// Wait until an answer has begun.
    Begun,
    /// Send this if the last answer was `100 Continue`.
    IfContinued(&'static [u8]),
    /// Say that no more will come.
    Finish,
    /// Close.
    Leave,
    /// Send this over and over until something comes back, so many times at most.
    Drip(&'static [u8], usize),
    /// Wait until the origin has seen so many requests.
    AwaitRequests(usize),
    /// The origin says this on its last connection, although nobody asked.
    OriginSays(&'static [u8]),
}

/// What the origin does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Wait for the end of the request.
    Body,
    /// Wait for these bytes, whatever they are.
    Expect(&'static [u8]),
    Send(Vec<u8>),
    /// Send `100 Continue` if the request asks for it.
    Continue,
    /// Send what a request of this version may be answered with.
    ByVersion {
        modern: &'static [u8],
        old: &'static [u8],
    },
    /// Send without end, at most so much, until the other side has left.
    Flood(usize),
    Close,
}

/// What comes of a case.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The answers, without that to [`NEXT`].
    pub(crate) told: Vec<Told>,
    pub(crate) after: After,
    pub(crate) origin: Saw,
    /// Which connection the origin saw [`NEXT`] on, if that matters.
    pub(crate) upstream: Option<Upstream>,
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    /// [`NEXT`] was answered.
    #[default]
    Open,
    /// It ended, and [`NEXT`] was not reached.
    Closed,
    /// It ended in the middle of the last answer.
    Cut,
}

/// What the origin saw, without [`NEXT`].
#[derive(Default)]
pub(crate) enum Saw {
    Nothing,
    /// No whole request; a part of one is no harm.
    NothingWhole,
    /// These and no others, each of them whole.
    Requests(Vec<Received>),
    #[default]
    Anything,
}

/// The connection to the origin that carries [`NEXT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    Reused,
    Fresh,
}

/// One answer.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) statuses: Vec<u16>,
    pub(crate) parts: Parts,
}

/// One request.
#[derive(Clone, Default)]
pub(crate) struct Received {
    pub(crate) line: Option<String>,
    pub(crate) parts: Parts,
}

/// What must be true of a message. Nothing is said of what is not named.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    /// Exactly one line of that name, with that value; `…*` is a beginning, `*` anything.
    pub(crate) has: Vec<(&'static str, &'static str)>,
    pub(crate) lacks: Vec<&'static str>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) framing: Option<Framing>,
}

/// A case of `row`, called `name`, which ends with [`NEXT`] if it is one exchange.
pub(crate) fn case(
    row: u8,
    level: Level,
    rule: &'static str,
    name: impl Into<String>,
    exchange: Exchange,
) -> Case {
    Case { row, level, rule, name: name.into(), setup: ORDINARY, play: Play::Exchange(exchange) }
}

impl Case {
    pub(crate) fn with(self, setup: Setup) -> Self {
        Self { setup, ..self }
    }
}

/// The client sends this and [`NEXT`] in one piece.
pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Exchange {
    Exchange::of(vec![Say::Bytes([bytes.as_ref(), NEXT].concat())])
}

/// The client sends a GET, reads the origin's answer, and sends [`NEXT`].
pub(crate) fn answer(bytes: impl AsRef<[u8]>) -> Exchange {
    ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").act(vec![Act::Body, Act::Send(bytes.as_ref().into())])
}

/// The client sends this, reads an answer, and sends [`NEXT`].
pub(crate) fn ask(bytes: impl AsRef<[u8]>) -> Exchange {
    Exchange::of(vec![Say::Bytes(bytes.as_ref().into()), Say::Answer, Say::Bytes(NEXT.into())])
}

impl Exchange {
    pub(crate) fn of(client: Vec<Say>) -> Self {
        Self { client, ..Self::default() }
    }

    /// What the origin does about one more request.
    pub(crate) fn act(mut self, acts: Vec<Act>) -> Self {
        self.origin.push(acts);
        self
    }

    pub(crate) fn wants(self, wanted: Outcome) -> Self {
        Self { wanted, ..self }
    }

    pub(crate) fn allows(mut self, allowed: Outcome) -> Self {
        self.allowed.push(allowed);
        self
    }

    /// It is refused with one of these, and nothing reaches the origin.
    pub(crate) fn refused(self, statuses: &[u16]) -> Self {
        self.wants(refused(statuses))
    }

    /// It reaches the origin like this and is answered, and so is [`NEXT`].
    pub(crate) fn passes(self, received: Received) -> Self {
        self.wants(passed(received))
    }
}

/// Refused with one of these, the connection closed, and nothing at the origin.
pub(crate) fn refused(statuses: &[u16]) -> Outcome {
    Outcome {
        told: vec![told(statuses)],
        after: After::Closed,
        origin: Saw::Nothing,
        upstream: None,
    }
}

/// Refused in the middle of its body: of which the origin may have seen a part.
pub(crate) fn refused_halfway(statuses: &[u16]) -> Outcome {
    Outcome { origin: Saw::NothingWhole, ..refused(statuses) }
}

/// Answered by the subject itself, and the connection goes on.
pub(crate) fn answered(statuses: &[u16]) -> Outcome {
    Outcome { after: After::Open, ..refused(statuses) }
}

/// Closed without a word.
pub(crate) fn dropped() -> Outcome {
    Outcome { told: Vec::new(), ..refused_halfway(&[]) }
}

/// Passed on like this and answered, and so was [`NEXT`].
pub(crate) fn passed(received: Received) -> Outcome {
    Outcome {
        told: vec![told(&[200])],
        after: After::Open,
        origin: Saw::Requests(vec![received]),
        upstream: None,
    }
}

/// The same, but the connection was closed after the answer.
pub(crate) fn passed_and_closed(received: Received) -> Outcome {
    Outcome { after: After::Closed, ..passed(received) }
}

/// The origin's answer was not fit to be passed on.
pub(crate) fn bad_gateway() -> Outcome {
    tells(told(&[502]))
}

/// What the client is told, then answered [`NEXT`].
pub(crate) fn tells(told: Told) -> Outcome {
    Outcome { told: vec![told], ..Outcome::default() }
}

pub(crate) fn told(statuses: &[u16]) -> Told {
    Told { statuses: statuses.to_vec(), parts: Parts::default() }
}

/// A request with this line.
pub(crate) fn request(line: impl Into<String>) -> Received {
    Received { line: Some(line.into()), parts: Parts::default() }
}

/// Any request.
pub(crate) fn any() -> Received {
    Received::default()
}

impl Outcome {
    pub(crate) fn on(self, upstream: Upstream) -> Self {
        Self { upstream: Some(upstream), ..self }
    }
}

/// Says more about a message.
pub(crate) trait Described: Sized {
    fn parts(&mut self) -> &mut Parts;

    fn has(mut self, name: &'static str, value: &'static str) -> Self {
        self.parts().has.push((name, value));
        self
    }

    fn lacks(mut self, name: &'static str) -> Self {
        self.parts().lacks.push(name);
        self
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.parts().body = Some(body.as_ref().into());
        self
    }

    fn framed(mut self, framing: Framing) -> Self {
        self.parts().framing = Some(framing);
        self
    }
}

impl Described for Told {
    fn parts(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

impl Described for Received {
    fn parts(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

//! The connections of the load, and the time in which they are measured.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::bail;

use super::exchange::{Awaited, Progress, Script};
use super::pace::Pace;
use super::tally::{Report, Tally};
use super::{STARTED, STOPPED, say};
use crate::cli::LoadArgs;
use crate::clock::Moment;
use crate::socket::{self, Received};
use crate::table::{Table, Token};
use crate::vigil::{ALARM, Vigil};

/// What one read takes.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Of a body of which so much is left nothing is copied: the clients' core would be the one that
/// limits what is measured.
const UNREAD_MIN: u64 = 16 * 1024;

/// How long all connections have to open, and requests that are late to be answered.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Engine {
    vigil: Vigil,
    to: SocketAddr,
    script: Script,
    pace: Pace,
    tally: Tally,
    connections: Table<Connection>,
    /// Connections that were never ready yet.
    opening: u32,
    in_flight: usize,
    scratch: Vec<u8>,
    warmup: Duration,
    measure: Duration,
    requests_max: u64,
    errors_max: u64,
}

struct Connection {
    socket: OwnedFd,
    phase: Phase,
    begun: Moment,
    /// How much of the request is sent.
    sent: usize,
    /// The start of a head whose end has not arrived.
    carry: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// The WebSocket's opening handshake.
    Handshake,
    Ready,
    Awaiting(Awaited),
    /// The subject closes, after the only answer.
    Closing,
}

impl Engine {
    /// Connects all.
    pub(crate) fn new(args: &LoadArgs, vigil: Vigil) -> anyhow::Result<Self> {
        let mut engine = Self {
            vigil,
            to: args.to,
            script: Script::new(args.exchange, args.to),
            pace: args.rate.map_or_else(Pace::closed, |rate| Pace::open(rate.get())),
            tally: Tally::new()?,
            connections: Table::new(),
            opening: args.connections,
            in_flight: 0,
            scratch: vec![0; SCRATCH_BYTES],
            warmup: Duration::from_millis(args.warmup_ms),
            measure: Duration::from_millis(args.measure_ms),
            requests_max: args.requests,
            errors_max: args.errors_max,
        };
        for _ in 0..args.connections {
            engine.connect()?;
        }
        engine.open_all()?;
        Ok(engine)
    }

    /// Warms up, measures, and waits for what is still due.
    pub(crate) fn measure(&mut self) -> anyhow::Result<()> {
        self.go_on_for(self.warmup)?;
        self.tally.start(Moment::now());
        say(STARTED)?;
        let end = self.go_on_for(self.measure)?;
        self.tally.stop(Moment::now());
        say(STOPPED)?;
        self.finish(end)?;
        self.tally.rest()
    }

    /// What all measurements found.
    pub(crate) fn report(self) -> Report {
        self.tally.report()
    }

    fn open_all(&mut self) -> anyhow::Result<()> {
        let end = Moment::now().after(PATIENCE);
        while self.opening > 0 {
            if Moment::now() >= end {
                bail!("{} connections are not open after {PATIENCE:?}", self.opening);
            }
            self.wait(end)?;
        }
        Ok(())
    }

    /// Asks for a while, and returns when that was over.
    fn go_on_for(&mut self, span: Duration) -> anyhow::Result<Moment> {
        let mut now = Moment::now();
        let end = now.after(span);
        self.pace.start(now);
        while now < end && self.tally.ended() < self.requests_max {
            self.send_due(now)?;
            self.wait(self.pace.next().min(end))?;
            now = Moment::now();
        }
        Ok(end.min(now))
    }

    fn send_due(&mut self, now: Moment) -> io::Result<()> {
        while let Some((token, due)) = self.pace.due(now) {
            self.send(token, due)?;
        }
        Ok(())
    }

    /// Every request that was begun, or was due by `over`, has an answer or is a failure.
    fn finish(&mut self, over: Moment) -> anyhow::Result<()> {
        self.pace.end(over);
        let end = Moment::now().after(PATIENCE);
        self.send_due(over)?;
        while self.in_flight + self.pace.unsent() > 0 && Moment::now() < end {
            self.wait(end)?;
        }
        for _ in 0..self.in_flight + self.pace.unsent() {
            self.tally.failed();
        }
        Ok(())
    }

    /// Waits once, until then at most, and does what can be done.
    fn wait(&mut self, until: Moment) -> anyhow::Result<()> {
        for index in 0..self.vigil.wait(until)? {
            let token = self.vigil.token(index);
            if token != ALARM {
                self.go_on(Token::from_bits(token))?;
            }
        }
        if self.tally.errors() > self.errors_max {
            bail!("{} requests failed: the subject does not work", self.errors_max);
        }
        Ok(())
    }

    fn connect(&mut self) -> io::Result<()> {
        let socket = socket::connect(self.to)?;
        let begun = Moment::now();
        let connection =
            Connection { socket, phase: Phase::Connecting, begun, sent: 0, carry: Vec::new() };
        let token = self.connections.insert(connection);
        let connection = self.connections.get(token).expect("it was just put there");
        self.vigil.add(&connection.socket, token.to_bits())
    }

    fn go_on(&mut self, token: Token) -> io::Result<()> {
        let Some(connection) = self.connections.get(token) else { return Ok(()) };
        match connection.phase {
            Phase::Connecting => return self.opened(token),
            Phase::Awaiting(_) if connection.sent < self.script.request.len() => {
                self.transmit(token)?;
            }
            _ => {}
        }
        self.receive(token)
    }

    fn opened(&mut self, token: Token) -> io::Result<()> {
        let Some(connection) = self.connections.get(token) else { return Ok(()) };
        if self.script.opening.is_empty() {
            // What is timed is the request; with one per connection, the connection too.
            let begun = self.script.once.then_some(connection.begun);
            return self.ready(token, begun);
        }
        connection.phase = Phase::Handshake;
        match socket::transmit(&connection.socket, &self.script.opening) {
            Ok(sent) if sent == self.script.opening.len() => Ok(()),
            _ => self.lost(token),
        }
    }

    /// The connection has nothing to do; it sends what is due.
    fn ready(&mut self, token: Token, begun: Option<Moment>) -> io::Result<()> {
        if let Some(connection) = self.connections.get(token) {
            if matches!(connection.phase, Phase::Connecting | Phase::Handshake) {
                self.opening = self.opening.saturating_sub(1);
            }
            connection.phase = Phase::Ready;
        }
        match self.pace.ready(token, begun.unwrap_or_else(Moment::now)) {
            Some(due) => self.send(token, due),
            None => Ok(()),
        }
    }

    fn send(&mut self, token: Token, begun: Moment) -> io::Result<()> {
        let Some(connection) = self.connections.get(token) else {
            self.pace.put_back(begun);
            return Ok(());
        };
        connection.phase = Phase::Awaiting(self.script.answer);
        (connection.begun, connection.sent) = (begun, 0);
        self.in_flight += 1;
        self.transmit(token)
    }

    fn transmit(&mut self, token: Token) -> io::Result<()> {
        let Some(connection) = self.connections.get(token) else { return Ok(()) };
        match socket::transmit(&connection.socket, &self.script.request[connection.sent..]) {
            Ok(sent) => connection.sent += sent,
            Err(_) => return self.lost(token),
        }
        Ok(())
    }

    fn receive(&mut self, token: Token) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.receive_into(token, &mut scratch);
        self.scratch = scratch;
        result
    }

    fn receive_into(&mut self, token: Token, scratch: &mut [u8]) -> io::Result<()> {
        loop {
            let Some(connection) = self.connections.get(token) else { return Ok(()) };
            let (room, read) = connection.read(scratch);
            let count = match read {
                Received::Bytes(count) => count,
                Received::Nothing => return Ok(()),
                Received::End => return self.lost(token),
            };
            self.tally.received(count);
            self.take(token, &scratch[..count])?;
            // A short read has emptied the socket: the next bytes bring an event. But the end may
            // have come with the bytes, and brings no second one.
            if count < room && !self.script.once {
                return Ok(());
            }
        }
    }

    fn take(&mut self, token: Token, bytes: &[u8]) -> io::Result<()> {
        let Some(connection) = self.connections.get(token) else { return Ok(()) };
        let awaited = match connection.phase {
            Phase::Awaiting(awaited) => awaited,
            Phase::Handshake => Awaited::Head(101),
            // Nothing was asked for.
            Phase::Connecting | Phase::Ready | Phase::Closing => return self.lost(token),
        };
        let progress = if connection.carry.is_empty() {
            awaited.take(bytes)
        } else {
            connection.carry.extend_from_slice(bytes);
            awaited.take(&connection.carry)
        };
        match progress {
            Progress::Again if connection.carry.is_empty() => {
                connection.carry.extend_from_slice(bytes);
            }
            Progress::Again => {}
            Progress::Wrong => return self.lost(token),
            Progress::More(awaited) => {
                connection.carry.clear();
                connection.phase = Phase::Awaiting(awaited);
            }
            Progress::Done => {
                connection.carry.clear();
                return self.done(token);
            }
        }
        Ok(())
    }

    fn done(&mut self, token: Token) -> io::Result<()> {
        let Some(connection) = self.connections.get(token) else { return Ok(()) };
        if connection.phase == Phase::Handshake {
            return self.ready(token, None);
        }
        let now = Moment::now();
        self.in_flight -= 1;
        self.tally.done(connection.begun, now);
        if self.script.once {
            connection.phase = Phase::Closing;
            return Ok(());
        }
        self.ready(token, Some(now))
    }

    /// The connection ended, or brought what it should not: another takes its place.
    fn lost(&mut self, token: Token) -> io::Result<()> {
        match self.connections.remove(token).map(|lost| lost.phase) {
            None => return Ok(()),
            Some(Phase::Closing) => {}
            Some(Phase::Ready) => self.tally.closed(),
            Some(Phase::Connecting | Phase::Handshake) => self.tally.failed(),
            Some(Phase::Awaiting(_)) => {
                self.in_flight -= 1;
                self.tally.failed();
            }
        }
        self.connect()
    }
}

impl Connection {
    /// Reads once, and returns how much there was room for, too. Of a large body only the length
    /// counts, so what stands in `scratch` after that is anything.
    fn read(&self, scratch: &mut [u8]) -> (usize, Received) {
        match self.phase {
            Phase::Awaiting(Awaited::Bytes(left)) if left >= UNREAD_MIN => {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(scratch.len());
                (most, socket::discard(&self.socket, &mut scratch[..most]))
            }
            _ => (scratch.len(), socket::receive(&self.socket, scratch)),
        }
    }
}

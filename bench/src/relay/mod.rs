//! The bare relay: what a proxy costs that does nothing but relay. One thread, one read and one
//! write in each direction, the origin with the fewest requests in flight, kept connections; no
//! timeouts, no checks, no headers changed. Every other subject is compared with it.

mod connection;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use self::connection::{Connection, Reading, Side};
use crate::cli::RelayArgs;
use crate::head::{self, Head};
use crate::socket::{self, Poll, Received};
use crate::table::{Table, Token};

/// The token of the listener; no connection's generation ever gets that far.
const LISTENER: u64 = u64::MAX;

/// What one read takes. A mebibyte fits the second-level cache, and is several of the answers of
/// the download case.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Up to so many origins all are compared.
const COMPARED_MAX: usize = 8;

/// Serves until it is ended; its address is printed first.
pub(crate) fn run(args: &RelayArgs) -> anyhow::Result<()> {
    let listener = socket::listen(args.listen)?;
    let poll = Poll::new()?;
    poll.add_listener(&listener, LISTENER)?;
    println!("{}", listener.local_addr()?.as_socket().expect("it is an IP listener"));
    let origins = args.to.iter().map(|address| Origin::new(*address)).collect();
    let scratch = vec![0; SCRATCH_BYTES];
    let mut relay =
        Relay { poll, listener, origins, connections: Table::new(), turn: 0, seed: 1, scratch };
    relay.serve()
}

struct Relay {
    poll: Poll,
    listener: socket2::Socket,
    origins: Vec<Origin>,
    connections: Table<Connection>,
    /// Where the next search for an origin starts, so that equals take turns.
    turn: usize,
    seed: u64,
    scratch: Vec<u8>,
}

struct Origin {
    address: SocketAddr,
    in_flight: usize,
    idle: Vec<Token>,
}

/// Why a connection cannot go on.
struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Origin {
    fn new(address: SocketAddr) -> Self {
        Self { address, in_flight: 0, idle: Vec::new() }
    }
}

impl Relay {
    fn serve(&mut self) -> anyhow::Result<()> {
        loop {
            for index in 0..self.poll.wait()? {
                match self.poll.token(index) {
                    LISTENER => self.accept()?,
                    bits => self.go_on(Token::from_bits(bits)),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(socket) = socket::accept(&self.listener)? {
            self.add(socket, Side::Client { ends: false })?;
        }
        Ok(())
    }

    fn add(&mut self, socket: OwnedFd, side: Side) -> io::Result<Token> {
        let token = self.connections.insert(Connection::new(socket, side));
        let connection = self.connections.get(token).expect("it was just put there");
        self.poll.add(&connection.socket, token.to_bits())?;
        Ok(token)
    }

    /// Sends what waits for this connection, then relays what it has sent. Its peer may have been
    /// waiting for it to have room again, so the peer goes on too.
    fn go_on(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.is_blocked() {
            let peer = connection.peer;
            if connection.flush().is_err() || (peer.is_none() && connection.ends_now()) {
                return self.end(token);
            }
            if let Some(peer) = peer.filter(|_| !connection.is_blocked()) {
                self.pump(peer);
            }
        }
        self.pump(token);
    }

    fn pump(&mut self, token: Token) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.relay(token, &mut scratch);
        self.scratch = scratch;
        if result.is_err() {
            self.end(token);
        }
    }

    /// Reads and passes on, until there is no more to read or no more room at the other side.
    fn relay(&mut self, token: Token, scratch: &mut [u8]) -> Result<(), Broken> {
        loop {
            let Some(connection) = self.connections.get(token) else { return Ok(()) };
            let peer = connection.peer;
            let peer = peer.and_then(|peer| self.connections.get(peer));
            if peer.is_some_and(|peer| peer.is_blocked()) {
                return Ok(());
            }
            let connection = self.connections.get(token).ok_or(Broken)?;
            let start = connection.restore(scratch);
            let count = match socket::receive(&connection.socket, &mut scratch[start..]) {
                Received::Bytes(count) => start + count,
                Received::Nothing => return connection.keep(&scratch[..start]),
                Received::End => return Err(Broken),
            };
            self.pass(token, &mut scratch[..count])?;
            // A short read has emptied the socket: the next bytes bring an event.
            if count < scratch.len() {
                return Ok(());
            }
        }
    }

    fn pass(&mut self, token: Token, bytes: &mut [u8]) -> Result<(), Broken> {
        let connection = self.connections.get(token).ok_or(Broken)?;
        match (connection.reading, connection.side) {
            (Reading::Tunnel, _) => self.send_to_peer(token, bytes),
            (Reading::Body(left), _) => self.body(token, left, bytes),
            (Reading::Head, Side::Client { .. }) => self.request(token, bytes),
            (Reading::Head, Side::Origin(_)) => self.answer(token, bytes),
        }
    }

    fn request(&mut self, token: Token, bytes: &mut [u8]) -> Result<(), Broken> {
        let connection = self.connections.get(token).ok_or(Broken)?;
        let Some(head) = Head::read(bytes) else { return connection.keep(bytes) };
        if connection.peer.is_some() || head.is_chunked {
            // A second request before the first answer: no benchmark does that.
            return Err(Broken);
        }
        if let Some(line) = head.close {
            connection.side = Side::Client { ends: true };
            // The origin's connection is kept: it must not read this. The length stays the same.
            bytes[line..line + "Connection".len()].copy_from_slice(b"X-Previous");
        }
        let peer = self.take_origin()?;
        self.connections.get(peer).ok_or(Broken)?.peer = Some(token);
        let connection = self.connections.get(token).ok_or(Broken)?;
        connection.peer = Some(peer);
        self.body(token, head.total(), bytes)
    }

    fn answer(&mut self, token: Token, bytes: &mut [u8]) -> Result<(), Broken> {
        let connection = self.connections.get(token).ok_or(Broken)?;
        let Some(head) = Head::read(bytes) else { return connection.keep(bytes) };
        let client = connection.peer.filter(|_| !head.is_chunked).ok_or(Broken)?;
        if head::status(bytes) == 101 {
            connection.reading = Reading::Tunnel;
            self.connections.get(client).ok_or(Broken)?.reading = Reading::Tunnel;
            return self.send_to_peer(token, bytes);
        }
        self.body(token, head.total(), bytes)
    }

    /// Passes on a part of a message, which is often all of it.
    fn body(&mut self, token: Token, left: u64, bytes: &[u8]) -> Result<(), Broken> {
        let connection = self.connections.get(token).ok_or(Broken)?;
        let left = left.checked_sub(bytes.len() as u64).ok_or(Broken)?;
        connection.reading = if left == 0 { Reading::Head } else { Reading::Body(left) };
        let side = connection.side;
        self.send_to_peer(token, bytes)?;
        match side {
            Side::Origin(origin) if left == 0 => self.release(token, origin),
            _ => Ok(()),
        }
    }

    fn send_to_peer(&mut self, token: Token, bytes: &[u8]) -> Result<(), Broken> {
        let peer = self.connections.get(token).and_then(|from| from.peer).ok_or(Broken)?;
        Ok(self.connections.get(peer).ok_or(Broken)?.send(bytes)?)
    }

    /// The answer is over: the origin's connection is kept, and the client's unless it is its last.
    fn release(&mut self, token: Token, origin: usize) -> Result<(), Broken> {
        let client = self.connections.get(token).and_then(|from| from.peer.take()).ok_or(Broken)?;
        self.origins[origin].in_flight -= 1;
        self.origins[origin].idle.push(token);
        let connection = self.connections.get(client).ok_or(Broken)?;
        connection.peer = None;
        if connection.ends_now() {
            self.connections.remove(client);
        }
        Ok(())
    }

    /// The origin with the fewest requests in flight; of many, the better of two drawn ones.
    fn pick(&mut self) -> Option<usize> {
        let count = self.origins.len();
        let in_flight = |index: &usize| self.origins[*index].in_flight;
        if count > COMPARED_MAX {
            // The generator of Knuth's MMIX; its high bits are good enough to spread requests.
            let step = |seed: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let first = step(self.seed);
            self.seed = step(first);
            let drawn = [first, self.seed].map(|seed| (seed >> 33) as usize % count);
            return drawn.into_iter().min_by_key(in_flight);
        }
        self.turn = if self.turn + 1 < count { self.turn + 1 } else { 0 };
        (self.turn..count).chain(0..self.turn).min_by_key(in_flight)
    }

    /// A connection to the origin that is picked.
    fn take_origin(&mut self) -> Result<Token, Broken> {
        let index = self.pick().ok_or(Broken)?;
        self.origins[index].in_flight += 1;
        while let Some(token) = self.origins[index].idle.pop() {
            if self.connections.get(token).is_some() {
                return Ok(token);
            }
        }
        let socket = socket::connect(self.origins[index].address)?;
        Ok(self.add(socket, Side::Origin(index))?)
    }

    /// Drops a connection and the one it was talking to: a benchmark counts that as an error.
    fn end(&mut self, token: Token) {
        for token in [Some(token), self.connections.get(token).and_then(|ended| ended.peer)] {
            let ended = token.and_then(|token| self.connections.remove(token));
            if let Some(Connection { side: Side::Origin(origin), peer: Some(_), .. }) = ended {
                self.origins[origin].in_flight -= 1;
            }
        }
    }
}

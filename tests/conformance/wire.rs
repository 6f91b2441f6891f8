//! The client's end: a raw socket with deadlines.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::message::{Framing, Kind, Message};

/// Between two looks at something that cannot be waited for.
const LOOK: Duration = Duration::from_millis(1);

/// A client of a subject.
pub(crate) struct Client {
    stream: TcpStream,
    subject: SocketAddr,
    buffer: Vec<u8>,
    end: End,
}

/// How far the subject's side of the connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    Orderly,
    Reset,
}

impl Client {
    pub(crate) fn connect(subject: SocketAddr) -> Self {
        let stream = TcpStream::connect(subject).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, subject, buffer: Vec::new(), end: End::NotYet }
    }

    /// Sends as long as the subject takes it: whether it does is seen by its answers.
    pub(crate) fn say(&mut self, bytes: &[u8], patience: Duration) {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.end != End::NotYet
    }

    /// Sends a piece over and over until the subject says something, or closes.
    pub(crate) fn drip(&mut self, piece: &[u8], most: usize) {
        // The pace of somebody who wants to hold a connection at little cost.
        self.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        for _ in 0..most {
            let _ = self.stream.write_all(piece);
            match self.stream.peek(&mut [0]) {
                Err(error) if is_timeout(&error) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Waits until the subject has read all that was sent, or ended the connection.
    ///
    /// No call tells a sender what the other side has *read*; on one machine the system's own table
    /// of sockets does.
    pub(crate) fn await_taken(&self, patience: Duration) {
        let ours = self.stream.local_addr().unwrap();
        let began = Instant::now();
        while unread(self.subject, ours) > 0 && began.elapsed() < patience {
            thread::sleep(LOOK);
        }
    }

    /// The next answer, interim ones included: whole, or as much of it as came in time.
    pub(crate) fn answer(&mut self, kind: Kind, patience: Duration) -> Option<Message> {
        let until = Instant::now() + patience;
        loop {
            let read = Message::read(&self.buffer, kind);
            let is_over = self.is_ended() || Instant::now() >= until;
            match read {
                Some((message, used)) if message.is_whole || is_over => {
                    self.buffer.drain(..used);
                    return Some(self.judge_end(message));
                }
                None if is_over && !self.buffer.is_empty() => {
                    let line = super::message::latin1(&std::mem::take(&mut self.buffer));
                    return Some(Message { line, ..Message::default() });
                }
                None if is_over => return None,
                Some(_) | None => self.more(until),
            }
        }
    }

    /// Whether the next answer begins so, within `patience`.
    pub(crate) fn begins(&mut self, wanted: &[u8], patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.buffer.len() < wanted.len() && !self.is_ended() && Instant::now() < until {
            self.more(until);
        }
        self.buffer.starts_with(wanted)
    }

    /// Only an orderly end completes a body that lasts until the end.
    fn judge_end(&self, message: Message) -> Message {
        let is_whole = match message.framing {
            Framing::UntilClose => self.end == End::Orderly,
            Framing::Empty | Framing::Length | Framing::Chunked => message.is_whole,
        };
        Message { is_whole, ..message }
    }

    fn more(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now()).max(LOOK);
        self.stream.set_read_timeout(Some(left)).unwrap();
        let mut block = [0; 65536];
        match self.stream.read(&mut block) {
            Ok(0) => self.end = End::Orderly,
            Ok(count) => self.buffer.extend_from_slice(&block[..count]),
            Err(error) if is_timeout(&error) => {}
            Err(_) => self.end = End::Reset,
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The bytes that came from `theirs` and that the process behind `ours` has not read.
fn unread(ours: SocketAddr, theirs: SocketAddr) -> u64 {
    let key = format!("{} {}", key(ours), key(theirs));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let row = table.lines().find(|row| row.contains(&key));
    // `sl local remote state tx:rx …`: without a row there is no connection.
    let queues = row.and_then(|row| row.split_whitespace().nth(4));
    let unread = queues.and_then(|queues| queues.split_once(':')).map_or("0", |(_, unread)| unread);
    u64::from_str_radix(unread, 16).unwrap()
}

/// An address as the system's table of sockets has it.
fn key(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { panic!("the suite speaks IPv4") };
    let number = u32::from_ne_bytes(address.ip().octets());
    format!("{number:08X}:{:04X}", address.port())
}

/// Waits until something is so; false if it is not within `patience`.
pub(crate) fn until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() >= patience {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

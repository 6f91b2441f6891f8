//! The servers behind every subject: a few listeners in one thread, one read and one write per
//! request. They answer the same bytes every time, because they are not what is measured.

mod answer;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub(crate) use self::answer::WEBSOCKET_KEY;
use self::answer::{Answers, Output};
use crate::cli::OriginArgs;
use crate::clock::{Alarm, Moment};
use crate::head::Head;
use crate::socket::{self, Poll, Received};
use crate::table::{Table, Token};
use crate::vigil::ALARM;

/// Tokens from here on are listeners, but for the last two.
const LISTENERS: u64 = u64::MAX - 1_023;
const INPUT: u64 = u64::MAX - 1;

/// What one read takes; large enough that a large upload costs few of them.
const SCRATCH_BYTES: usize = 256 * 1024;

/// The payload of a WebSocket message, and the sizes of its frame with and without a mask.
pub(crate) const MESSAGE_BYTES: usize = 64;
pub(crate) const MASKED_FRAME_BYTES: usize = 6 + MESSAGE_BYTES;
pub(crate) const FRAME_BYTES: usize = 2 + MESSAGE_BYTES;

/// Serves until it is ended; its addresses are printed first.
pub(crate) fn run(args: &OriginArgs) -> anyhow::Result<()> {
    let mut origin = Origin::new(args)?;
    origin.say_addresses()?;
    loop {
        origin.serve()?;
    }
}

/// The servers.
pub(crate) struct Origin {
    poll: Poll,
    /// Rings when the first of those that wait is to be answered.
    alarm: Alarm,
    listeners: Vec<socket2::Socket>,
    connections: Table<Connection>,
    answers: Answers,
    scratch: Vec<u8>,
    /// How long an answer takes.
    delay: Duration,
    /// Who is gone on with when. All wait for as long, so they are in order.
    waiting: VecDeque<(Moment, Token)>,
}

struct Connection {
    socket: OwnedFd,
    reading: Reading,
    /// The start of something whose end has not arrived.
    carry: Vec<u8>,
    output: Output,
    ends: bool,
    /// When it is gone on with, if answers take time.
    due: Moment,
}

/// What the next bytes are.
#[derive(Clone, Copy)]
enum Reading {
    Head,
    Body { left: u64, total: u64 },
    Frames,
}

/// What there is to read where orders come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Nothing,
    /// A line, or the end.
    Something,
}

impl Origin {
    pub(crate) fn new(args: &OriginArgs) -> io::Result<Self> {
        let (poll, alarm) = (Poll::new()?, Alarm::new()?);
        poll.add_alarm(&alarm, ALARM)?;
        let listeners: Vec<_> =
            args.listen.iter().map(|address| socket::listen(*address)).collect::<Result<_, _>>()?;
        for (number, listener) in (LISTENERS..).zip(&listeners) {
            poll.add_listener(listener, number)?;
        }
        let connections = Table::new();
        let scratch = vec![0; SCRATCH_BYTES];
        let (answers, waiting) = (Answers::new(), VecDeque::new());
        let delay = Duration::from_millis(args.delay_ms.into());
        Ok(Self { poll, alarm, listeners, connections, answers, scratch, delay, waiting })
    }

    /// Prints where they listen, each in a line.
    pub(crate) fn say_addresses(&self) -> io::Result<()> {
        for listener in &self.listeners {
            let address = listener.local_addr()?.as_socket().expect("it is an IP listener");
            println!("{address}");
        }
        Ok(())
    }

    /// Waits until there is something to do, and does it. Returns what there is at the input.
    fn serve(&mut self) -> io::Result<Input> {
        if let Some((due, _)) = self.waiting.front() {
            self.alarm.set(*due)?;
        }
        let count = self.poll.wait()?;
        self.work(count)
    }

    /// Does what there is to do.
    pub(crate) fn look_after(&mut self) -> io::Result<()> {
        let count = self.poll.look()?;
        self.work(count).map(drop)
    }

    /// What [`Self::serve_until_input`] waits for.
    pub(crate) fn add_input(&self, input: &impl AsFd) -> io::Result<()> {
        self.poll.add_listener(input, INPUT)
    }

    /// Serves until there is something to read at the input, or its end.
    pub(crate) fn serve_until_input(&mut self) -> io::Result<()> {
        while self.serve()? == Input::Nothing {}
        Ok(())
    }

    fn work(&mut self, count: usize) -> io::Result<Input> {
        let mut input = Input::Nothing;
        for index in 0..count {
            match self.poll.token(index) {
                ALARM => {}
                INPUT => input = Input::Something,
                listener @ LISTENERS.. => self.accept(listener)?,
                bits if self.delay.is_zero() => self.go_on(Token::from_bits(bits)),
                bits => self.put_off(Token::from_bits(bits)),
            }
        }
        self.go_on_with_those_that_waited();
        Ok(input)
    }

    /// From what happens last: the first that happens is that it can be written to, and a request
    /// that came after that would be answered too early.
    fn put_off(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        connection.due = Moment::now().after(self.delay);
        self.waiting.push_back((connection.due, token));
    }

    /// Only now are their requests read: whoever asks cannot tell.
    fn go_on_with_those_that_waited(&mut self) {
        while let Some((due, token)) = self.waiting.front().copied()
            && due.remaining().is_zero()
        {
            self.waiting.pop_front();
            let is_last = |connection: &mut Connection| connection.due == due;
            if self.connections.get(token).is_some_and(is_last) {
                self.go_on(token);
            }
        }
    }

    fn accept(&mut self, token: u64) -> io::Result<()> {
        let index = usize::try_from(token - LISTENERS).expect("it came from an index");
        while let Some(socket) = socket::accept(&self.listeners[index])? {
            let token = self.connections.insert(Connection {
                socket,
                reading: Reading::Head,
                carry: Vec::new(),
                output: Output::default(),
                ends: false,
                due: Moment::END,
            });
            let connection = self.connections.get(token).expect("it was just put there");
            self.poll.add(&connection.socket, token.to_bits())?;
        }
        Ok(())
    }

    /// Does all that one connection can do now, and drops it when it is done.
    fn go_on(&mut self, token: Token) {
        let Self { connections, answers, scratch, .. } = self;
        let Some(connection) = connections.get(token) else { return };
        if connection.go_on(answers, scratch).is_err() {
            connections.remove(token);
        }
    }
}

impl Connection {
    /// An error means that the connection has ended, in whichever way.
    fn go_on(&mut self, answers: &Answers, scratch: &mut [u8]) -> io::Result<()> {
        loop {
            if !self.output.flush(&self.socket, answers)? {
                return Ok(());
            }
            match socket::receive(&self.socket, scratch) {
                Received::End => return Err(io::ErrorKind::ConnectionAborted.into()),
                Received::Nothing => return Ok(()),
                Received::Bytes(count) => {
                    self.take(&scratch[..count], answers)?;
                    // A short read has emptied the socket: the next bytes bring an event.
                    if count < scratch.len() && self.output.is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8], answers: &Answers) -> io::Result<()> {
        if self.carry.is_empty() {
            let used = self.use_up(bytes, answers)?;
            self.carry.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(bytes);
        let used = self.use_up(&carry, answers)?;
        carry.drain(..used);
        self.carry = carry;
        Ok(())
    }

    /// Answers what is whole, and returns how many bytes that were.
    fn use_up(&mut self, bytes: &[u8], answers: &Answers) -> io::Result<usize> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            used += match self.reading {
                Reading::Head => match Head::read(rest) {
                    None => break,
                    Some(head) => self.begin(head, &rest[..head.length], answers)?,
                },
                Reading::Body { left, total } => self.body(left, total, rest.len(), answers)?,
                Reading::Frames if rest.len() < MASKED_FRAME_BYTES => break,
                Reading::Frames => {
                    self.output.echo(&self.socket, &rest[..MASKED_FRAME_BYTES])?;
                    MASKED_FRAME_BYTES
                }
            };
        }
        Ok(used)
    }

    fn begin(&mut self, head: Head, text: &[u8], answers: &Answers) -> io::Result<usize> {
        self.ends = head.close.is_some();
        if head.is_chunked {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if head.body > 0 {
            self.reading = Reading::Body { left: head.body, total: head.body };
        } else if answers.is_upgrade(text) {
            self.reading = Reading::Frames;
            self.output.send(&self.socket, &answers.upgraded)?;
        } else {
            self.output.answer(&self.socket, text, answers)?;
            self.end_if_last()?;
        }
        Ok(head.length)
    }

    fn body(
        &mut self,
        left: u64,
        total: u64,
        count: usize,
        answers: &Answers,
    ) -> io::Result<usize> {
        let taken = left.min(count as u64);
        self.reading = Reading::Body { left: left - taken, total };
        if left == taken {
            self.reading = Reading::Head;
            self.output.received(&self.socket, total, answers)?;
            self.end_if_last()?;
        }
        Ok(usize::try_from(taken).expect("it is at most what was read"))
    }

    fn end_if_last(&self) -> io::Result<()> {
        if self.ends && self.output.is_empty() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

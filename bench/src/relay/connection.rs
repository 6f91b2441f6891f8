//! One connection of the relay, to a client or to an origin.

use std::io;
use std::os::fd::OwnedFd;

use super::Broken;
use crate::socket::transmit;
use crate::table::Token;

/// Whom a connection leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// A client, which may have said that this is its last request.
    Client { ends: bool },
    /// One of the origins, by its index.
    Origin(usize),
}

/// What its next bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    Head,
    Body(u64),
    Tunnel,
}

pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) side: Side,
    pub(super) reading: Reading,
    /// The connection at the other side of the exchange that is going on.
    pub(super) peer: Option<Token>,
    /// The start of a head whose end has not arrived.
    carry: Vec<u8>,
    /// What there was no room for, and how much of it is sent.
    output: Vec<u8>,
    sent: usize,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd, side: Side) -> Self {
        let reading = Reading::Head;
        Self { socket, side, reading, peer: None, carry: Vec::new(), output: Vec::new(), sent: 0 }
    }

    pub(super) fn is_blocked(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether it is a client's that has got its last answer.
    pub(super) fn ends_now(&self) -> bool {
        matches!(self.side, Side::Client { ends: true }) && !self.is_blocked()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.is_blocked() { 0 } else { transmit(&self.socket, bytes)? };
        self.output.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.sent += transmit(&self.socket, &self.output[self.sent..])?;
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Puts back what was kept of a head, and returns where the next bytes go.
    pub(super) fn restore(&mut self, scratch: &mut [u8]) -> usize {
        let length = self.carry.len();
        scratch[..length].copy_from_slice(&self.carry);
        self.carry.clear();
        length
    }

    /// Keeps the start of a head until more arrives.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.carry.extend_from_slice(bytes);
        Ok(())
    }
}

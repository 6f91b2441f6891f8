//! The bytes that an origin answers with, and how they get out when there is no room for them.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{MemfdFlags, memfd_create};

use super::{FRAME_BYTES, MASKED_FRAME_BYTES};
use crate::socket::{announce, transmit, transmit_file};

/// The body of a small answer: with the head, what a small JSON answer of an API has.
const SMALL_BODY_BYTES: usize = 133;

/// The body of `/1m`.
const MEBIBYTE: u64 = 1024 * 1024;

/// The file that large bodies are parts of, one after the other: more than the cache of a core
/// holds, because what comes from another machine is not in it either.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// What a client sends as `Sec-WebSocket-Key`, and what is answered: the example of RFC 6455, 1.3.
pub(crate) const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Every answer, made once: large bodies when the first is asked for, because it takes longer to
/// make them than to start.
pub(super) struct Answers {
    small: Rc<[u8]>,
    /// Which process answers.
    who: Rc<[u8]>,
    missing: Rc<[u8]>,
    pub(super) upgraded: Rc<[u8]>,
    file: OnceCell<OwnedFd>,
    /// Where in it the next large body starts.
    next: Cell<u64>,
}

/// What is still to be sent on one connection.
#[derive(Default)]
pub(super) struct Output {
    block: Option<Rc<[u8]>>,
    offset: usize,
    /// After the block, so many bytes of the file.
    body: u64,
    /// From here on.
    place: u64,
}

impl Answers {
    pub(super) fn new() -> Self {
        let upgraded = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n\r\n"
        );
        Self {
            small: whole("200 OK", &[b'x'; SMALL_BODY_BYTES]),
            who: whole("200 OK", std::process::id().to_string().as_bytes()),
            missing: whole("404 Not Found", b"the origin has no such path\n"),
            upgraded: upgraded.into_bytes().into(),
            file: OnceCell::new(),
            next: Cell::new(0),
        }
    }

    fn file(&self) -> io::Result<&OwnedFd> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = file()?;
        Ok(self.file.get_or_init(|| file))
    }

    pub(super) fn is_upgrade(&self, request: &[u8]) -> bool {
        request.starts_with(b"GET /ws ")
    }
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.block.is_none() && self.body == 0
    }

    /// Answers a request that has no body.
    pub(super) fn answer(
        &mut self,
        socket: &OwnedFd,
        request: &[u8],
        answers: &Answers,
    ) -> io::Result<()> {
        let path = request.splitn(3, |byte| *byte == b' ').nth(1).unwrap_or_default();
        match path {
            b"/" => self.send(socket, &answers.small),
            b"/who" => self.send(socket, &answers.who),
            b"/1m" => self.send_file(socket, MEBIBYTE, answers),
            _ => match path.strip_prefix(b"/bytes/").and_then(number) {
                None => self.send(socket, &answers.missing),
                Some(count) => self.send_file(socket, count, answers),
            },
        }
    }

    /// Answers a request with a body: a short one like any other, a long one with its length.
    pub(super) fn received(
        &mut self,
        socket: &OwnedFd,
        total: u64,
        answers: &Answers,
    ) -> io::Result<()> {
        if total < MEBIBYTE {
            return self.send(socket, &answers.small);
        }
        self.send(socket, &whole("200 OK", total.to_string().as_bytes()))
    }

    /// Sends a block, after what is still waiting to be sent: there is nothing when the client
    /// waits for one answer before it asks again.
    pub(super) fn send(&mut self, socket: &OwnedFd, block: &Rc<[u8]>) -> io::Result<()> {
        if !self.is_empty() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let sent = transmit(socket, block)?;
        if sent < block.len() {
            (self.block, self.offset) = (Some(Rc::clone(block)), sent);
        }
        Ok(())
    }

    /// Sends a message back as a server does, without the mask, which was all zeros.
    pub(super) fn echo(&mut self, socket: &OwnedFd, frame: &[u8]) -> io::Result<()> {
        let mut answer = [0; FRAME_BYTES];
        let payload = MASKED_FRAME_BYTES - (FRAME_BYTES - 2);
        answer[0] = frame[0];
        answer[1] = frame[1] & 0x7f;
        answer[2..].copy_from_slice(&frame[payload..]);
        if transmit(socket, &answer)? < FRAME_BYTES {
            // One small message at a time always fits.
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(())
    }

    /// Sends so many bytes of the file.
    fn send_file(&mut self, socket: &OwnedFd, count: u64, answers: &Answers) -> io::Result<()> {
        self.block = Some(head("200 OK", count).into_bytes().into());
        (self.body, self.place) = (count, answers.next.get());
        answers.next.set((self.place + count) % FILE_BYTES);
        self.flush(socket, answers).map(drop)
    }

    /// Sends what there is room for; whether that was all.
    pub(super) fn flush(&mut self, socket: &OwnedFd, answers: &Answers) -> io::Result<bool> {
        if let Some(block) = &self.block {
            let rest = &block[self.offset..];
            self.offset +=
                if self.body > 0 { announce(socket, rest)? } else { transmit(socket, rest)? };
            if self.offset < block.len() {
                return Ok(false);
            }
            (self.block, self.offset) = (None, 0);
        }
        while self.body > 0 {
            let most = self.body.min(FILE_BYTES - self.place);
            let sent = transmit_file(socket, answers.file()?, self.place, most)?;
            if sent == 0 {
                return Ok(false);
            }
            self.body -= sent;
            self.place = (self.place + sent) % FILE_BYTES;
        }
        Ok(true)
    }
}

/// A file that is nowhere but in memory.
fn file() -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("body", MemfdFlags::CLOEXEC)?);
    io::copy(&mut io::repeat(b'x').take(FILE_BYTES), &mut file)?;
    Ok(file.into())
}

fn whole(status: &str, body: &[u8]) -> Rc<[u8]> {
    let mut bytes = head(status, body.len() as u64).into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

/// A `Date` is part of it, as of every answer of a real origin; else a proxy would have to add one.
fn head(status: &str, length: u64) -> String {
    format!(
        "HTTP/1.1 {status}\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn number(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.parse().ok()
}

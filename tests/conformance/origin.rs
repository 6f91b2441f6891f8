//! The scripted origin: it keeps what it sees, octet for octet, and answers as the case says.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::case::Act;
use super::message::{Kind, Message, find};

/// The path that our own health checks ask for: they are no part of any case.
pub(crate) const PROBE_PATH: &str = "/probe";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NEXT_OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nIs-Next: yes\r\n\r\nnext";
const PROBE_OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A request, as it reached the origin.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The number of the connection that it came on.
    pub(crate) connection: usize,
    pub(crate) message: Message,
    /// What had come behind it when it was answered.
    pub(crate) ahead: Vec<u8>,
}

/// What the origin has seen.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) seen: Vec<Seen>,
    /// Bytes that never became a request, by connection.
    pub(crate) stray: Vec<Vec<u8>>,
    /// Bytes that were taken of an answer without end.
    pub(crate) flooded: usize,
    connections: usize,
    answered: usize,
    pub(crate) partings: usize,
    last: Option<TcpStream>,
}

/// A server that does what a case says.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    script: Vec<Vec<Act>>,
    log: Mutex<Log>,
    news: Condvar,
    is_over: AtomicBool,
}

impl Origin {
    pub(crate) fn start(script: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = AtomicBool::new(false);
        let shared =
            Arc::new(Shared { script, log: Mutex::default(), news: Condvar::new(), is_over });
        let serving = Arc::clone(&shared);
        let accepting = thread::spawn(move || accept(&listener, &serving));
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Waits until the log is as described; false if it is not within `patience`.
    pub(crate) fn await_log(&self, patience: Duration, is_so: impl Fn(&Log) -> bool) -> bool {
        let log = self.shared.log();
        let waited = self.shared.news.wait_timeout_while(log, patience, |log| !is_so(log));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Says something on the connection that was heard of last.
    pub(crate) fn say(&self, bytes: &[u8]) {
        if let Some(last) = &mut self.shared.log().last {
            let _ = last.write_all(bytes);
        }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log()
    }

    /// What it has seen, now that whoever spoke to it is gone and cannot say more.
    pub(crate) fn finish(mut self) -> Log {
        self.end();
        std::mem::take(&mut *self.shared.log())
    }

    fn end(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log());
        self.news.notify_all();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut serving = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if shared.is_over.load(Ordering::SeqCst) {
            break;
        }
        let shared = Arc::clone(shared);
        serving.push(thread::spawn(move || Connection::new(stream, shared).serve()));
    }
    serving.into_iter().for_each(|each| drop(each.join()));
}

/// One connection to the origin.
struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    /// Its number, once it has carried a part of a request.
    number: Option<usize>,
    is_ended: bool,
    /// It has begun to answer the request that it is at.
    is_answering: bool,
}

impl Connection {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            shared,
            buffer: Vec::new(),
            number: None,
            is_ended: false,
            is_answering: false,
        }
    }

    fn serve(mut self) {
        while !self.is_ended {
            match Message::read(&self.buffer, Kind::Request) {
                None => self.more(),
                Some((message, _)) if message.line.contains(PROBE_PATH) => {
                    let _ = self.stream.write_all(PROBE_OK);
                    return;
                }
                Some((message, _)) => self.exchange(message),
            }
        }
        let Some(_) = self.number.or((!self.buffer.is_empty()).then_some(0)) else { return };
        let stray = std::mem::take(&mut self.buffer);
        self.shared.note(|log| {
            log.stray.extend((!stray.is_empty()).then_some(stray));
            log.partings += 1;
        });
    }

    /// Answers the request whose head has come, as the case says.
    fn exchange(&mut self, message: Message) {
        self.is_answering = false;
        let is_next = message.is_next();
        let stream = self.stream.try_clone().ok();
        let (mut place, mut acts, mut number) = (0, None, self.number);
        self.shared.note(|log| {
            let connection = *number.get_or_insert_with(|| {
                log.connections += 1;
                log.connections - 1
            });
            place = log.seen.len();
            log.seen.push(Seen { connection, message, ahead: Vec::new() });
            log.last = stream;
            if !is_next {
                acts = self.shared.script.get(log.answered).cloned();
                log.answered += 1;
            }
        });
        self.number = number;
        let usual = if is_next { NEXT_OK } else { OK };
        let acts = acts.unwrap_or_else(|| vec![Act::Body, Act::Send(usual.to_vec())]);
        acts.into_iter().for_each(|act| self.perform(act, place));
        self.await_body(place);
        if let Some((message, used)) = Message::read(&self.buffer, Kind::Request) {
            // What is incomplete now stays so: the other side is gone.
            self.buffer.drain(..if message.is_whole { used } else { self.buffer.len() });
        }
    }

    fn perform(&mut self, act: Act, place: usize) {
        match act {
            Act::Body => self.await_body(place),
            Act::Expect(bytes) => {
                while !self.is_ended && find(&self.buffer, bytes).is_none() {
                    self.more();
                }
            }
            Act::Send(bytes) => self.send(&bytes, place),
            Act::Continue => {
                if self.is_modern(place) && self.asks(place, "expect") {
                    self.send(b"HTTP/1.1 100 Continue\r\n\r\n", place);
                }
            }
            Act::ByVersion { modern, old } => {
                let bytes = if self.is_modern(place) { modern } else { old };
                self.send(bytes, place);
            }
            Act::Flood(most) => self.flood(most),
            Act::Close => {
                let _ = self.stream.shutdown(Shutdown::Both);
                self.is_ended = true;
            }
        }
    }

    fn send(&mut self, bytes: &[u8], place: usize) {
        // Once it was answered, what comes may be the next request, or no HTTP any more.
        if !std::mem::replace(&mut self.is_answering, true) {
            let used = Message::read(&self.buffer, Kind::Request).map_or(0, |(_, used)| used);
            let ahead = self.buffer[used..].to_vec();
            self.shared.note(|log| log.seen[place].ahead = ahead);
        }
        let _ = self.stream.write_all(bytes);
    }

    /// Whether the request speaks HTTP/1.1, and so may get what HTTP/1.0 must not.
    fn is_modern(&self, place: usize) -> bool {
        self.shared.log().seen[place].message.line.ends_with(" HTTP/1.1")
    }

    fn asks(&self, place: usize, name: &str) -> bool {
        !self.shared.log().seen[place].message.values(name).is_empty()
    }

    /// Reads until the request is whole, or cannot become so.
    fn await_body(&mut self, place: usize) {
        loop {
            if let Some((message, _)) = Message::read(&self.buffer, Kind::Request) {
                let is_whole = message.is_whole;
                self.shared.note(|log| log.seen[place].message = message);
                if is_whole {
                    return;
                }
            }
            if self.is_ended {
                return;
            }
            self.more();
        }
    }

    fn flood(&mut self, most: usize) {
        let block = [b'x'; 65536];
        let mut total = 0;
        while total < most {
            match self.stream.write(&block) {
                Ok(count) => total += count,
                Err(_) => break,
            }
            self.shared.note(|log| log.flooded = total);
        }
    }

    fn more(&mut self) {
        let mut block = [0; 65536];
        match self.stream.read(&mut block) {
            Ok(count) if count > 0 => self.buffer.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => self.is_ended = true,
        }
    }
}

//! Clients that keep their connections and count every answer, and everything that is none.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than any request may be held; a client that waits this long was forgotten.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to one server, kept as long as it lasts.
pub(crate) struct Client {
    to: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// What a proxy on the way says that it failed at: its `Proxy-Status`.
    pub(crate) failure: String,
}

impl Client {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self { to, stream: None }
    }

    /// Sends one request and reads its answer. After an error the next one reconnects.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let answer = self.exchange(method, path, body);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(connect(self.to)?),
        };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.to);
        let framing = if body.is_empty() {
            String::new()
        } else {
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
        };
        stream.get_mut().write_all(format!("{head}{framing}\r\n{body}").as_bytes())?;
        let (answer, keeps) = read_answer(stream)?;
        if !keeps {
            self.stream = None;
        }
        Ok(answer)
    }
}

fn connect(to: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> io::Result<(Answer, bool)> {
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let line = read_line(stream)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| invalid(&format!("no status line: {line:?}")))?;
    let (mut length, mut chunked, mut keeps) = (0, false, true);
    let mut failure = String::new();
    loop {
        let line = read_line(stream)?.to_ascii_lowercase();
        let Some((name, value)) = line.split_once(':') else { break };
        match (name, value.trim()) {
            ("content-length", value) => {
                length = value.parse().map_err(|_| invalid("a bad length"))?;
            }
            ("transfer-encoding", "chunked") => chunked = true,
            ("connection", "close") => keeps = false,
            ("proxy-status", value) => value.clone_into(&mut failure),
            _ => {}
        }
    }
    let body = if chunked { read_chunks(stream)? } else { read_exactly(stream, length)? };
    Ok((Answer { status, body: String::from_utf8_lossy(&body).into_owned(), failure }, keeps))
}

fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the answer ended"));
    }
    Ok(line.trim_end().to_owned())
}

fn read_exactly(stream: &mut BufReader<TcpStream>, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
        body.extend(read_exactly(stream, size)?);
        read_line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// What a load met.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answers: u64,
    /// How many answers had which status, other than 200, and why.
    pub(crate) odd: BTreeMap<(u16, String), u64>,
    /// Connections that broke, and answers that were none.
    pub(crate) errors: Vec<String>,
}

/// GETs of one path over many connections, until it is stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Tally>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
    progress: Mutex<()>,
    changed: Condvar,
}

impl Load {
    pub(crate) fn start(to: SocketAddr, path: &'static str, connections: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let workers = (0..connections).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.get_until_stopped(to, path))
        });
        Self { workers: workers.collect(), shared }
    }

    /// Waits until so many more requests were answered.
    pub(crate) fn await_answers(&self, more: u64) {
        let target = self.shared.answered.load(SeqCst) + more;
        let mut guard = self.shared.progress.lock().unwrap();
        while self.shared.answered.load(SeqCst) < target {
            let (again, timeout) = self.shared.changed.wait_timeout(guard, PATIENCE).unwrap();
            assert!(!timeout.timed_out(), "no answer came within {PATIENCE:?}");
            guard = again;
        }
    }

    pub(crate) fn stop(self) -> Tally {
        self.shared.stop.store(true, SeqCst);
        let tallies = self.workers.into_iter().map(|worker| worker.join().unwrap());
        tallies.fold(Tally::default(), Tally::plus)
    }
}

impl Shared {
    fn get_until_stopped(&self, to: SocketAddr, path: &str) -> Tally {
        let (mut client, mut tally) = (Client::new(to), Tally::default());
        while !self.stop.load(SeqCst) {
            match client.send("GET", path, "") {
                Ok(answer) => tally.count(&answer),
                Err(error) => tally.errors.push(error.to_string()),
            }
            self.answered.fetch_add(1, SeqCst);
            let _guard = self.progress.lock().unwrap();
            self.changed.notify_all();
        }
        tally
    }
}

impl Tally {
    /// Fails unless every request was answered 200.
    pub(crate) fn assert_nothing_lost(&self) {
        assert!(self.errors.is_empty(), "of {} requests broke: {:?}", self.answers, self.errors);
        assert!(self.odd.is_empty(), "of {} answers these were odd: {:?}", self.answers, self.odd);
        assert!(self.answers > 0, "nothing was asked");
    }

    fn count(&mut self, answer: &Answer) {
        self.answers += 1;
        if answer.status != 200 {
            *self.odd.entry((answer.status, answer.failure.clone())).or_default() += 1;
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.answers += other.answers;
        self.errors.extend(other.errors);
        for (why, count) in other.odd {
            *self.odd.entry(why).or_default() += count;
        }
        self
    }
}

//! Starts the service, speaks HTTP byte by byte, and waits for things with a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cloudaps::clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running service; killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The line that it printed when it began to listen.
    pub(crate) line: String,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// The program under test.
pub(crate) fn cloudaps(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    command.args(arguments).stdin(Stdio::null());
    // Whoever runs the tests may speak another language.
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG", "CLOUDAPS_SERVER"] {
        command.env_remove(variable);
    }
    command
}

/// Any free address.
pub(crate) const ANY: &str = "127.0.0.1:0";

/// The command that serves the tasks in `file` at `address`.
pub(crate) fn serve(file: &Path, address: &str) -> Command {
    let store = format!("sqlite://{}", file.display());
    cloudaps(&["tasks", "--listen", address, "--store", &store])
}

impl Service {
    /// Starts the service over the tasks in `folder`; returns when it listens.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::spawn(&mut serve(&folder.join("tasks.db"), ANY))
    }

    /// The same at an address where one has served before.
    pub(crate) fn start_at(folder: &Path, address: SocketAddr) -> Self {
        Self::spawn(&mut serve(&folder.join("tasks.db"), &address.to_string()))
    }

    /// Starts the service over the tasks in this store.
    pub(crate) fn over(store: &str) -> Self {
        Self::spawn(&mut cloudaps(&["tasks", "--listen", ANY, "--store", store]))
    }

    /// Starts the service as this command says.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let (sender, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            // The test may be over.
            let _ = sender.send(line);
        });
        let line = line.recv_timeout(DEADLINE).expect("the service prints where it listens");
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once(','));
        let address = address.expect("an address").0.parse().unwrap();
        Self { child, address, line }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends one request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        exchange(self.address, request(method, path, headers, body).as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// Adds a task and returns its number.
    pub(crate) fn add(&self, value: &str) -> i64 {
        let body = serde_json::json!({ "text": value }).to_string();
        let answer = self.ask("POST", "/Tarefa/", JSON, &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_i64().unwrap()
    }

    /// The texts of all tasks, page by page, in the order of their numbers.
    pub(crate) fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        let mut next = Some("/Tarefa/?limit=1000".to_owned());
        while let Some(path) = next {
            let answer = self.get(&path);
            let tasks = answer.json();
            let texts = tasks.as_array().unwrap().iter().map(|task| task["text"].as_str());
            values.extend(texts.map(|text| text.unwrap().to_owned()));
            next = answer.next_page();
        }
        values
    }

    /// Ends the process as the kernel would: nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end in order.
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        assert!(self.ended().success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid(&self.child), signal).unwrap();
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the service ends", || child.try_wait().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone, where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The header line of a JSON body.
pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// The bytes of a request after which the connection is closed.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: tasks\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends `bytes` as they are, and reads one answer.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    read(&mut BufReader::new(stream), bytes.starts_with(b"HEAD")).expect("an answer")
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Reads one answer; `None` when the connection ends before it does.
pub(crate) fn read(stream: &mut BufReader<TcpStream>, is_head: bool) -> Option<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let status = head.get(9..12)?.parse().ok()?;
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; if is_head { 0 } else { length }];
    stream.read_exact(&mut body).ok()?;
    answer.body = String::from_utf8(body).unwrap();
    Some(answer)
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(": ").filter(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1)
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Where the list goes on.
    pub(crate) fn next_page(&self) -> Option<String> {
        let (path, relation) = self.header("link")?.strip_prefix('<')?.split_once('>')?;
        assert_eq!(relation, "; rel=\"next\"");
        Some(path.to_owned())
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Waits until `event` has happened.
pub(crate) fn until<T>(what: &str, mut event: impl FnMut() -> Option<T>) -> T {
    let deadline = clock::now() + DEADLINE;
    while clock::now() < deadline {
        if let Some(happened) = event() {
            return happened;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    panic!("in vain: {what}");
}

/// Adds tasks, with texts of about `length` bytes, until the disk under them is full, which is said
/// by `because`; what was answered stays, and writing goes on once `make_room` has enlarged it.
#[track_caller]
pub(crate) fn assert_full_disk_loses_nothing(
    service: &Service,
    (length, because): (usize, &str),
    make_room: impl FnOnce(),
) {
    let text = |number: usize| format!("{number} {}", "x".repeat(length));
    let add = |number| {
        let body = serde_json::json!({ "text": text(number) }).to_string();
        service.ask("POST", "/Tarefa/", JSON, &body)
    };
    let mut answered = 0;
    let refusal = until("the disk is full", || {
        let answer = add(answered);
        (answer.status == 201).then(|| answered += 1);
        (answer.status != 201).then_some(answer)
    });
    assert_eq!((refusal.status, refusal.header("retry-after")), (503, Some("1")), "{refusal:?}");
    let detail = refusal.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(because), "{refusal:?}");
    let expected = |count: usize| (0..count).map(text).collect::<Vec<_>>();
    assert_eq!(service.values(), expected(answered), "nothing is lost and nothing half done");
    assert_eq!(service.get("/healthcheck/").status, 200, "it still serves what it has");

    make_room();
    until("there is room again", || (add(answered).status == 201).then_some(()));
    assert_eq!(service.values(), expected(answered + 1), "the refused one was not done");
}

/// Runs the program to its end; one that does not end is killed, and the test fails.
pub(crate) fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = pid(&child);
    let (sender, output) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    output.recv_timeout(DEADLINE).unwrap_or_else(|error| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{command:?} does not end: {error}");
    })
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Makes tests of functions that take a service: each one over SQLite and over PostgreSQL.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&$crate::support::Service::start(folder.path()));
            })*
        }

        mod postgres {
            $(#[test]
            fn $name() {
                let Some(postgres) = $crate::postgres::Postgres::start() else { return };
                super::$name(&$crate::support::Service::over(&postgres.url()));
            })*
        }
    };
}

pub(crate) use on_both_stores;

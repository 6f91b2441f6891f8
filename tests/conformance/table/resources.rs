//! Rows 80 to 89: clients and origins that are slow, many, silent or gone. Row 86, a slow TLS
//! handshake, waits for TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::super::case::{
    Act, After, Case, Exchange, Level, Outcome, Play, Say, Upstream, any, ask, case, dropped,
    passed_and_closed, refused, refused_halfway, tells, told,
};
use super::super::message::Kind;
use super::super::origin::Origin;
use super::super::stage::Stage;
use super::super::subject::{ORDINARY, SHORT, Setup, Subject};
use super::super::wire::{Client, until};
use Level::Strict;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Descriptors of a subject that shall run out of them: enough to start, and few enough to fill.
const FEW_DESCRIPTORS: u32 = 64;
const MORE_CLIENTS: usize = 120;
/// A process that spins uses all of a core, or its share of one; one that waits, next to nothing.
const WATCHED: Duration = Duration::from_secs(1);
const TICKS_MAX: u64 = 20;

const IDLE_CLIENTS: usize = 2000;
/// A buffer for a message would be more than this alone.
const KILOBYTES_EACH_MAX: u64 = 8;

/// Large enough that no system's socket buffers hold it.
const FLOOD: usize = 256 << 20;
const BUFFERED_MAX: usize = 32 << 20;

fn scene(
    row: u8,
    level: Level,
    (rule, name): (&'static str, &str),
    setup: Setup,
    play: super::super::case::Scene,
) -> Case {
    Case { row, level, rule, name: name.to_owned(), setup, play: Play::Scene(play) }
}

pub(crate) fn deadlines() -> Vec<Case> {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let drip = Exchange::of(vec![Say::Bytes(head.into()), Say::Drip(b"x", 1000)]);
    let drip = drip.refused(&[408]).allows(dropped());
    let half = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello";
    let half = Exchange::of(vec![Say::Bytes(half.into())]);
    let half = half.wants(refused_halfway(&[408])).allows(dropped());
    let silent = Exchange::of(Vec::new()).wants(dropped()).allows(refused(&[408]));
    let answered = || Exchange::of(vec![Say::Bytes(GET.into()), Say::Answer]);
    let reused = answered().wants(passed_and_closed(any()));
    let finish = Exchange::of(vec![Say::Finish]).wants(dropped()).allows(refused(&[400]));
    let mut finished = answered();
    finished.client.push(Say::Finish);
    let finished = finished.wants(passed_and_closed(any()));
    let hangs = ask(GET).act(vec![Act::Body, Act::Expect(b"nothing")]);
    let hangs = hangs.wants(tells(told(&[504])).on(Upstream::Fresh));
    let hangs = hangs.allows(Outcome { after: After::Closed, ..tells(told(&[504])) });
    let quick_head = Setup { head: SHORT, ..ORDINARY };
    let quick_body = Setup { stall: SHORT, head: SHORT, ..ORDINARY };
    let quick_idle = Setup { idle: SHORT, head: SHORT, stall: SHORT, ..ORDINARY };
    let quick_answer = Setup { first_byte: SHORT, ..ORDINARY };
    let timeout = "RFC 9110 §15.5.9";
    let idle = "RFC 9112 §9.5";
    vec![
        case(80, Strict, timeout, "a head that drips in has one deadline", drip).with(quick_head),
        case(81, Strict, timeout, "a body that stops has a deadline", half).with(quick_body),
        case(82, Strict, idle, "a connection without a request ends", silent).with(quick_idle),
        case(82, Strict, idle, "a connection after a request ends", reused).with(quick_idle),
        case(82, Strict, idle, "a half-closed connection without a request ends", finish),
        case(82, Strict, idle, "a half-closed connection ends after the answer", finished),
        case(88, Strict, "RFC 9110 §15.6.5", "an origin that never answers is a 504", hangs)
            .with(quick_answer),
    ]
}

pub(crate) fn partings() -> Vec<Case> {
    let quick = Setup { stall: SHORT, ..ORDINARY };
    let waits = ("RFC 9110 §7.5", "a client that leaves while it waits ends the request");
    let reads = ("RFC 9110 §7.5", "a client that leaves in its answer ends the request");
    let stalls = ("RFC 9112 §9.5", "a client that reads nothing is given up, little is buffered");
    vec![
        scene(87, Strict, waits, ORDINARY, leave_while_waiting),
        scene(87, Strict, reads, ORDINARY, leave_while_reading),
        scene(83, Strict, stalls, quick, read_nothing),
    ]
}

pub(crate) fn scarcity() -> Vec<Case> {
    let few = Setup { descriptors: Some(FEW_DESCRIPTORS), ..ORDINARY };
    let scarce = ("POSIX accept", "without descriptors it waits, and serves again afterwards");
    let idle = ("RFC 9112 §9.5", "two thousand silent clients take up to 8 KiB each");
    let hole = ("RFC 9110 §9.2.2", "an origin that takes no connection is left for the next one");
    let quick = Setup { connect: SHORT, ..ORDINARY };
    vec![
        scene(84, Strict, scarce, few, run_out_of_descriptors),
        scene(85, Strict, idle, ORDINARY, keep_many_idle),
        scene(89, Strict, hole, quick, fall_into_a_hole),
    ]
}

fn leave_while_waiting(stage: &Stage) -> Result<(), String> {
    let running = stage.start(vec![vec![Act::Body, Act::Expect(b"nothing")]]);
    let mut client = running.client();
    client.say(GET, stage.patience);
    let is_asked = running.origin.await_log(stage.patience, |log| log.seen.len() == 1);
    drop(client);
    let is_ended = running.origin.await_log(stage.patience, |log| log.partings == 1);
    hold(is_asked, "the origin is not asked")?;
    hold(is_ended, "the origin goes on for nobody")
}

fn leave_while_reading(stage: &Stage) -> Result<(), String> {
    // Enough of the body that a proxy which collects it has to begin.
    let mut part = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
    part.resize(1_000_000, b'x');
    let acts = vec![Act::Body, Act::Send(part), Act::Expect(b"nothing")];
    let running = stage.start(vec![acts]);
    let mut client = running.client();
    client.say(GET, stage.patience);
    let began = client.begins(b"HTTP/1.1 200 ", stage.patience);
    drop(client);
    let is_ended = running.origin.await_log(stage.patience, |log| log.partings == 1);
    hold(began, "no answer")?;
    hold(is_ended, "the origin goes on for nobody")
}

fn read_nothing(stage: &Stage) -> Result<(), String> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n");
    let running = stage.start(vec![vec![Act::Body, Act::Send(head.into()), Act::Flood(FLOOD)]]);
    let mut client = running.client();
    client.say(GET, stage.patience);
    let is_ended = running.origin.await_log(stage.patience, |log| log.partings == 1);
    let flooded = running.origin.log().flooded;
    hold(flooded < BUFFERED_MAX, "takes megabytes that nobody reads")?;
    hold(is_ended, "waits for the client")
}

fn run_out_of_descriptors(stage: &Stage) -> Result<(), String> {
    let running = stage.start(Vec::new());
    let subject = &running.subject;
    // One that cannot connect finds the queue full as well.
    let connect = || TcpStream::connect_timeout(&subject.address, WATCHED).ok();
    let clients: Vec<TcpStream> = std::iter::from_fn(connect).take(MORE_CLIENTS).collect();
    // Full, or at a limit of its own below that: it takes no more.
    let nearly = FEW_DESCRIPTORS as usize / 4 * 3;
    let is_full = || subject.descriptors() >= nearly;
    until(stage.patience.min(Duration::from_secs(3)), is_full);
    let before = subject.processor_ticks();
    // Nobody speaks, so nothing comes until the time is over.
    let first = clients.first().ok_or("takes nobody")?;
    first.set_read_timeout(Some(WATCHED)).unwrap();
    let said = first.peek(&mut [0]);
    let used = subject.processor_ticks() - before;
    hold(used <= TICKS_MAX || said.is_ok(), "spins")?;
    drop(clients);
    let mut client = running.client();
    client.say(GET, stage.patience);
    let status = client.answer(Kind::Response, stage.patience).map_or(0, |answer| answer.status());
    hold(status == 200, "does not serve afterwards")
}

fn keep_many_idle(stage: &Stage) -> Result<(), String> {
    cloudaps::proxy::raise_descriptor_limit();
    let running = stage.start(Vec::new());
    let subject = &running.subject;
    let before = subject.resident_kilobytes();
    let clients: Vec<Client> = (0..IDLE_CLIENTS).map(|_| running.client()).collect();
    let are_taken = until(stage.patience, || subject.descriptors() >= IDLE_CLIENTS);
    let each = subject.resident_kilobytes().saturating_sub(before) / IDLE_CLIENTS as u64;
    drop(clients);
    hold(are_taken, "does not take them all")?;
    hold(each <= KILOBYTES_EACH_MAX, "takes more than 8 KiB each")
}

/// One of two origins has a full queue: the system drops what would connect there.
fn fall_into_a_hole(stage: &Stage) -> Result<(), String> {
    let hole = Hole::open();
    let origin = Origin::start(Vec::new());
    let subject = Subject::start(stage.which, &stage.setup, &[hole.address, origin.address]);
    let _full = hole.fill();
    for _ in 0..4 {
        let mut client = Client::connect(subject.address);
        client.say(GET, stage.patience);
        let answer = client.answer(Kind::Response, stage.patience);
        let status = answer.map_or(0, |answer| answer.status());
        hold(status == 200, &format!("a client is told {status}"))?;
    }
    Ok(())
}

/// An origin that answers health checks until its queue is filled.
struct Hole {
    address: SocketAddr,
    listener: TcpListener,
    is_open: Arc<AtomicBool>,
    answering: thread::JoinHandle<()>,
}

impl Hole {
    fn open() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let (accepting, open) = (listener.try_clone().unwrap(), Arc::clone(&is_open));
        let answering = thread::spawn(move || {
            while let Ok((mut stream, _)) = accepting.accept() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, listener, is_open, answering }
    }

    /// From now on nobody accepts, and the queue is full.
    fn fill(self) -> (TcpListener, Vec<TcpStream>) {
        self.is_open.store(false, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.answering.join().unwrap();
        let connect = || TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).ok();
        let waiting: Vec<TcpStream> = std::iter::from_fn(connect).take(16).collect();
        assert!(waiting.len() < 16, "the queue has no end");
        (self.listener, waiting)
    }
}

fn hold(is_so: bool, otherwise: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise.to_owned()) }
}

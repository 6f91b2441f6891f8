//! An engine, and both ends of its connections, spoken byte by byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use cloudaps::address::Address;
use cloudaps::clock;
use cloudaps::pool::{
    Balance, Endpoint, EndpointId, Ledger, Pool, Secret, Standing, Traffic, Weight,
};
use cloudaps::proxy::{AccessLog, Counters, Engine, Meter, Report, Running, Settings, Traces};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::sync::{mpsc, watch};

/// How long anything may take before a test gives up. Generous: a slow machine is not a failure.
const DEADLINE: Duration = Duration::from_secs(20);

/// The settings of a test: one thread, so that what happens first is known.
pub(super) fn settings() -> Settings {
    Settings { threads: 1, ..Settings::default() }
}

/// A running engine and its pool.
pub(super) struct Proxy {
    running: Option<Running>,
    address: SocketAddr,
    pool: watch::Sender<Arc<Pool>>,
    ledger: Arc<Ledger>,
    reports: mpsc::Receiver<Report>,
    endpoints: Vec<Endpoint>,
    /// What the tokens of sticky clients are made with.
    secret: Option<Secret>,
}

impl Proxy {
    /// An engine over these endpoints; their ids are 0, 1, …
    pub(super) fn start(settings: Settings, addresses: &[SocketAddr]) -> Self {
        let addresses: Vec<Address> = addresses.iter().map(|each| (*each).into()).collect();
        Self::start_over(settings, &addresses)
    }

    /// The same, over endpoints of any kind.
    pub(super) fn start_over(settings: Settings, addresses: &[Address]) -> Self {
        Self::start_balanced(settings, addresses, Balance::default(), None)
    }

    /// The same, listening elsewhere.
    pub(super) fn start_at(at: SocketAddr, settings: Settings, addresses: &[Address]) -> Self {
        let engine = Engine::bind(at, settings).unwrap();
        Self::start_engine(engine, addresses, (Balance::default(), None))
    }

    /// The same, with an access log.
    pub(super) fn start_logging(
        settings: Settings,
        addresses: &[SocketAddr],
        log: AccessLog,
    ) -> Self {
        let addresses: Vec<Address> = addresses.iter().map(|each| (*each).into()).collect();
        let engine = Engine::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings).unwrap();
        Self::start_engine(engine.log_to(log), &addresses, (Balance::default(), None))
    }

    /// The same, with traces.
    pub(super) fn start_tracing(
        settings: Settings,
        addresses: &[SocketAddr],
        traces: Traces,
    ) -> Self {
        let addresses: Vec<Address> = addresses.iter().map(|each| (*each).into()).collect();
        let engine = Engine::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings).unwrap();
        Self::start_engine(engine.trace_to(traces), &addresses, (Balance::default(), None))
    }

    /// The same, with both.
    pub(super) fn start_telling(
        settings: Settings,
        addresses: &[SocketAddr],
        log: AccessLog,
        traces: Traces,
    ) -> Self {
        let addresses: Vec<Address> = addresses.iter().map(|each| (*each).into()).collect();
        let engine = Engine::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings).unwrap();
        let engine = engine.log_to(log).trace_to(traces);
        Self::start_engine(engine, &addresses, (Balance::default(), None))
    }

    /// The same, balanced in another way, and with what sticky clients are told by.
    pub(super) fn start_balanced(
        settings: Settings,
        addresses: &[Address],
        balance: Balance,
        secret: Option<Secret>,
    ) -> Self {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let engine = Engine::bind(at, settings).unwrap();
        Self::start_engine(engine, addresses, (balance, secret))
    }

    fn start_engine(
        engine: Engine,
        addresses: &[Address],
        (balance, secret): (Balance, Option<Secret>),
    ) -> Self {
        let ledger = Ledger::new(engine.threads());
        let (pool, followed) = watch::channel(Arc::new(Pool::new(Arc::clone(&ledger), balance)));
        let (sender, reports) = mpsc::channel(256);
        let mut proxy = Self {
            address: engine.local_addr(),
            running: None,
            pool,
            ledger,
            reports,
            endpoints: Vec::new(),
            secret,
        };
        for address in addresses {
            proxy.push(address);
        }
        proxy.publish();
        proxy.running = Some(engine.start(followed, sender).unwrap());
        proxy
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// One more endpoint.
    pub(super) fn add(&mut self, address: SocketAddr) {
        self.push(&address.into());
        self.publish();
    }

    /// Another standing for one endpoint.
    pub(super) fn set_standing(&mut self, index: usize, standing: Standing) {
        self.endpoints[index].standing = standing;
        self.publish();
    }

    pub(super) fn traffic(&self, index: usize) -> &Traffic {
        &self.endpoints[index].traffic
    }

    pub(super) fn counters(&self) -> Counters {
        self.running().counters()
    }

    /// What reads the counters when the engine has ended, too.
    pub(super) fn meter(&self) -> Meter {
        self.running().meter()
    }

    /// The next report.
    pub(super) fn report(&mut self) -> Report {
        let reports = &mut self.reports;
        block_on(async { tokio::time::timeout(DEADLINE, reports.recv()).await }).unwrap().unwrap()
    }

    /// The reports that have come.
    pub(super) fn reports(&mut self) -> Vec<Report> {
        std::iter::from_fn(|| self.reports.try_recv().ok()).collect()
    }

    /// Drains in the background; what is returned ends with it.
    pub(super) fn drain(&mut self, deadline: Duration) -> std::thread::JoinHandle<()> {
        let running = self.running.take().unwrap();
        std::thread::spawn(move || block_on(running.drain(deadline)))
    }

    pub(super) fn client(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// The access log was moved away.
    pub(super) fn reopen_log(&self) {
        self.running().reopen_log();
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    fn push(&mut self, address: &Address) {
        let token = self.secret.as_ref().map(|secret| secret.token(address));
        let traffic = self.ledger.open().unwrap();
        let listed = endpoint(self.endpoints.len(), address, traffic);
        self.endpoints.push(Endpoint { token, ..listed });
    }

    fn publish(&self) {
        let next = self.pool.borrow().next(self.endpoints.clone());
        self.pool.send_replace(Arc::new(next));
    }
}

fn endpoint(index: usize, address: &Address, traffic: Traffic) -> Endpoint {
    Endpoint {
        id: EndpointId::new(index as u64),
        address: address.clone(),
        name: Some(format!("instance-{index}").into()),
        weight: Weight::FULL,
        since: clock::now(),
        standing: Standing::Serving,
        traffic,
        token: None,
    }
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Waits until `holds`, or fails.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = clock::now() + DEADLINE;
    while !holds() {
        assert!(clock::now() < give_up, "never happened: {what}");
        pause();
    }
}

/// A moment for others to run, between two looks at something that cannot be waited for.
fn pause() {
    let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
}

/// A server that a test plays.
pub(super) struct Origin {
    listener: TcpListener,
    /// What keeps its queue full, if it is deaf.
    queued: Vec<TcpStream>,
}

impl Origin {
    pub(super) fn new() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// A server on IPv6.
    pub(super) fn new_v6() -> Self {
        Self::on(TcpListener::bind("[::1]:0").unwrap())
    }

    /// A server on a port that has begun to listen.
    pub(super) fn on(listener: TcpListener) -> Self {
        Self { listener, queued: Vec::new() }
    }

    /// A server that neither takes nor refuses connections: its queue is full.
    pub(super) fn deaf() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let mut origin = Self::on(socket.into());
        let patience = Duration::from_millis(200);
        while let Ok(queued) = TcpStream::connect_timeout(&origin.address(), patience) {
            origin.queued.push(queued);
        }
        origin
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection.
    pub(super) fn accept(&self) -> Wire {
        assert!(is_readable(&self.listener, DEADLINE), "nobody connected");
        Wire::new(self.listener.accept().unwrap().0)
    }

    /// Whether nobody has connected.
    pub(super) fn is_untouched(&self) -> bool {
        !is_readable(&self.listener, Duration::ZERO)
    }

    /// An address where nobody listens, and nobody will as long as the test runs.
    pub(super) fn refusing() -> (SocketAddr, TcpListener) {
        // Bound but not listening: the port is ours, and connecting to it is refused.
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let listener: TcpListener = socket.into();
        (listener.local_addr().unwrap(), listener)
    }
}

fn is_readable(listener: &impl AsFd, limit: Duration) -> bool {
    let limit = Timespec { tv_sec: limit.as_secs().try_into().unwrap(), tv_nsec: 0 };
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

/// A server that a test plays on a Unix-domain socket.
pub(super) struct UnixOrigin {
    listener: UnixListener,
    address: Address,
}

impl UnixOrigin {
    /// Listens at `unix:/PATH` in a folder of the test, or at an abstract name.
    pub(super) fn new(address: &str) -> Self {
        let address: Address = address.parse().unwrap();
        let Address::Unix(name) = &address else { panic!("{address} is no Unix socket") };
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(name.to_path()).unwrap()).unwrap();
        socket.listen(8).unwrap();
        Self { listener: socket.into(), address }
    }

    pub(super) fn address(&self) -> Address {
        self.address.clone()
    }

    /// The next connection.
    pub(super) fn accept(&self) -> Wire {
        assert!(is_readable(&self.listener, DEADLINE), "nobody connected");
        Wire::new(self.listener.accept().unwrap().0)
    }
}

/// One end of a connection.
pub(super) struct Wire {
    stream: TcpStream,
    /// Read, but not yet asked for.
    ahead: Vec<u8>,
}

impl Wire {
    pub(super) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    /// Over TCP or within this machine: what is asked of it here is the same for both.
    fn new(stream: impl Into<OwnedFd>) -> Self {
        let stream = TcpStream::from(stream.into());
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        // There is no such thing within this machine.
        let _ = stream.set_nodelay(true);
        Self { stream, ahead: Vec::new() }
    }

    /// A connection whose near end is `from`, which is this machine like all of 127.0.0.0/8.
    pub(super) fn connect_from(from: [u8; 4], address: SocketAddr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::new(socket)
    }

    pub(super) fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    /// A client whose system takes as little ahead as it can.
    pub(super) fn connect_narrow(address: SocketAddr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::new(socket)
    }

    /// Whether something can be read at this moment, were it the end.
    pub(super) fn is_readable(&self) -> bool {
        !self.ahead.is_empty() || is_readable(&self.stream, Duration::ZERO)
    }

    /// Reads once, up to so many bytes. `None`: the connection has ended.
    pub(super) fn sip(&mut self, most: usize) -> Option<usize> {
        let mut block = vec![0; most];
        self.stream.read(&mut block).ok().filter(|count| *count > 0)
    }

    /// Sends what may find the connection gone. Says whether it has not.
    pub(super) fn try_send(&mut self, text: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(text.as_ref()).is_ok()
    }

    /// Sends as much as fits without waiting for the other side.
    pub(super) fn send_until_full(&mut self, piece: &[u8], most: usize) -> usize {
        self.stream.set_nonblocking(true).unwrap();
        let mut total = 0;
        while total < most {
            match self.stream.write(piece) {
                Ok(count) => total += count,
                // Full, or gone.
                Err(_) => break,
            }
        }
        self.stream.set_nonblocking(false).unwrap();
        total
    }

    /// Reads a head, to its empty line.
    pub(super) fn head(&mut self) -> String {
        self.through("\r\n\r\n")
    }

    /// Reads up to and including `end`.
    pub(super) fn through(&mut self, end: &str) -> String {
        loop {
            let found = self.ahead.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                return self.take(at + end.len());
            }
            assert!(self.more(), "ended before {end:?}: {:?}", self.text());
        }
    }

    /// Reads so many bytes.
    pub(super) fn body(&mut self, length: usize) -> String {
        while self.ahead.len() < length {
            assert!(self.more(), "ended before {length} bytes: {:?}", self.text());
        }
        self.take(length)
    }

    /// Reads a whole answer with a `Content-Length`.
    pub(super) fn answer(&mut self) -> (String, String) {
        let head = self.head();
        let length = field(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        let body = self.body(length);
        (head, body)
    }

    /// Reads what comes until an orderly end.
    pub(super) fn rest(&mut self) -> String {
        while self.more() {}
        let length = self.ahead.len();
        self.take(length)
    }

    /// Reads what comes until the end, orderly or not. Says whether it was.
    pub(super) fn rest_or_reset(&mut self) -> (String, bool) {
        let mut block = [0; 65536];
        let is_orderly = loop {
            match self.stream.read(&mut block) {
                Ok(0) => break true,
                Ok(count) => self.ahead.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break false,
                Err(error) => panic!("neither the end nor a reset: {error}"),
            }
        };
        let length = self.ahead.len();
        (self.take(length), is_orderly)
    }

    /// Ends what we send; what the other side sends can still be read. One that has been reset has
    /// ended already, which whoever reads it finds out.
    pub(super) fn finish(&self) {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn more(&mut self) -> bool {
        let mut block = [0; 65536];
        let count = match self.stream.read(&mut block) {
            Ok(count) => count,
            Err(error) => panic!("cannot read: {error}; had {:?}", self.text()),
        };
        self.ahead.extend_from_slice(&block[..count]);
        count > 0
    }

    fn take(&mut self, length: usize) -> String {
        let rest = self.ahead.split_off(length);
        let taken = std::mem::replace(&mut self.ahead, rest);
        String::from_utf8_lossy(&taken).into_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.ahead).into_owned()
    }
}

/// The value of a header line.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The status of an answer.
pub(super) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A client and an endpoint, after one request that was answered with `ok`: their connections are
/// open, and will be used again.
pub(super) fn first_exchange(proxy: &Proxy, origin: &Origin, request: &str) -> (Wire, Wire) {
    let mut client = proxy.client();
    let server = ask_first(&mut client, origin, request);
    (client, server)
}

/// Asks for the first time, which opens a connection to the endpoint: that one is returned.
pub(super) fn ask_first(client: &mut Wire, origin: &Origin, request: &str) -> Wire {
    client.send(request);
    let mut server = origin.accept();
    server.head();
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
    server
}

/// So many bytes, in which nothing can be lost, doubled or exchanged unnoticed.
pub(super) fn text(size: usize) -> String {
    (0_u32..)
        .flat_map(|number| format!("{number:08x}").into_bytes())
        .take(size)
        .map(char::from)
        .collect()
}

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

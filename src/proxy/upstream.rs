//! One thread's side of an endpoint: its connections, and the request in flight on one of them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::access_log;
use super::io;
use super::report::Failure;
use super::socket::Socket;
use crate::address::Address;
use crate::clock;
use crate::metrics::Took;
use crate::pool::{Endpoint, EndpointId, Standing, Token, Traffic};

/// An endpoint as one thread knows it. Outlives snapshots, for as long as it has requests.
///
/// It lies in memory as it stands here, with what every request needs at its beginning: of ten
/// thousand endpoints each one is far away when its turn comes.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Upstream {
    /// The last one given back is the first one taken: it is the least likely to be closed. One of
    /// many endpoints has one or two, which need not be looked for anywhere else.
    idle: RefCell<SmallVec<[Rc<Connection>; 2]>>,
    pub(super) traffic: Traffic,
    thread: usize,
    standing: Cell<Standing>,
    pub(super) is_told_quiet: Cell<bool>,
    /// Told when the last request in flight of an endpoint that does not serve has ended.
    settled: Rc<Notify>,
    pub(super) id: EndpointId,
    pub(super) address: Address,
    /// What people call it, if they do.
    pub(super) name: Option<Arc<str>>,
    /// What the access log says of it.
    pub(super) shown: Box<[u8]>,
    pub(super) token: Option<Token>,
    /// All that were opened, so that a lost endpoint's can be found. Swept with each tick.
    opened: RefCell<Vec<Weak<Connection>>>,
}

/// A connection to an endpoint.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Socket,
    /// How long it took to open.
    opened_in: Duration,
    role: Cell<Role>,
    /// The tick of the thread's clock in which it was given back.
    idle_since: Cell<u32>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Idle,
    /// A request on it waits for its first byte, and could be sent elsewhere.
    Waiting,
    /// A request on it must end here.
    Bound,
    /// It carries another protocol than HTTP, for as long as both sides like.
    Switched,
}

impl Role {
    fn ends_when_lost(self) -> bool {
        match self {
            Self::Waiting | Self::Switched => true,
            Self::Idle | Self::Bound => false,
        }
    }
}

/// Which connections a try may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    Allowed,
    /// Only one that is open at this moment: the request could not be sent again.
    Checked,
    /// One was closed under this request: the others are as old.
    Never,
}

/// One request in flight at an endpoint. Dropping it returns the capacity and closes the
/// connection; only [`Link::give_back`] keeps it.
#[derive(Debug)]
pub(super) struct Link {
    seat: Seat,
    connection: Rc<Connection>,
    pub(super) is_reused: bool,
}

/// A request counted as in flight.
#[derive(Debug)]
struct Seat(Rc<Upstream>);

impl Seat {
    fn take(upstream: Rc<Upstream>) -> Self {
        upstream.traffic.enter(upstream.thread);
        Self(upstream)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let upstream = &self.0;
        upstream.traffic.leave(upstream.thread);
        if upstream.is_quiet_due() {
            upstream.settled.notify_one();
        }
    }
}

impl Upstream {
    pub(super) fn new(endpoint: &Endpoint, thread: usize, settled: Rc<Notify>) -> Self {
        Self {
            id: endpoint.id,
            address: endpoint.address.clone(),
            name: endpoint.name.clone(),
            shown: access_log::endpoint(endpoint.id, &endpoint.address),
            traffic: endpoint.traffic.clone(),
            token: endpoint.token,
            thread,
            standing: Cell::new(Standing::Serving),
            idle: RefCell::default(),
            opened: RefCell::default(),
            settled,
            is_told_quiet: Cell::new(false),
        }
    }

    /// A snapshot says what it may still get.
    pub(super) fn set_standing(&self, standing: Standing) {
        self.standing.set(standing);
        match standing {
            Standing::Serving => return self.is_told_quiet.set(false),
            Standing::Draining => {}
            Standing::Lost => self.cut_loose(),
        }
        self.idle.borrow_mut().clear();
    }

    /// Whether this thread owes the controller the word that nothing is in flight here, now or
    /// when it is so.
    pub(super) fn is_leaving(&self) -> bool {
        self.standing.get() != Standing::Serving && !self.is_told_quiet.get()
    }

    /// Whether that word is due.
    pub(super) fn is_quiet_due(&self) -> bool {
        self.is_leaving() && self.traffic.in_flight(self.thread) == 0
    }

    /// Takes a connection that carried requests before, if there is one that this try may use.
    pub(super) fn reuse(self: &Rc<Self>, reuse: Reuse) -> Option<Link> {
        let connection = match reuse {
            Reuse::Allowed => self.take_idle(io::is_quiet),
            Reuse::Checked => self.take_idle(io::is_quiet_now),
            Reuse::Never => None,
        }?;
        Some(Link { seat: Seat::take(Rc::clone(self)), connection, is_reused: true })
    }

    /// Opens a connection. The request counts as in flight from here.
    pub(super) async fn connect(self: Rc<Self>, limit: Duration) -> Result<Link, Failure> {
        let seat = Seat::take(self);
        let connection = seat.0.open(limit).await?;
        Ok(Link { seat, connection, is_reused: false })
    }

    /// An answer has come, after so long.
    pub(super) fn answered(&self, status: u16, after: Took) {
        self.traffic.account().answered(self.thread, status, after);
    }

    /// A try has failed.
    pub(super) fn failed(&self) {
        self.traffic.account().failed(self.thread);
    }

    /// Closes what has been idle since before tick `oldest` or is no longer quiet. Returns how many
    /// connections are left, and how many of them are idle.
    pub(super) fn sweep(&self, oldest: u32) -> (usize, usize) {
        let (mut idle, mut opened) = (self.idle.borrow_mut(), self.opened.borrow_mut());
        idle.retain(|connection| {
            connection.idle_since.get() >= oldest && io::is_quiet(&connection.stream)
        });
        opened.retain(|connection| connection.strong_count() > 0);
        (opened.len(), idle.len())
    }

    fn take_idle(&self, is_quiet: fn(&Socket) -> bool) -> Option<Rc<Connection>> {
        let mut idle = self.idle.borrow_mut();
        // Unsolicited bytes would be taken for the answer to this request, and the end of the
        // stream says that the endpoint has closed: either way it is not used again.
        std::iter::from_fn(|| idle.pop()).find(|connection| is_quiet(&connection.stream))
    }

    async fn open(&self, limit: Duration) -> Result<Rc<Connection>, Failure> {
        let since = clock::now();
        let connected = timeout(limit, Socket::connect(&self.address)).await;
        let stream = connected
            .map_err(|_| Failure::ConnectTimedOut)?
            .map_err(|error| Failure::of_connect(&error))?;
        let opened_in = clock::now().since(since);
        let (role, idle_since) = (Cell::new(Role::Bound), Cell::new(0));
        let connection = Rc::new(Connection { stream, opened_in, role, idle_since });
        self.opened.borrow_mut().push(Rc::downgrade(&connection));
        Ok(connection)
    }

    /// Ends the connections of the requests that can go elsewhere, each of which sees it as a
    /// closed connection before the first byte, and the retry table does the rest; and those whose
    /// clients would wait for nothing as long as they are open.
    fn cut_loose(&self) {
        for connection in self.opened.borrow().iter().filter_map(Weak::upgrade) {
            if connection.role.get().ends_when_lost() {
                io::wake_by_shutdown(&connection.stream);
            }
        }
    }
}

impl Link {
    pub(super) fn upstream(&self) -> &Rc<Upstream> {
        &self.seat.0
    }

    pub(super) fn stream(&self) -> &Socket {
        &self.connection.stream
    }

    /// How long the connection took to open, if it was opened for this request.
    pub(super) fn opened_in(&self) -> Option<Duration> {
        (!self.is_reused).then_some(self.connection.opened_in)
    }

    /// Says what becomes of the connection if the endpoint is lost. If it is already, that moment
    /// is now.
    pub(super) fn set_role(&self, role: Role) {
        self.connection.role.set(role);
        if role.ends_when_lost() && self.is_lost() {
            io::wake_by_shutdown(self.stream());
        }
    }

    /// Whether nothing is expected of the endpoint any more.
    pub(super) fn is_lost(&self) -> bool {
        self.upstream().standing.get() == Standing::Lost
    }

    /// Keeps the connection for the next request, unless there are `idle_max` already.
    pub(super) fn give_back(self, tick: u32, idle_max: usize) {
        let Self { seat, connection, .. } = self;
        let mut idle = seat.0.idle.borrow_mut();
        if seat.0.standing.get() == Standing::Serving && idle.len() < idle_max {
            connection.role.set(Role::Idle);
            connection.idle_since.set(tick);
            idle.push(connection);
        }
        drop(idle);
    }
}

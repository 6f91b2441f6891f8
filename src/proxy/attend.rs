//! How clients are attended to: whoever speaks is served by a task, and whoever does not is parked.
//!
//! To make a task and to take it down costs nearly as much as relaying a small request. So the
//! tasks of a thread stay, and each attends to one client after the other.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::spawn_local;

use super::alarm::Alarm;
use super::buffer::Buffer;
use super::client::Client;
use super::inbound::{arrive, introduce, resume};
use super::io::{Arrived, arrived_unwatched};
use super::parking::Parked;
use super::session::{Ended, serve};
use super::thread::Thread;

/// Tasks without a client that a thread keeps: a burst's worth, which is a third of a megabyte.
const SPARE_MAX: usize = 256;

/// Counts the client out, even if its session panicked.
pub(super) struct Parting(Rc<Thread>);

/// The thread finds the client, until this is dropped.
struct Known {
    thread: Rc<Thread>,
    place: usize,
}

/// A client that is attended to. What it consists of ends in this order: nobody who has parted is
/// still connected.
struct Visit {
    known: Known,
    client: Rc<Client>,
    /// What it has said already.
    inbound: Buffer,
    parting: Parting,
}

/// The tasks of a thread that have no client. The last one that had one gets the next one, because
/// its memory is the one that the processor's caches still hold.
#[derive(Default)]
pub(super) struct Attendants(RefCell<Vec<Rc<Attendant>>>);

/// One of these tasks.
#[derive(Default)]
struct Attendant {
    /// Its next client.
    visit: Cell<Option<Visit>>,
    /// Wakes the task, once it has waited for one.
    waker: OnceCell<Waker>,
    alarm: Rc<Alarm>,
}

/// Takes a client in, who is known by the socket's address unless a PROXY header has to come.
pub(super) fn admit(thread: &Rc<Thread>, stream: OwnedFd, address: SocketAddr) {
    thread.enter();
    let parting = Parting(Rc::clone(thread));
    // An IPv4 client of a dual-stack listener is named as what it is.
    let address = address.ip().to_canonical();
    if thread.settings.inbound.is_announced(address) {
        spawn_local(hear(parting, stream, address));
        return;
    }
    match arrive(thread, stream, address) {
        Ok(client) => take_up(Parked { client, parting }),
        Err(error) => thread.note_refused_connection(error, address),
    }
}

/// Hears who a client is, and serves it.
async fn hear(parting: Parting, stream: OwnedFd, address: IpAddr) {
    let client = Client::new(stream.into(), address, Rc::default());
    let visit = Visit::new(client, Buffer::default(), parting);
    if Box::pin(introduce(&visit.parting.0, &visit.client)).await {
        Box::pin(visit.take_place()).await;
    }
}

/// Gives a client a session if it has said something, and parks it otherwise.
fn take_up(Parked { client, parting }: Parked) {
    let thread = Rc::clone(&parting.0);
    let mut inbound = Buffer::default();
    match arrived_unwatched(&thread.blocks, &client.stream, &mut inbound) {
        Arrived::Bytes => {
            let attendant = thread.attendants.take();
            let client = resume(&thread, client, Rc::clone(&attendant.alarm));
            attendant.receive(Visit::new(client, inbound, parting));
        }
        Arrived::Nothing => park(&thread, Parked { client, parting }),
        Arrived::End => {}
    }
}

/// Attends to one client after the other.
async fn attend(thread: Rc<Thread>, attendant: Rc<Attendant>) {
    loop {
        attendant.next().await.take_place().await;
        if !thread.attendants.keep(&attendant) {
            return;
        }
    }
}

fn park(thread: &Thread, parked: Parked) {
    if let Err(error) = thread.parking.park(parked) {
        tracing::debug!(%error, "an idle connection is closed, because it cannot be parked");
    }
}

/// Takes those up again that were parked and have something to say.
pub(super) async fn attend_parked(thread: &Thread) {
    loop {
        match thread.parking.woken().await {
            Ok(woken) => woken.into_iter().for_each(take_up),
            Err(error) => {
                return tracing::error!(%error, "parked connections cannot be watched");
            }
        }
    }
}

impl Visit {
    fn new(client: Client, inbound: Buffer, parting: Parting) -> Self {
        let (thread, client) = (Rc::clone(&parting.0), Rc::new(client));
        let known = Known { place: thread.remember(&client), thread };
        Self { known, client, inbound, parting }
    }

    /// Serves the client until it leaves, or has nothing to say for long.
    #[expect(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
    fn take_place(mut self) -> impl Future<Output = ()> {
        async move {
            let Self { client, inbound, parting, .. } = &mut self;
            if serve(&parting.0, client, inbound).await == Ended::Resting {
                self.rest();
            }
        }
    }

    /// Parks a client whose session has ended because it says nothing.
    fn rest(self) {
        let Self { known, client, parting, .. } = self;
        // The thread only looks for its clients, and keeps none of them.
        if let Some(Ok(client)) = Rc::into_inner(client).map(Client::rest) {
            park(&known.thread, Parked { client, parting });
        }
    }
}

impl Attendants {
    /// One that has no client, or a new one.
    fn take(&self) -> Rc<Attendant> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a task for the next client, unless there are enough of them.
    fn keep(&self, attendant: &Rc<Attendant>) -> bool {
        let mut spare = self.0.borrow_mut();
        let is_kept = spare.len() < SPARE_MAX;
        if is_kept {
            spare.push(Rc::clone(attendant));
        }
        is_kept
    }
}

impl Attendant {
    /// Has it attend to a client.
    fn receive(self: Rc<Self>, visit: Visit) {
        let thread = Rc::clone(&visit.parting.0);
        self.visit.set(Some(visit));
        match self.waker.get() {
            Some(waker) => waker.wake_by_ref(),
            None => {
                spawn_local(attend(thread, self));
            }
        }
    }

    /// The next client, once there is one.
    fn next(&self) -> impl Future<Output = Visit> {
        poll_fn(|context| match self.visit.take() {
            Some(visit) => Poll::Ready(visit),
            None => {
                // It is always the same: an attendant belongs to one task.
                self.waker.get_or_init(|| context.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.thread.forget(self.place);
    }
}

//! Connections on which nobody speaks, all in the care of one task.
//!
//! A task of its own and its place in the runtime cost a connection about a kilobyte, and most
//! connections of a service are idle most of the time. So a client gets a session with its first
//! byte, and loses it again when it has been idle for some seconds: what is left then is a
//! descriptor and who it is. An epoll instance of the thread's own watches all of these.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use slab::Slab;
use tokio::io::unix::AsyncFd;

use super::attend::Parting;
use super::client::Resting;
use super::counters::{Count, Tally};
use crate::descriptor;

/// So many are resumed before anybody else has a turn: a millisecond's work.
const WOKEN_MAX: usize = 256;

/// A connection that is parked.
pub(super) struct Parked {
    pub(super) client: Resting,
    /// It counts as connected.
    pub(super) parting: Parting,
}

/// The parked connections of a thread: at most as many as it may have.
pub(super) struct Parking {
    watch: AsyncFd<OwnedFd>,
    places: RefCell<Slab<Parked>>,
    tally: Arc<Tally>,
}

impl Parking {
    /// An empty one.
    pub(super) fn open(tally: Arc<Tally>) -> io::Result<Self> {
        let watch = descriptor::watch(epoll::create(epoll::CreateFlags::CLOEXEC)?)?;
        Ok(Self { watch, places: RefCell::default(), tally })
    }

    /// Parks a connection. If the system has no room for that, it is closed, as idle connections
    /// may be at any time (RFC 9112 §9.5).
    pub(super) fn park(&self, parked: Parked) -> io::Result<()> {
        let mut places = self.places.borrow_mut();
        let place = places.vacant_entry();
        let data = epoll::EventData::new_u64(place.key() as u64);
        epoll::add(&self.watch, &parked.client.stream, data, epoll::EventFlags::IN)?;
        place.insert(parked);
        self.tally.add(Count::Parked);
        Ok(())
    }

    /// Waits until some of them speak, or leave, and gives them back: at least one.
    pub(super) async fn woken(&self) -> io::Result<Vec<Parked>> {
        loop {
            let mut guard = self.watch.readable().await?;
            let woken = self.look()?;
            // There may be more, of which nobody would be told again.
            if woken.len() < WOKEN_MAX {
                guard.clear_ready();
            }
            if !woken.is_empty() {
                return Ok(woken);
            }
        }
    }

    fn look(&self) -> io::Result<Vec<Parked>> {
        let mut events = Vec::with_capacity(WOKEN_MAX);
        epoll::wait(&self.watch, spare_capacity(&mut events), Some(&Timespec::default()))?;
        let mut places = self.places.borrow_mut();
        let mut woken = Vec::with_capacity(events.len());
        for event in &events {
            let Some(parked) = places.try_remove(event.data.u64() as usize) else { continue };
            epoll::delete(&self.watch, &parked.client.stream)?;
            self.tally.add(Count::Unparked);
            woken.push(parked);
        }
        Ok(woken)
    }

    /// Closes those that have had no request since before tick `oldest`, unless one has arrived.
    pub(super) fn close_idle_before(&self, oldest: u32) {
        let mut places = self.places.borrow_mut();
        let before = places.len();
        places.retain(|_, parked| !parked.client.is_idle_before(oldest));
        self.tally.add_many(Count::Unparked, (before - places.len()) as u64);
    }

    /// Closes all of them.
    pub(super) fn clear(&self) {
        self.places.take();
    }
}

impl fmt::Debug for Parking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} parked", self.places.borrow().len())
    }
}

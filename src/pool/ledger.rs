//! The counters of all endpoints of an engine, side by side.
//!
//! A pick compares two endpoints out of any number. If each had its counters in a place of its own,
//! ten thousand of them would not fit into a processor's cache, and every look would wait for the
//! memory. Here what a thread counts takes four bytes an endpoint, next to each other; and whether
//! any is ejected, or any has failed, is one number, so that as long as all are well nobody looks
//! further.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Traffic;
use crate::clock::Instant;
use crate::metrics::Account;

/// Seats of a page: 4 KiB of counters for each thread.
const PAGE_SEATS: usize = 1024;

/// Pages of a ledger: for a quarter of a million endpoints, as many as a small ledger can have a
/// table for (10 KiB) and a large machine has descriptors for.
const PAGES_MAX: usize = 256;

/// The counters of an engine's endpoints. Each has a seat for as long as anybody knows it.
#[derive(Debug)]
pub struct Ledger {
    threads: usize,
    pages: Box<[OnceLock<Page>; PAGES_MAX]>,
    seats: Mutex<Seats>,
    /// From then on nobody is ejected. Nanoseconds since [`Instant::START`].
    ejected_until: AtomicU64,
    /// How many seats have something held against them.
    troubled: AtomicU32,
    /// Where the answers of all are counted that have no account of their own.
    others: Arc<Account>,
}

/// Who may sit down. Locked only when an endpoint comes or goes.
#[derive(Debug, Default)]
struct Seats {
    given: u32,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Page {
    /// A row for each thread, which alone writes it: no cache line travels between cores.
    in_flight: Box<[[AtomicU32; PAGE_SEATS]]>,
    trouble: Box<[Trouble; PAGE_SEATS]>,
}

/// What is held against an endpoint. Written only when it fails or recovers.
#[derive(Debug, Default)]
struct Trouble {
    /// Nanoseconds since [`Instant::START`]; zero means not ejected.
    ejected_until: AtomicU64,
    /// A [`Record`].
    record: AtomicU32,
}

/// What an endpoint has failed at since its last good answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Ejections.
    pub(super) streak: u16,
    /// Failures that do not eject by themselves.
    pub(super) strikes: u16,
}

/// As many endpoints are known as can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are more endpoints than can be counted: allowed are {}", PAGE_SEATS * PAGES_MAX)]
pub struct Full;

/// Where an endpoint's counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat(u32);

impl Ledger {
    /// A ledger for an engine of so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            threads,
            pages: Box::new([const { OnceLock::new() }; PAGES_MAX]),
            seats: Mutex::default(),
            ejected_until: AtomicU64::new(0),
            troubled: AtomicU32::new(0),
            others: Arc::new(Account::new(threads)),
        })
    }

    /// The account of all endpoints that have none of their own.
    #[must_use]
    pub const fn others(&self) -> &Arc<Account> {
        &self.others
    }

    /// Counters for one more endpoint, without an account of its own.
    ///
    /// # Errors
    /// There are as many endpoints as can be counted.
    pub fn open(self: &Arc<Self>) -> Result<Traffic, Full> {
        self.open_for(Arc::clone(&self.others))
    }

    /// Counters for one more endpoint, whose answers are counted there.
    ///
    /// # Errors
    /// There are as many endpoints as can be counted.
    pub fn open_for(self: &Arc<Self>, account: Arc<Account>) -> Result<Traffic, Full> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = match seats.free.pop() {
            Some(seat) => seat,
            None if (seats.given as usize) < PAGE_SEATS * PAGES_MAX => {
                seats.given += 1;
                seats.given - 1
            }
            None => return Err(Full),
        };
        let seat = Seat(seat);
        self.pages[seat.page()].get_or_init(|| Page::new(self.threads));
        Ok(Traffic::new(Arc::clone(self), seat, account))
    }

    /// Nobody knows the endpoint any more: the next one in its seat begins without a record.
    pub(super) fn close(&self, seat: Seat) {
        self.set_record(seat, Record::default());
        self.trouble(seat).ejected_until.store(0, Relaxed);
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).free.push(seat.0);
    }

    /// What one thread has in flight there; only that thread may write it.
    pub(super) fn in_flight(&self, seat: Seat, thread: usize) -> &AtomicU32 {
        &self.page(seat).in_flight[thread][seat.place()]
    }

    /// What all threads together have in flight there.
    pub(super) fn total(&self, seat: Seat) -> u32 {
        (0..self.threads).map(|thread| self.in_flight(seat, thread).load(Relaxed)).sum()
    }

    /// Whether anybody can be ejected now. Almost always nobody is: then one look is enough for
    /// all of them.
    pub(super) fn has_ejected(&self, now: Instant) -> bool {
        nanos(now) < self.ejected_until.load(Relaxed)
    }

    pub(super) fn is_ejected(&self, seat: Seat, now: Instant) -> bool {
        nanos(now) < self.trouble(seat).ejected_until.load(Relaxed)
    }

    pub(super) fn eject(&self, seat: Seat, until: Instant) {
        self.trouble(seat).ejected_until.store(nanos(until), Relaxed);
        self.ejected_until.fetch_max(nanos(until), Relaxed);
    }

    pub(super) fn record(&self, seat: Seat) -> Record {
        Record::from(self.trouble(seat).record.load(Relaxed))
    }

    pub(super) fn set_record(&self, seat: Seat, record: Record) {
        let before = self.trouble(seat).record.swap(record.into(), Relaxed);
        // Each swap is seen by exactly one other, so the sum is the number of bad records.
        match (Record::from(before).is_clean(), record.is_clean()) {
            (true, false) => self.troubled.fetch_add(1, Relaxed),
            (false, true) => self.troubled.fetch_sub(1, Relaxed),
            (true, true) | (false, false) => return,
        };
    }

    /// Forgives what is held against it.
    pub(super) fn clear(&self, seat: Seat) {
        // Reading is cheap as long as nobody writes, so a healthy endpoint costs no store, and a
        // healthy fleet not even a look at it.
        if self.troubled.load(Relaxed) != 0 && !self.record(seat).is_clean() {
            self.trouble(seat).ejected_until.store(0, Relaxed);
            self.set_record(seat, Record::default());
        }
    }

    fn trouble(&self, seat: Seat) -> &Trouble {
        &self.page(seat).trouble[seat.place()]
    }

    fn page(&self, seat: Seat) -> &Page {
        let page = self.pages[seat.page()].get();
        page.expect("a seat is given only with its page")
    }
}

impl Page {
    fn new(threads: usize) -> Self {
        let row = || [const { AtomicU32::new(0) }; PAGE_SEATS];
        Self {
            in_flight: std::iter::repeat_with(row).take(threads).collect(),
            trouble: Box::new(std::array::from_fn(|_| Trouble::default())),
        }
    }
}

impl Seat {
    /// Which page it is on; there is no seat beyond the last one.
    const fn page(self) -> usize {
        self.0 as usize / PAGE_SEATS % PAGES_MAX
    }

    const fn place(self) -> usize {
        self.0 as usize % PAGE_SEATS
    }
}

impl Record {
    fn is_clean(self) -> bool {
        self == Self::default()
    }
}

impl From<u32> for Record {
    fn from(bits: u32) -> Self {
        Self { streak: (bits >> 16) as u16, strikes: bits as u16 }
    }
}

impl From<Record> for u32 {
    fn from(record: Record) -> Self {
        Self::from(record.streak) << 16 | Self::from(record.strikes)
    }
}

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.since_start().as_nanos()).unwrap_or(u64::MAX)
}

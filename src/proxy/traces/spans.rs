//! One thread's side of the traces: the batch that its spans go into.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::sampling::Sampling;
use super::span::SPANS;
use super::wire::push_bytes;
use crate::http1::{SpanId, TraceId};
use crate::proxy::counters::{Count, Tally};

/// Bytes of a batch: about a hundred spans, so that handing them over costs each of them nothing.
const BATCH_BYTES: usize = 64 * 1024;

/// Room that is left in a batch for its last span, which is seldom longer. One that is makes the
/// batch grow.
const SPAN_BYTES: usize = 4 * 1024;

/// How long a span may wait for others: who waits for a trace does not notice.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Spans of one thread, all of them whole.
#[derive(Debug)]
pub(in crate::proxy) struct Batch {
    /// As they stand one after the other in a message.
    pub(super) bytes: Vec<u8>,
    pub(super) spans: u64,
}

/// The spans of one thread.
#[derive(Debug)]
pub(in crate::proxy) struct Spans {
    outlet: mpsc::Sender<Batch>,
    sampling: Sampling,
    random: RefCell<fastrand::Rng>,
    batch: RefCell<Batch>,
    /// One span while it is written: its length goes before it.
    span: RefCell<Vec<u8>>,
    /// The first span of a batch was added.
    begun: Notify,
    tally: Arc<Tally>,
    /// Spans that were dropped and the operator was not told of.
    untold: Cell<u64>,
}

impl Batch {
    fn empty() -> Self {
        Self { bytes: Vec::with_capacity(BATCH_BYTES), spans: 0 }
    }
}

impl Spans {
    /// Spans that go to this outlet; those that are dropped are counted.
    pub(in crate::proxy) fn new(
        (outlet, sampling): (mpsc::Sender<Batch>, Sampling),
        seed: u64,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            outlet,
            sampling,
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            batch: RefCell::new(Batch::empty()),
            span: RefCell::default(),
            begun: Notify::new(),
            tally,
            untold: Cell::new(0),
        }
    }

    pub(super) fn sampling(&self) -> Sampling {
        self.sampling
    }

    pub(super) fn new_trace(&self) -> TraceId {
        TraceId::from_draw(self.random.borrow_mut().u128(..))
    }

    pub(super) fn new_span(&self) -> SpanId {
        SpanId::from_draw(self.random.borrow_mut().u64(..))
    }

    /// Adds a span that has ended, which `write` appends to what it is given.
    pub(super) fn add(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let (mut batch, mut span) = (self.batch.borrow_mut(), self.span.borrow_mut());
        if batch.spans == 0 {
            self.begun.notify_one();
        }
        span.clear();
        write(&mut span);
        batch.spans += 1;
        push_bytes(&mut batch.bytes, SPANS, &span);
        if batch.bytes.len() > BATCH_BYTES - SPAN_BYTES {
            drop(batch);
            self.flush();
        }
    }

    /// Hands over what has waited long enough, for as long as the thread runs.
    pub(in crate::proxy) async fn flush_in_time(&self) {
        loop {
            self.begun.notified().await;
            sleep(FLUSH_AFTER).await;
            self.flush();
        }
    }

    /// Tells the operator of spans that were dropped. Called once a second.
    pub(in crate::proxy) fn tell_drops(&self) {
        let dropped = self.untold.take();
        if dropped > 0 {
            tracing::warn!(dropped, "spans come faster than the collector takes them");
        }
    }

    /// Hands the batch over; if the queue is full, it is dropped and counted.
    fn flush(&self) {
        let mut batch = self.batch.borrow_mut();
        if batch.spans == 0 {
            return;
        }
        let full = std::mem::replace(&mut *batch, Batch::empty());
        let sent = self.outlet.try_send(full);
        if let Err(TrySendError::Full(mut lost) | TrySendError::Closed(mut lost)) = sent {
            self.tally.add_many(Count::Unexported, lost.spans);
            self.untold.set(self.untold.get() + lost.spans);
            lost.bytes.clear();
            *batch = Batch { spans: 0, ..lost };
        }
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        self.flush();
        self.tell_drops();
    }
}

//! One thread's side of the access log: the batch that its lines go into.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::calendar::Calendar;
use super::writer::{Batch, Message, Outlet};
use super::{LogFormat, combined, json};
use crate::clock::Instant;
use crate::http1::TraceId;
use crate::proxy::counters::{Count, Tally};
use crate::proxy::trail::{Asked, Ended};

/// Bytes of a batch: some hundred lines, so that waking the writer and its system call cost each
/// of them next to nothing, in memory that stays in the processor's cache.
pub(super) const BATCH_BYTES: usize = 32 * 1024;

/// Room that is left in a batch for its last line, which is seldom longer. One that is makes the
/// batch grow.
const LINE_BYTES: usize = 2 * 1024;

/// How long a line may wait for others: whoever looks at the log does not notice.
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// The lines of one thread.
#[derive(Debug)]
pub(in crate::proxy) struct Lines {
    outlet: Outlet,
    calendar: RefCell<Calendar>,
    batch: RefCell<Batch>,
    /// The first line of a batch was added.
    begun: Notify,
    tally: Arc<Tally>,
    /// Lines that were dropped and the operator was not told of.
    untold: Cell<u64>,
}

impl Lines {
    /// Lines that go to this outlet; those that are dropped are counted.
    pub(in crate::proxy) fn new(outlet: Outlet, tally: Arc<Tally>) -> Self {
        let batch = Batch::new(outlet.thread, Vec::with_capacity(BATCH_BYTES));
        Self {
            calendar: RefCell::new(Calendar::new(outlet.format)),
            outlet,
            batch: RefCell::new(batch),
            begun: Notify::new(),
            tally,
            untold: Cell::new(0),
        }
    }

    /// Writes what is known of a request when it has been read; returns where in it goes what is
    /// known at the end.
    pub(in crate::proxy) fn write_asked(
        &self,
        out: &mut Vec<u8>,
        at: Instant,
        asked: &Asked<'_>,
        trace: Option<TraceId>,
    ) -> usize {
        let mut calendar = self.calendar.borrow_mut();
        match self.outlet.format {
            LogFormat::Json => {
                out.extend_from_slice(json::START);
                calendar.push(out, at);
                json::push_asked(out, asked, trace);
                out.len()
            }
            LogFormat::Combined => {
                combined::push_client(out, asked);
                calendar.push(out, at);
                combined::push_asked(out, asked)
            }
        }
    }

    /// Adds the line of a request that has ended.
    pub(in crate::proxy) fn add(&self, (before, after): (&[u8], &[u8]), ended: &Ended<'_>) {
        let mut batch = self.batch.borrow_mut();
        if batch.lines == 0 {
            self.begun.notify_one();
        }
        batch.lines += 1;
        let out = &mut batch.bytes;
        out.extend_from_slice(before);
        match self.outlet.format {
            LogFormat::Json => json::push_ended(out, ended),
            LogFormat::Combined => combined::push_ended(out, ended),
        }
        out.extend_from_slice(after);
        if out.len() > BATCH_BYTES - LINE_BYTES {
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

    /// Tells the operator of lines that were dropped. Called once a second.
    pub(in crate::proxy) fn tell_drops(&self) {
        let (thread, dropped) = (self.outlet.thread, self.untold.take());
        if dropped > 0 {
            tracing::warn!(thread, dropped, "the access log is not written as fast as it grows");
        }
    }

    /// Hands the batch to the writer; if its queue is full, it is dropped and counted.
    fn flush(&self) {
        let mut batch = self.batch.borrow_mut();
        if batch.lines == 0 {
            return;
        }
        let Outlet { thread, queue, spares, .. } = &self.outlet;
        let spare = spares.try_recv().unwrap_or_else(|_| Vec::with_capacity(BATCH_BYTES));
        let full = std::mem::replace(&mut *batch, Batch::new(*thread, spare));
        let sent = queue.try_send(Message::Batch(full));
        if let Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) = sent
            && let Message::Batch(lost) = back
        {
            self.tally.add_many(Count::Unlogged, lost.lines);
            self.untold.set(self.untold.get() + lost.lines);
            batch.bytes = lost.into_memory();
        }
    }
}

impl Drop for Lines {
    /// The thread ends: nothing waits for it any more, so it can wait for the writer, which writes
    /// or drops what is before it within its patience.
    fn drop(&mut self) {
        self.tell_drops();
        let (thread, batch) = (self.outlet.thread, self.batch.get_mut());
        if batch.lines > 0 {
            let last = std::mem::replace(batch, Batch::new(thread, Vec::new()));
            let lines = last.lines;
            if self.outlet.queue.send(Message::Batch(last)).is_err() {
                self.tally.add_many(Count::Unlogged, lines);
                tracing::error!(thread, "the thread that writes the access log has ended");
            }
        }
    }
}

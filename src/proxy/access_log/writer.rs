//! The thread that writes the access log of all threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle, park_timeout};
use std::time::Duration;

use super::file::{Cut, LogFile};
use super::{AccessLog, LogFormat};
use crate::clock::{self, Instant};
use crate::proxy::counters::{Count, Tally};

/// Batches that may wait, of all threads: 8 MiB, a quarter of a second of a hundred thousand
/// requests a second, which is longer than a disk usually pauses.
const QUEUE_MAX: usize = 256;

/// How long the writer sleeps after it has written all there was. So it is not woken for each batch
/// of a busy thread: two switches of context cost as much as writing thirty lines.
const PAUSE: Duration = Duration::from_millis(10);

/// Memory of written batches that is kept for each thread: what a hundred thousand requests a
/// second fill during a pause.
const SPARES_MAX: usize = 16;

/// How long a pipe or a terminal may keep a batch waiting before the rest of it is dropped, and how
/// long it is waited for at the end, in all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines of one thread, all of them whole.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) thread: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// What the writer is sent.
#[derive(Debug)]
pub(super) enum Message {
    Batch(Batch),
    /// There is a wish to look at.
    Wake,
}

/// What the owner of the engine wants of the writer.
#[derive(Debug, Default)]
struct Wishes {
    reopen: AtomicBool,
    close: AtomicBool,
}

/// The writer as the owner of the engine sees it. Dropping it writes what is left, and joins it.
#[derive(Debug)]
pub(in crate::proxy) struct Writer {
    queue: Option<SyncSender<Message>>,
    wishes: Arc<Wishes>,
    handle: Option<JoinHandle<()>>,
}

/// One thread's way to the writer.
#[derive(Debug)]
pub(in crate::proxy) struct Outlet {
    pub(super) thread: usize,
    pub(super) format: LogFormat,
    pub(super) queue: SyncSender<Message>,
    /// Memory of batches that were written.
    pub(super) spares: Receiver<Vec<u8>>,
}

/// The writer's own side.
struct Writing {
    file: LogFile,
    queue: Receiver<Message>,
    /// Where the memory of each thread's batches goes back to.
    spares: Vec<SyncSender<Vec<u8>>>,
    wishes: Arc<Wishes>,
    tally: Arc<Tally>,
    state: State,
    /// When the last of it has to be written, once that is known.
    deadline: Option<Instant>,
}

/// Whether lines can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    /// They could not the last time, and so many were dropped since.
    Failing {
        dropped: u64,
    },
}

impl Batch {
    pub(super) const fn new(thread: usize, bytes: Vec<u8>) -> Self {
        Self { thread, bytes, lines: 0 }
    }

    /// The memory, for another batch.
    pub(super) fn into_memory(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.clear();
        bytes
    }
}

impl Writer {
    /// Starts the thread, which counts in `tally` what it has written and what not. With it comes
    /// an outlet for each of the `threads`.
    pub(in crate::proxy) fn start(
        log: AccessLog,
        threads: usize,
        tally: Arc<Tally>,
    ) -> io::Result<(Self, Vec<Outlet>)> {
        let AccessLog { file, format } = log;
        let (queue, queued) = sync_channel(QUEUE_MAX);
        let outlet = |thread| {
            let (given, spares) = sync_channel(SPARES_MAX);
            (given, Outlet { thread, format, queue: queue.clone(), spares })
        };
        let (given, outlets): (Vec<_>, Vec<_>) = (0..threads).map(outlet).unzip();
        let wishes = Arc::new(Wishes::default());
        let writing = Writing {
            file,
            queue: queued,
            spares: given,
            wishes: Arc::clone(&wishes),
            tally,
            state: State::Well,
            deadline: None,
        };
        let handle = Builder::new().name("access-log".to_owned()).spawn(|| writing.run())?;
        Ok((Self { queue: Some(queue), wishes, handle: Some(handle) }, outlets))
    }

    /// Lines go to a new file of the same name from now on: the old one was moved away.
    pub(in crate::proxy) fn reopen(&self) {
        self.wishes.reopen.store(true, Relaxed);
        if let Some(queue) = &self.queue {
            // If it is full, the writer will see the wish all the same.
            let _ = queue.try_send(Message::Wake);
        }
        self.wake();
    }

    /// The end is near: whoever does not take lines is waited for once more.
    pub(in crate::proxy) fn hurry(&self) {
        self.wishes.close.store(true, Relaxed);
        self.wake();
    }

    /// Ends a pause.
    fn wake(&self) {
        self.handle.iter().for_each(|handle| handle.thread().unpark());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.hurry();
        self.queue = None;
        if self.handle.take().is_some_and(|handle| handle.join().is_err()) {
            tracing::error!("the thread that writes the access log panicked");
        }
    }
}

impl Writing {
    /// Writes until nobody is left who could send something.
    fn run(mut self) {
        while let Ok(message) = self.queue.recv() {
            self.take(message);
            while let Ok(message) = self.queue.try_recv() {
                self.take(message);
            }
            if !self.wishes.close.load(Relaxed) {
                park_timeout(PAUSE);
            }
        }
        if let State::Failing { dropped } = self.state {
            tracing::error!(dropped, "the access log ends without these lines");
        }
    }

    fn take(&mut self, message: Message) {
        if self.wishes.reopen.swap(false, Relaxed) {
            self.reopen();
        }
        let Message::Batch(batch) = message else { return };
        self.write(&batch);
        if let Some(spares) = self.spares.get(batch.thread) {
            // Refused, the thread has enough of it, or has ended.
            let _ = spares.try_send(batch.into_memory());
        }
    }

    fn write(&mut self, batch: &Batch) {
        let until = self.patience();
        let (written, error) = match self.file.write(&batch.bytes, until) {
            Ok(()) => (batch.lines, None),
            Err(Cut { written, error }) => (written.min(batch.lines), Some(error)),
        };
        let dropped = batch.lines - written;
        self.tally.add_many(Count::Logged, written);
        self.tally.add_many(Count::Unlogged, dropped);
        self.state = match (error, self.state) {
            (None, State::Well) => State::Well,
            (None, State::Failing { dropped }) => {
                tracing::info!(dropped, "the access log is written again");
                State::Well
            }
            (Some(error), State::Well) => {
                let path = self.file.path().display();
                tracing::error!(%error, "cannot write the access log `{path}`: lines are dropped");
                State::Failing { dropped }
            }
            (Some(_), State::Failing { dropped: before }) => {
                State::Failing { dropped: before + dropped }
            }
        };
    }

    /// Until when the file may keep the next batch waiting.
    fn patience(&mut self) -> Instant {
        let now = clock::now();
        if self.wishes.close.load(Relaxed) {
            self.deadline.get_or_insert(now + PATIENCE);
        }
        match self.state {
            State::Well => self.deadline.unwrap_or(now + PATIENCE),
            // It was waited for already: what comes meanwhile finds out in passing.
            State::Failing { .. } => now,
        }
    }

    fn reopen(&mut self) {
        let path = self.file.path().display().to_string();
        match self.file.reopen() {
            Ok(()) => tracing::info!("the access log `{path}` is opened anew"),
            Err(error) => tracing::error!(
                %error, "cannot open the access log `{path}` anew: lines go on to the old file"
            ),
        }
    }
}

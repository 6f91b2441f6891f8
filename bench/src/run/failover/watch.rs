//! A client of its own, which asks again and again who answers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Moment, pause};

/// Between two questions.
const ASK_INTERVAL: Duration = Duration::from_millis(2);

/// A subject that lets a question wait for longer has not sent it to anybody.
const PATIENCE: Duration = Duration::from_millis(250);

/// The running client.
pub(super) struct Watch {
    /// When each origin answered first, by the number of its process.
    first: Arc<Mutex<BTreeMap<u32, Moment>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(to: SocketAddr) -> Self {
        let (first, stop) = (Arc::<Mutex<_>>::default(), Arc::new(AtomicBool::new(false)));
        let (told, ends) = (Arc::clone(&first), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !ends.load(Relaxed) {
                if let Some(id) = who_answers(to) {
                    let now = Moment::now();
                    locked(&told).entry(id).or_insert(now);
                }
                pause(ASK_INTERVAL);
            }
        });
        Self { first, stop, thread: Some(thread) }
    }

    /// How many origins have answered.
    pub(super) fn seen(&self) -> usize {
        locked(&self.first).len()
    }

    /// For each kill, how long it took until a new origin answered; `None`: not before the next.
    pub(super) fn stop(self, kills: &[Moment]) -> Vec<Option<Duration>> {
        let first: Vec<Moment> = locked(&self.first).values().copied().collect();
        whole_again(kills, &first)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // It has nothing to say.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn whole_again(kills: &[Moment], first: &[Moment]) -> Vec<Option<Duration>> {
    let ends = kills.iter().skip(1).copied().chain([Moment::END]);
    let spans = kills.iter().zip(ends);
    spans
        .map(|(kill, end)| {
            let newcomer = first.iter().filter(|moment| (*kill..end).contains(moment)).min();
            newcomer.map(|moment| Duration::from_nanos(moment.nanos_since(*kill)))
        })
        .collect()
}

/// The process that a question led to.
fn who_answers(to: SocketAddr) -> Option<u32> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let question = format!("GET /who HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200 ").then(|| body.trim().parse().ok())?
}

fn locked(first: &Mutex<BTreeMap<u32, Moment>>) -> MutexGuard<'_, BTreeMap<u32, Moment>> {
    first.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_counts_for_the_kill_before_it() {
        let at = |seconds| Moment::START.after(Duration::from_secs(seconds));
        let found = whole_again(&[at(10), at(20), at(30)], &[at(1), at(2), at(3), at(12), at(35)]);
        assert_eq!(found, [Some(Duration::from_secs(2)), None, Some(Duration::from_secs(5))]);
    }
}

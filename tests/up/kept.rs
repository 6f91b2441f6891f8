//! The backend is killed again and again while many write with keys: whatever was answered is
//! there, and nothing twice, in either store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::backend::tasks;
use super::database::Postgres;
use super::system::{DEADLINE, Place, System, pid_in, signal};

/// Clients that write at the same time.
const WRITERS: usize = 8;

/// Writes that have to be answered between two kills.
const ANSWERED: usize = 40;

/// Times that the backend is killed in every run of the tests.
const KILLS: usize = 4;

/// Times that it is killed by `just kill-backend`.
const MANY_KILLS: usize = 100;

#[test]
fn every_answered_write_outlives_kills_in_sqlite() {
    kill_and_compare(KILLS, None);
}

#[test]
fn every_answered_write_outlives_kills_in_postgresql() {
    let Some(postgres) = Postgres::start_with(&[]) else { return };
    kill_and_compare(KILLS, Some(&postgres.url()));
}

#[test]
#[ignore = "it takes minutes; `just kill-backend` runs it"]
fn every_answered_write_outlives_a_hundred_kills_in_either_store() {
    kill_and_compare(MANY_KILLS, None);
    let Some(postgres) = Postgres::start_with(&[]) else { return };
    kill_and_compare(MANY_KILLS, Some(&postgres.url()));
}

/// Kills the backend so often, each time when writes were answered since; then compares.
fn kill_and_compare(kills: usize, store: Option<&str>) {
    let place = Place::new();
    let store = store.map_or_else(String::new, |url| format!("[backend]\nstore = \"{url}\"\n"));
    // Otherwise most of the time would be spent waiting for the next replacement to be allowed.
    let config = format!("{store}[fleet]\nreplacement_interval = \"10ms\"\n");
    let config = place.write("kept.toml", &config);
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    let writers = Writers::start(system.balancer);
    for _ in 0..kills {
        writers.await_answers();
        let status = system.await_status("serving", |status| status.backend.serving == 1);
        let pid = pid_in(&status, "backend-0");
        signal(pid, Signal::KILL);
        system.await_status("healed", |status| {
            status.backend.serving == 1 && pid_in(status, "backend-0") != pid
        });
    }
    let (answered, tries) = writers.stop();
    let found = tasks(system.balancer);
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    let missing: Vec<_> = answered.iter().filter(|text| !found.contains_key(*text)).collect();
    assert!(missing.is_empty(), "answered and not stored: {missing:?}");
    assert_eq!(found.len(), answered.len(), "each was repeated until it was answered");
    println!("{kills} kills: {} writes answered, in {tries} tries", answered.len());
}

/// Clients that write until they are stopped.
struct Writers {
    stopping: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    tries: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Writers {
    fn start(to: SocketAddr) -> Self {
        let [answered, tries] = [0, 0].map(|none| Arc::new(AtomicUsize::new(none)));
        let stopping = Arc::new(AtomicBool::new(false));
        let threads = (0..WRITERS).map(|writer| {
            let (stopping, answered, tries) =
                (Arc::clone(&stopping), Arc::clone(&answered), Arc::clone(&tries));
            thread::spawn(move || {
                let mut texts = Vec::new();
                while !stopping.load(SeqCst) {
                    let text = format!("w{writer}-{}", texts.len());
                    tries.fetch_add(add(to, &text), SeqCst);
                    answered.fetch_add(1, SeqCst);
                    texts.push(text);
                }
                texts
            })
        });
        let threads = threads.collect();
        Self { stopping, answered, tries, threads }
    }

    /// Waits until more writes are answered.
    fn await_answers(&self) {
        let (before, began) = (self.answered.load(SeqCst), Instant::now());
        while self.answered.load(SeqCst) < before + ANSWERED {
            assert!(began.elapsed() < DEADLINE, "no more writes are answered");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// The texts whose addition was answered, and how many tries that took.
    fn stop(self) -> (Vec<String>, usize) {
        self.stopping.store(true, SeqCst);
        let texts = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (texts, self.tries.load(SeqCst))
    }
}

/// Adds `text`, with itself as the key, and repeats that until it is answered as added. Says how
/// often it was sent.
fn add(to: SocketAddr, text: &str) -> usize {
    let began = Instant::now();
    for sent in 1.. {
        let answer = ureq::post(format!("http://{to}/tasks/"))
            .header("Idempotency-Key", text)
            .send_json(serde_json::json!({ "text": text }));
        match answer {
            Ok(_) => return sent,
            Err(error) => assert!(began.elapsed() < DEADLINE, "{text} is not added: {error}"),
        }
    }
    unreachable!("somebody would have stopped it")
}

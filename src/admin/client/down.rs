//! `down`: afterwards nothing runs that this state directory's `up` has started, whether it runs,
//! is stopping already, or was killed.

use std::time::Duration;

use super::call::{self, post};
use super::failure::Failure;
use super::orphans;
use super::place::Place;
use super::watch::Format;
use crate::clock;
use crate::state_dir::{self, Lock, StateDir};

/// How long an `up` that has the directory may be without an admin API: it starts, or it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take to stop: the requests in flight, then the processes. By default that is
/// 35 s; a configuration may allow more, and Ctrl-C ends the waiting.
const STOP_TIMEOUT: Duration = Duration::from_secs(600);

/// Between two looks at the lock. The kernel releases it without telling; nobody notices 20 ms.
const PAUSE: Duration = Duration::from_millis(20);

/// Stops the running `up`, if there is one; then ends what is left.
pub(super) fn everything(place: &Place, format: Format) -> Result<(), Failure> {
    let Some(dir) = place.used_dir() else {
        // Whoever names an address means an `up` that runs: it is not this directory's.
        if place.is_named() {
            place.token()?;
        }
        format.say(format_args!(
            "nothing to stop: no `cloudaps up` has used {}",
            place.path().display()
        ));
        return Ok(());
    };
    // Makes what a provider needs, and refuses a directory in which others may plant records.
    let dir = StateDir::open(dir.path())?;
    match dir.lock() {
        Err(state_dir::Error::Locked { pid, .. }) => {
            let began = clock::now();
            let lock = stop(place, &dir, (pid, format))?;
            // It has ended what it launched, unless it was killed meanwhile.
            orphans::end(lock, &place.file, format)?;
            let after = clock::now().since(began).as_secs_f64();
            format.say(format_args!("stopped, after {after:.1} s"));
        }
        lock => {
            let lock = lock?;
            format.say(format_args!("no `cloudaps up` is running in {}", dir.path().display()));
            if orphans::end(lock, &place.file, format)? == 0 {
                format.say("nothing of it is left to end");
            }
        }
    }
    Ok(())
}

/// Tells the `up` that has the directory to stop, and waits until it has.
fn stop(
    place: &Place,
    dir: &StateDir,
    (pid, format): (Option<u32>, Format),
) -> Result<Lock, Failure> {
    if let Some(lock) = tell(place, dir, (pid, format))? {
        return Ok(lock);
    }
    let deadline = clock::now() + STOP_TIMEOUT;
    while clock::now() < deadline {
        if let Some(lock) = try_lock(dir)? {
            return Ok(lock);
        }
        pause();
    }
    Err(Failure::StillStopping { holder: holder(pid), after: STOP_TIMEOUT })
}

/// Returns when `up` was told; with the lock, if it has ended before.
fn tell(
    place: &Place,
    dir: &StateDir,
    (pid, format): (Option<u32>, Format),
) -> Result<Option<Lock>, Failure> {
    let agent = call::agent();
    let deadline = clock::now() + PATIENCE;
    loop {
        let failure = match post(&agent, place, "/v1/down", None) {
            Ok(message) => {
                format.say(message);
                return Ok(None);
            }
            Err(failure) => failure,
        };
        if let Some(lock) = try_lock(dir)? {
            return Ok(Some(lock));
        }
        if !failure.may_pass() || clock::now() >= deadline {
            let (dir, source) = (dir.path().to_owned(), Box::new(failure));
            let number = pid.map_or_else(|| "its process".to_owned(), |pid| pid.to_string());
            return Err(Failure::Deaf { dir, holder: holder(pid), pid: number, source });
        }
        pause();
    }
}

fn try_lock(dir: &StateDir) -> Result<Option<Lock>, Failure> {
    match dir.lock() {
        Ok(lock) => Ok(Some(lock)),
        Err(state_dir::Error::Locked { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "pid unknown".to_owned(), |pid| format!("pid {pid}"))
}

#[expect(clippy::disallowed_methods, reason = "the release of the lock has no event to await")]
fn pause() {
    std::thread::sleep(PAUSE);
}

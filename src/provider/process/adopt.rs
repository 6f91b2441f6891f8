//! Goes through the launch records of the controller before us. Ends nothing.

use std::io;
use std::sync::Arc;

use rustix::process::Pid;

use super::launch::take_hold;
use super::leader::Leader;
use super::procfs::{self, State};
use super::record::{Identity, Record};
use super::{OpenError, Process, Shared};

/// Adopts what runs, keeps what has ended as gone, and drops intents that became no process.
pub(super) fn all(shared: &Arc<Shared>) -> Result<(), OpenError> {
    let dir = shared.config.lock.dir().records();
    let records_error = |source| OpenError::Records { path: dir.clone(), source };
    for record in shared.ledger.read().map_err(records_error)? {
        let instance = record.id();
        let process_error = |source| OpenError::Process { instance, source };
        match record.process.clone() {
            Some(identity) => {
                let found = find(&identity, &shared.boot).map_err(process_error)?;
                keep(shared, record, &identity, found);
            }
            None => match search(&record, &shared.boot).map_err(process_error)? {
                Some((identity, leader)) => {
                    let record = Record { process: Some(identity.clone()), ..record };
                    shared.complete(&record);
                    keep(shared, record, &identity, Some(leader));
                }
                None => {
                    tracing::info!(instance = %record.token, "dropped: it was never started");
                    shared.ledger.remove(&record.token).map_err(records_error)?;
                }
            },
        }
    }
    Ok(())
}

fn keep(shared: &Shared, record: Record, identity: &Identity, found: Option<Leader>) {
    let (slot, pid) = (record.slot, identity.pid);
    match found {
        Some(leader) => {
            tracing::info!(instance = %record.token, %slot, pid, "adopted");
            shared.watch(record, leader);
        }
        None => {
            let how = if identity.boot == shared.boot {
                "exited while no controller was running"
            } else {
                "ended with the machine, which was restarted"
            };
            tracing::info!(instance = %record.token, %slot, pid, how, "gone");
            shared.keep(record, Process::Missed(how));
        }
    }
}

/// The recorded process, if it still runs.
///
/// The pidfd is opened first and the start time is compared after: whatever had the number then
/// cannot have been replaced by an *older* process.
fn find(identity: &Identity, boot: &str) -> io::Result<Option<Leader>> {
    let Some(pid) = Pid::from_raw(identity.pid) else { return Ok(None) };
    if identity.boot != boot {
        return Ok(None);
    }
    let Some(leader) = Leader::open(pid)? else { return Ok(None) };
    let stat = procfs::stat(pid)?;
    let same =
        stat.is_some_and(|stat| stat.started == identity.started && stat.state != State::Ended);
    Ok(same.then_some(leader))
}

/// The process that an intent became: it leads its own group, unlike what it may have started.
fn search(record: &Record, boot: &str) -> io::Result<Option<(Identity, Leader)>> {
    let tagged = procfs::tagged(&record.token)?;
    let leads = |pid: &Pid, group: i32| group == pid.as_raw_pid();
    let Some((pid, stat)) = tagged.into_iter().find(|(pid, stat)| leads(pid, stat.group)) else {
        return Ok(None);
    };
    let Ok((identity, leader)) = take_hold(pid, boot) else { return Ok(None) };
    Ok((identity.started == stat.started).then_some((identity, leader)))
}

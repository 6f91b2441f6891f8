//! Ends an instance: its process, what that process left behind, and its record.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use rustix::process::{Pid, Signal};
use tokio::time::timeout;

use super::leader::Leader;
use super::{Entry, Error, Fault, InstanceId, Process, Shared, locked, remnants};

/// How long a killed process gets to disappear. Only one that is stuck in the kernel (a dead disk,
/// a dead NFS server) takes longer than milliseconds.
const KILLED_WAIT: Duration = Duration::from_secs(10);

impl Shared {
    pub(super) async fn end(self: &Arc<Self>, id: &InstanceId) -> Result<(), Error> {
        let wanted = id.clone();
        let entry = self.blocking(move |shared| shared.settled(&wanted)).await?;
        let Some(entry) = entry else { return Ok(()) };
        if let Process::Held(leader) = &entry.process {
            self.stop(leader).await.map_err(|error| failed(id, error))?;
        }
        let cleared = self.blocking(move |shared| shared.clear(&entry)).await?;
        cleared.map_err(|error| failed(id, error))
    }

    /// The instance, after any launch that is under way: it may be the one that makes it.
    fn settled(&self, id: &InstanceId) -> Option<Entry> {
        let _launch = locked(&self.ports);
        self.entry(id)
    }

    /// Asks the process to end, insists after the grace, and returns when it is gone.
    ///
    /// A *stopped* process (`SIGSTOP`) is killed as it is. It would act on `SIGTERM` only after a
    /// `SIGCONT`, and would then also carry out the requests that reached it before it stopped:
    /// they were answered by another instance long ago, and an old PUT would undo a newer one.
    async fn stop(&self, leader: &Leader) -> io::Result<()> {
        if !leader.is_stopped()? {
            leader.signal_group(Signal::TERM)?;
            if let Ok(ended) = timeout(self.config.grace, leader.ended()).await {
                return ended.map(drop);
            }
        }
        leader.signal_group(Signal::KILL)?;
        match timeout(KILLED_WAIT, leader.ended()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it survives SIGKILL")),
        }
    }

    /// Forgets an instance whose process is gone. The record goes last: until then, a controller
    /// that is killed here leaves the next one enough to finish.
    fn clear(&self, entry: &Entry) -> io::Result<()> {
        let record = &entry.record;
        let leader = record.process.as_ref().and_then(|process| Pid::from_raw(process.pid));
        leader.map_or(Ok(()), |leader| remnants::end(&record.token, leader))?;
        self.ledger.remove(&record.token)?;
        locked(&self.entries).remove(&record.id());
        let kept = self.entries().iter().map(|entry| entry.record.token.clone()).collect();
        if let Err(error) = self.logs.prune(&kept) {
            tracing::warn!(%error, "old logs could not be removed");
        }
        Ok(())
    }
}

fn failed(id: &InstanceId, error: io::Error) -> Error {
    Error::new(Fault::Unavailable, anyhow!(error).context(format!("cannot end {id}")))
}

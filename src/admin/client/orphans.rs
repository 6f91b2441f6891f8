//! Ends what an `up` that was killed left running.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::failure::Failure;
use super::watch::Format;
use crate::config::{self, Config, File, Machines};
use crate::fleet::{Group, Instance};
use crate::provider::process::{self, Workload};
use crate::provider::{self, Provider};
#[cfg(feature = "ec2")]
use crate::provider::{Fault, ec2};
use crate::state_dir::{Lock, TokenName};

/// How many are ended at once: as many as the controller launches at once.
const ENDING_MAX: usize = 64;

/// Ends everything that is recorded in the directory, or that the file's fleet has on a cloud, and
/// forgets where its API was. Says how many it ended.
pub(super) fn end(lock: Lock, file: &File, format: Format) -> Result<usize, Failure> {
    let dir = lock.dir().clone();
    dir.forget_admin_address()?;
    let provider = Config::new(file, None)?.provider;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Start)?;
    runtime.block_on(async {
        match provider {
            config::Provider::Process(processes) => {
                end_processes(lock, Some(processes.stop_timeout), format).await
            }
            config::Provider::Static(_) => end_processes(lock, None, format).await,
            config::Provider::Ec2(machines) => end_machines(&lock, &machines, format).await,
        }
    })
}

/// What would be run does not matter, for nothing is launched; how long it may take to stop does.
async fn end_processes(
    lock: Lock,
    grace: Option<Duration>,
    format: Format,
) -> Result<usize, Failure> {
    let control_token = lock.dir().token(TokenName::Control)?;
    let forwarder = Workload::Forwarder { config: None, threads: 1, traces: None };
    let mut config = process::Config::new(Arc::new(lock), control_token, forwarder, None);
    config.grace = grace.unwrap_or(config.grace);
    // Whoever listens to notices wants to replace what ended; nobody does here.
    let (notices, _) = mpsc::channel(1);
    let provider = Arc::new(process::Provider::open(config, notices)?);
    let ended = end_all(&provider, format).await;
    provider.close().await;
    ended
}

#[cfg(feature = "ec2")]
async fn end_machines(lock: &Lock, machines: &Machines, format: Format) -> Result<usize, Failure> {
    let control_token = lock.dir().token(TokenName::Control)?;
    let opened = ec2::Provider::open(machines.provider(control_token)).await;
    let unavailable = |error| Failure::List(provider::Error::new(Fault::Unavailable, error));
    let provider = Arc::new(opened.map_err(unavailable)?);
    let ended = end_all(&provider, format).await;
    provider.close().await;
    ended
}

/// The configuration lets nobody come here.
#[cfg(not(feature = "ec2"))]
async fn end_machines(_: &Lock, _: &Machines, _: Format) -> Result<usize, Failure> {
    Ok(0)
}

/// The instances first: what they relay to must outlive them.
async fn end_all<P: Provider>(provider: &Arc<P>, format: Format) -> Result<usize, Failure> {
    let found = provider.list().await.map_err(Failure::List)?;
    let (mut ended, mut left) = (0, 0);
    for group in [Group::Instances, Group::Backend] {
        let members: Vec<&Instance> =
            found.iter().filter(|instance| instance.slot.group == group).collect();
        for some in members.chunks(ENDING_MAX) {
            let failed = end_some(provider, some, format).await;
            left += failed;
            ended += some.len() - failed;
        }
    }
    if left == 0 { Ok(ended) } else { Err(Failure::Left(left)) }
}

/// Ends these, all at once; says how many could not be.
async fn end_some<P: Provider>(provider: &Arc<P>, some: &[&Instance], format: Format) -> usize {
    let mut endings = JoinSet::new();
    for instance in some {
        endings.spawn(end_one(Arc::clone(provider), (*instance).clone(), format));
    }
    endings.join_all().await.into_iter().filter(Result::is_err).count()
}

async fn end_one<P: Provider>(
    provider: Arc<P>,
    instance: Instance,
    format: Format,
) -> Result<(), provider::Error> {
    let Instance { id, slot, label, .. } = &instance;
    let outcome = provider.terminate(id).await;
    match &outcome {
        Ok(()) => format.say(format_args!("ended {slot} ({label})")),
        Err(error) => eprintln!("cloudaps down: {slot} ({label}): {error}"),
    }
    outcome
}

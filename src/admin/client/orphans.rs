//! Ends what an `up` that was killed left running.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::failure::Failure;
use super::watch::Format;
use crate::config::{self, Config, File};
use crate::fleet::{Group, Instance};
use crate::provider::process::{self, Workload};
use crate::provider::{self, Provider};
use crate::state_dir::{Lock, TokenName};

/// How many are ended at once: as many as the controller launches at once.
const ENDING_MAX: usize = 64;

/// Ends everything that is recorded in the directory, and forgets where its API was. Says how many
/// it ended.
pub(super) fn end(lock: Lock, file: &File, format: Format) -> Result<usize, Failure> {
    let dir = lock.dir().clone();
    dir.forget_admin_address()?;
    let config = provider_config(lock, file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Start)?;
    runtime.block_on(async {
        // Whoever listens to notices wants to replace what ended; nobody does here.
        let (notices, _) = mpsc::channel(1);
        let provider = Arc::new(process::Provider::open(config, notices)?);
        let ended = end_all(&provider, format).await;
        provider.close().await;
        ended
    })
}

/// What would be run does not matter, for nothing is launched; how long it may take to stop does.
fn provider_config(lock: Lock, file: &File) -> Result<process::Config, Failure> {
    let control_token = lock.dir().token(TokenName::Control)?;
    let forwarder = Workload::Forwarder { config: None, threads: 1 };
    let mut config = process::Config::new(Arc::new(lock), control_token, forwarder, None);
    if let config::Provider::Process(processes) = Config::new(file, None)?.provider {
        config.grace = processes.stop_timeout;
    }
    Ok(config)
}

/// The instances first: what they relay to must outlive them.
async fn end_all(provider: &Arc<process::Provider>, format: Format) -> Result<usize, Failure> {
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
async fn end_some(provider: &Arc<process::Provider>, some: &[&Instance], format: Format) -> usize {
    let mut endings = JoinSet::new();
    for instance in some {
        endings.spawn(end_one(Arc::clone(provider), (*instance).clone(), format));
    }
    endings.join_all().await.into_iter().filter(Result::is_err).count()
}

async fn end_one(
    provider: Arc<process::Provider>,
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

//! Role `up`: puts the whole system together, runs it until it is told to stop, and takes it
//! apart in the reverse order.
//!
//! What can be refused is refused first: the configuration before any port is bound, a taken port
//! before anything is launched.

mod annals;
mod screen;
mod signals;
mod system;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;

use crate::cli::{Misuse, UpArgs};
use crate::clock;
use crate::config::{self, Chaos, Config, LogTarget, Machines, Processes};
#[cfg(feature = "ec2")]
use crate::provider::ec2;
use crate::provider::sabotage::{Sabotage, Sabotaged};
use crate::provider::{Notice, Provider, fixed, process};
use crate::proxy::{AccessLog, Engine, Teller, Traces, raise_descriptor_limit};
use crate::state_dir::{self, Lock, StateDir, TokenName};
pub use screen::Screen;

/// What the provider noticed and the controller has not heard yet. A fleet of 1,000 that dies at
/// once fits; a provider that finds it full waits.
const NOTICES_MAX: usize = 1024;

/// How long a predecessor that was killed may take to be gone: the kernel closes its files within
/// milliseconds, on a busy machine within some hundred.
const DYING_MAX: Duration = Duration::from_millis(500);

/// Between two looks at the lock, whose release has no event to await.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What is bound and locked before anything is launched.
struct Ground {
    lock: Arc<Lock>,
    engine: Engine,
    admin: TcpListener,
    sabotage: Option<Arc<Sabotage>>,
}

/// Runs the system until it is told to stop.
///
/// # Errors
/// A port is taken, the state directory is in use, or the system refused something we need.
pub fn run(args: &UpArgs, screen: &Screen) -> anyhow::Result<ExitCode> {
    let config = Config::load(args).map_err(|error| Misuse(error.to_string()))?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(up(&config, screen))
}

async fn up(config: &Config, screen: &Screen) -> anyhow::Result<ExitCode> {
    let ground = Ground::prepare(config).await?;
    let (noticed, notices) = mpsc::channel(NOTICES_MAX);
    match &config.provider {
        config::Provider::Static(endpoints) => {
            let provider = Arc::new(fixed::Provider::new(endpoints)?);
            system::run(config, ground, provider, notices, screen).await
        }
        config::Provider::Process(processes) => {
            let provider = Arc::new(open(processes, &ground.lock, noticed)?);
            let code = run_processes(config, ground, &provider, notices, screen).await?;
            end_at_once(&provider).await;
            provider.close().await;
            Ok(code)
        }
        config::Provider::Ec2(machines) => {
            run_machines(config, ground, machines, notices, screen).await
        }
    }
}

#[cfg(feature = "ec2")]
async fn run_machines(
    config: &Config,
    ground: Ground,
    settings: &Machines,
    notices: mpsc::Receiver<Notice>,
    screen: &Screen,
) -> anyhow::Result<ExitCode> {
    let token = ground.lock.dir().token(TokenName::Control)?;
    let opened = ec2::Provider::open(settings.provider(token)).await;
    let provider = Arc::new(opened.context("cannot launch machines on EC2")?);
    let code = system::run(config, ground, Arc::clone(&provider), notices, screen).await?;
    provider.close().await;
    Ok(code)
}

/// The configuration lets nobody come here.
#[cfg(not(feature = "ec2"))]
async fn run_machines(
    _: &Config,
    _: Ground,
    _: &Machines,
    _: mpsc::Receiver<Notice>,
    _: &Screen,
) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this cloudaps was built without provider \"ec2\"")
}

/// Puts the sabotage between the controller and the provider, if there may be any.
async fn run_processes(
    config: &Config,
    ground: Ground,
    provider: &Arc<process::Provider>,
    notices: mpsc::Receiver<Notice>,
    screen: &Screen,
) -> anyhow::Result<ExitCode> {
    let provider = Arc::clone(provider);
    match ground.sabotage.clone() {
        None => system::run(config, ground, provider, notices, screen).await,
        Some(sabotage) => {
            tracing::warn!("--allow-chaos: `cloudaps chaos` may break this controller");
            let provider = Arc::new(Sabotaged::new(provider, sabotage));
            system::run(config, ground, provider, notices, screen).await
        }
    }
}

/// Nothing is left after an orderly stop. After a hasty one this kills what is, and returns when
/// it is gone; what cannot be ended is still on record, for the next `up` or `down`.
async fn end_at_once(provider: &process::Provider) {
    provider.kill_all();
    let left = provider.list().await.unwrap_or_default();
    for instance in left {
        if let Err(error) = provider.terminate(&instance.id).await {
            tracing::warn!("{}: {} could not be ended: {error}", instance.slot, instance.label);
        }
    }
}

impl Ground {
    async fn prepare(config: &Config) -> anyhow::Result<Self> {
        let lock = Arc::new(lock(&StateDir::open(&config.state_dir)?).await?);
        let (access_log, traces) = (open_log(config)?, open_traces(config)?);
        let engine = Engine::bind(config.listen, config.proxy.clone()).context(
            "the balancer needs another address: --listen ADDR, or `listen` in the file",
        )?;
        let engine = access_log.into_iter().fold(engine, Engine::log_to);
        let engine = traces.into_iter().fold(engine, Engine::trace_to);
        let admin = bind_admin(config)
            .context("the admin API needs another address: --admin ADDR, or `admin` in the file")?;
        let sabotage = (config.chaos == Chaos::Allowed).then(Arc::default);
        Ok(Self { lock, engine, admin, sabotage })
    }
}

/// Takes the state directory; from one that is just being killed, as soon as it is dead.
async fn lock(dir: &StateDir) -> Result<Lock, state_dir::Error> {
    let deadline = clock::now() + DYING_MAX;
    loop {
        match dir.lock() {
            Err(state_dir::Error::Locked { .. }) if clock::now() < deadline => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            result => return result,
        }
    }
}

/// What cannot be logged to was not meant: it is refused like any other setting.
fn open_log(config: &Config) -> anyhow::Result<Option<AccessLog>> {
    let Some(LogTarget { path, format }) = &config.access_log else { return Ok(None) };
    let opened = AccessLog::open(path, *format).map_err(anyhow::Error::new);
    let refusal = |error| Misuse(format!("`proxy.access_log`: {error:#}"));
    Ok(Some(opened.map_err(refusal)?))
}

/// The same of a collector that cannot be trusted.
fn open_traces(config: &Config) -> anyhow::Result<Option<Traces>> {
    let Some(settings) = config.traces.clone() else { return Ok(None) };
    let traces = Traces::new(settings, &Teller { role: "balancer", instance: None });
    Ok(Some(traces.map_err(|error| Misuse(format!("`traces.endpoint`: {error}")))?))
}

fn bind_admin(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.admin;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn open(
    processes: &Processes,
    lock: &Arc<Lock>,
    noticed: mpsc::Sender<Notice>,
) -> anyhow::Result<process::Provider> {
    let Processes { instances, backend, stop_timeout } = processes.clone();
    let token = lock.dir().token(TokenName::Control)?;
    let shipped = process::Config::new(Arc::clone(lock), token, instances, backend);
    let settings = process::Config { grace: stop_timeout, ..shipped };
    Ok(process::Provider::open(settings, noticed)?)
}

//! Role `forward`: the catch-all on each instance, which relays every request to one more server,
//! or to whichever of several has the fewest in flight.
//!
//! It is the balancer's engine with a pool of its own. Its answers about itself are given on a
//! listener of their own, so that no request of a user can be taken for one to us, and asking for
//! its health never touches the server behind it.

mod backends;
mod control;
mod notice;
mod target;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use self::backends::Backends;
use self::control::Control;
pub use self::target::{ParseTargetError, Target};
use crate::address::Address;
use crate::cli::{ForwardArgs, LogFormatKind, Misuse};
use crate::http1::Forwarding;
use crate::proxy::{
    AccessLog, Affinity, BodyRate, Engine, Inbound, Limits, LogFormat, Running, Settings, Teller,
    TraceSettings, Traces, raise_descriptor_limit,
};

/// How long requests in flight have to end after the first SIGTERM: less than the 5 s after which
/// `up` kills the process by default (`fleet.stop_timeout`), so that it can end in order.
const GRACE: Duration = Duration::from_secs(4);

/// Forwards until a signal says to stop. The first one drains, a second one stops at once.
///
/// # Errors
///
/// [`Misuse`] if `--to` names no server; otherwise an address is taken, or the system refuses what
/// is needed to run.
pub fn run(
    args: &ForwardArgs,
    settings: &Settings,
    traces: Option<TraceSettings>,
) -> anyhow::Result<ExitCode> {
    let traces = traces.map(|traces| open_traces(args, traces)).transpose()?;
    let to = args.to.iter().map(|url| resolve(url)).collect::<Result<Vec<_>, _>>()?;
    let threads = args.threads.map_or(settings.threads, |threads| threads as usize);
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The balancer, which reads the same file, is the only client: it has written down who its own
    // are, and sees to how many there are and how slow.
    let inbound = Inbound { connections_per_client: usize::MAX, ..Inbound::default() };
    let limits = Limits { body_rate: BodyRate::OFF, ..settings.limits };
    // Who comes back to whom is the balancer's to say, and so is the cookie.
    let affinity = Affinity::default();
    let forwarding = Forwarding::Append;
    let settings = Settings { threads, forwarding, inbound, limits, affinity, ..*settings };
    runtime.block_on(forward(args, (settings, traces), to))
}

/// The address behind `--to`.
fn resolve(url: &str) -> Result<SocketAddr, Misuse> {
    let misuse = |error| Misuse(format!("--to `{url}`: {error}"));
    let target: Target = url.parse().map_err(misuse)?;
    target.resolve().map_err(misuse)
}

/// The address behind `--metadata`.
fn resolve_metadata(url: &str) -> Result<Address, Misuse> {
    let misuse = |error| Misuse(format!("--metadata `{url}`: {error}"));
    let target: Target = url.parse().map_err(misuse)?;
    target.resolve().map(Address::from).map_err(misuse)
}

async fn forward(
    args: &ForwardArgs,
    (settings, traces): (Settings, Option<Traces>),
    to: Vec<SocketAddr>,
) -> anyhow::Result<ExitCode> {
    let metadata = args.spot.then(|| resolve_metadata(&args.metadata)).transpose()?;
    // Before the addresses are known to anybody: whoever reads them may send a signal at once.
    let mut signals = Signals::listen()?;
    let access_log = open_log(args)?;
    let engine = Engine::bind(args.listen, settings).context("--listen takes another address")?;
    let engine = access_log.into_iter().fold(engine, Engine::log_to);
    let engine = traces.into_iter().fold(engine, Engine::trace_to);
    let control = match args.control {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let backends = Arc::new(Backends::new(engine.threads(), to.iter().copied()));
    // Whoever tells us where the backends are watches them, so nobody reads the reports.
    let (reports, _) = mpsc::channel(1);
    let running = engine.start(backends.subscribe(), reports)?;
    announce(&running, &to, control.as_ref())?;
    let reopening = async {
        loop {
            signals.reopen.recv().await;
            running.reopen_log();
        }
    };
    let leaving = Arc::new(AtomicBool::new(false));
    let noticing = async {
        match metadata {
            Some(metadata) => notice::watch(metadata, Arc::clone(&leaving)).await,
            None => std::future::pending().await,
        }
    };
    let controlled = async {
        match control {
            None => std::future::pending().await,
            Some(listener) => {
                let (backends, leaving) = (Arc::clone(&backends), Arc::clone(&leaving));
                let control = Control::new(args, backends, leaving, running.meter());
                control.serve(listener).await
            }
        }
    };
    let ended = tokio::select! {
        () = signals.stops.next() => ExitCode::SUCCESS,
        served = controlled => {
            served.context("the control listener failed")?;
            ExitCode::SUCCESS
        }
        // Whoever watches over us starts another one; without ending we would be healthy to them.
        () = running.broken() => ExitCode::FAILURE,
        () = reopening => ExitCode::SUCCESS,
        never = noticing => match never {},
    };
    tokio::select! {
        biased;
        () = running.drain(GRACE) => Ok(ended),
        () = signals.stops.next() => Ok(ExitCode::FAILURE),
    }
}

/// A log that cannot be opened was not meant.
fn open_log(args: &ForwardArgs) -> anyhow::Result<Option<AccessLog>> {
    let Some(path) = &args.access_log else { return Ok(None) };
    let format = match args.access_log_format {
        LogFormatKind::Json => LogFormat::Json,
        LogFormatKind::Combined => LogFormat::Combined,
    };
    let opened = AccessLog::open(path, format).map_err(anyhow::Error::new);
    Ok(Some(opened.map_err(|error| Misuse(format!("--access-log: {error:#}")))?))
}

/// A collector that cannot be trusted was not meant.
fn open_traces(args: &ForwardArgs, settings: TraceSettings) -> Result<Traces, Misuse> {
    let teller = Teller { role: "forwarder", instance: args.instance.clone() };
    Traces::new(settings, &teller).map_err(|error| Misuse(format!("the collector: {error}")))
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listening = TcpListener::bind(address).await;
    listening
        .with_context(|| format!("cannot listen on {address}; --control takes another address"))
}

/// One line, once requests are taken; scripts read the addresses from it.
fn announce(running: &Running, to: &[SocketAddr], control: Option<&TcpListener>) -> io::Result<()> {
    let to: Vec<String> = to.iter().map(|to| format!("http://{to}")).collect();
    let to = if to.is_empty() { "a backend not yet known".to_owned() } else { to.join(", ") };
    let control = match control {
        Some(listener) => format!(", control http://{}", listener.local_addr()?),
        None => String::new(),
    };
    let listening = running.local_addr();
    // Nobody has to read it: a closed standard output is no reason not to forward.
    let _ = writeln!(io::stdout(), "forward: listening on http://{listening}, to {to}{control}");
    Ok(())
}

/// The signals that are listened to.
struct Signals {
    stops: Stops,
    /// SIGUSR1: the access log was moved away.
    reopen: Signal,
}

/// The signals that ask to stop.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let stops = Stops { terminate, interrupt };
        Ok(Self { stops, reopen: signal(SignalKind::user_defined1())? })
    }
}

impl Stops {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

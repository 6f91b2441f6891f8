//! The running system: the data plane on its own threads; the control loop, the admin API and the
//! screen on this one. Stopping goes the way of the traffic: the balancer drains, then the
//! instances end, then the backend.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::annals::Annals;
use super::screen::Addresses;
use super::signals::{Signals, Wish};
use super::{Ground, Screen};
use crate::admin;
use crate::config::{Config, End};
use crate::controller::{Balancing, Command, Controller, Settings, Sources};
use crate::exposition;
use crate::pool::Secret;
use crate::provider::{Notice, Provider};
use crate::proxy::Running;
use crate::recorder::Recorder;
use crate::state_dir::{Lock, TokenName};

/// What the data plane found and the controller has not heard yet. A failure that finds it full
/// is dropped: the endpoint is ejected already, and the next failure says it again.
const REPORTS_MAX: usize = 1024;

/// What the operator asked for and the controller has not heard yet. People are slow.
const COMMANDS_MAX: usize = 64;

/// Everything that runs, and how to stop it.
struct System {
    balancer: Running,
    commands: mpsc::Sender<Command>,
    /// The control loop; it ends when all instances have.
    controller: JoinHandle<()>,
    /// What only serves people: ended last, when everybody can see how the stop went.
    attendants: JoinSet<()>,
    /// Ends the attendants.
    done: CancellationToken,
    down: CancellationToken,
    lock: Arc<Lock>,
}

/// Runs the system until a signal or the operator stops it.
pub(super) async fn run<P: Provider>(
    config: &Config,
    ground: Ground,
    provider: Arc<P>,
    notices: mpsc::Receiver<Notice>,
    screen: &Screen,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut system = System::start(config, ground, provider, notices, screen)?;
    let end = system.serve(&mut signals, config.on_signal).await?;
    tokio::select! {
        done = system.stop(config, end) => done.map(|()| ExitCode::SUCCESS),
        () = signals.stop() => {
            tracing::warn!("stopped at once");
            Ok(ExitCode::FAILURE)
        }
    }
}

impl System {
    fn start<P: Provider>(
        config: &Config,
        ground: Ground,
        provider: Arc<P>,
        notices: mpsc::Receiver<Notice>,
        screen: &Screen,
    ) -> anyhow::Result<Self> {
        let Ground { lock, engine, admin, sabotage } = ground;
        let (reported, reports) = mpsc::channel(REPORTS_MAX);
        let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
        let down = CancellationToken::new();
        let (annals, incidents) = Annals::open(lock.dir());
        let settings = settings(config, &lock, engine.threads(), down.clone())?;
        let settings = Settings { incidents, ..settings };
        let sources = Sources { notices, reports, commands: commanded };
        let controller = Controller::new(config.spec.clone(), settings, provider, sources);
        let status = controller.status();
        let balancer = engine.start(controller.pool(), reported)?;
        let recorder = Recorder::new(balancer.meter(), controller.accounts());
        let counted = exposition::Sources {
            meter: balancer.meter(),
            accounts: controller.accounts(),
            counting: controller.counting(),
            status: status.clone(),
        };

        let addresses = Addresses {
            balancer: balancer.local_addr(),
            admin: admin.local_addr()?,
            state_dir: lock.dir().path().to_owned(),
            on_signal: config.on_signal,
        };
        lock.dir().set_admin_address(addresses.admin)?;
        let service = admin::Service {
            access: admin::Access::new(lock.dir())?,
            status: status.clone(),
            incidents: controller.incidents(),
            meter: balancer.meter(),
            counted,
            recording: recorder.recording(),
            sabotage,
            commands: commands.clone(),
            balancer: addresses.balancer,
            hosts: config.admin_hosts.clone(),
            settings: config.shown.clone(),
        };
        let (done, mut attendants) = (CancellationToken::new(), JoinSet::new());
        let admin = admin::serve(TcpListener::from_std(admin)?, service, done.clone());
        attendants.spawn(async move {
            if let Err(error) = admin.await {
                tracing::error!("the admin API failed: {error}");
            }
        });
        let show = screen.clone().follow(status, addresses);
        let show = done.clone().run_until_cancelled_owned(show);
        attendants.spawn(async move {
            show.await;
        });
        let record = done.clone().run_until_cancelled_owned(recorder.run());
        attendants.spawn(async move {
            record.await;
        });
        attendants.spawn(annals.follow(controller.incidents()));
        let controller = spawn_controller(controller.run());
        Ok(Self { balancer, commands, controller, attendants, done, down, lock })
    }

    /// Returns when it is to be stopped, with what is to stop.
    async fn serve(&mut self, signals: &mut Signals, on_signal: End) -> anyhow::Result<End> {
        loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::Reopen => self.balancer.reopen_log(),
                    Wish::Stop => {
                        tracing::info!("stopping {on_signal}; a second signal stops at once");
                        return Ok(on_signal);
                    }
                },
                () = self.down.cancelled() => return Ok(End::Everything),
                () = self.balancer.broken() => anyhow::bail!("the balancer takes no connections"),
                ended = &mut self.controller => {
                    ended.context("the control loop failed")?;
                    anyhow::bail!("the control loop ended by itself");
                }
            }
        }
    }

    async fn stop(self, config: &Config, end: End) -> anyhow::Result<()> {
        let Self { balancer, commands, controller, attendants, done, lock, .. } = self;
        balancer.drain(config.drain_timeout).await;
        let (answer, answered) = oneshot::channel();
        let command = match end {
            End::Everything => Command::Stop(answer),
            End::Balancer => Command::Leave(answer),
        };
        if commands.send(command).await.is_ok() {
            // The controller answers when it has begun; how it ends is what counts.
            let _ = answered.await;
        }
        controller.await.context("the control loop failed")?;
        done.cancel();
        attendants.join_all().await;
        lock.dir().forget_admin_address()?;
        match end {
            End::Everything => tracing::info!("everything is stopped"),
            End::Balancer => tracing::info!(
                "the balancer is stopped; the machines run on and cost money: `cloudaps up` takes \
                 them over, and `cloudaps down` then ends them"
            ),
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "its handle is kept and awaited in `System::stop`")]
fn spawn_controller(run: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(run)
}

fn settings(
    config: &Config,
    lock: &Lock,
    threads: usize,
    down: CancellationToken,
) -> anyhow::Result<Settings> {
    let secret = match config.proxy.affinity.sticky {
        Some(_) => Some(Secret::new(lock.dir().token(TokenName::Sticky)?.as_str().as_bytes())),
        None => None,
    };
    Ok(Settings {
        nonce: getrandom::u32()?,
        balancing: Balancing { balance: config.balance, secret },
        check: config.check.clone(),
        cadence: config.cadence,
        listing: config.listing,
        control_token: lock.dir().token(TokenName::Control)?.as_str().to_owned(),
        threads,
        down,
        incidents: Vec::new(),
    })
}

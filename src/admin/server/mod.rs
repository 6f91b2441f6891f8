//! The server of the admin API: HTTP/1.1 on hyper, routes on axum. It shares nothing with the
//! data plane but counters that it reads.

mod change;
mod chaos;
mod events;
mod feed;
mod guard;
mod headers;
mod health;
mod openapi;
mod page;
pub(super) mod problem;
mod read;
mod routes;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::events::{Events, Hangup};
use self::feed::Feed;
use self::guard::{Hosts, Peer};
use self::routes::Api;
use super::overview::Facts;
use super::settings::Setting;
use crate::config;
use crate::controller::{Command, Status};
use crate::exposition;
use crate::incidents::Snapshot;
use crate::provider::sabotage::Sabotage;
use crate::proxy::Meter;
use crate::recorder::Recording;
use crate::state_dir::{self, StateDir, Token, TokenName};

/// Connections at a time; further ones wait in the kernel's queue. Far more than people and
/// scripts that look at one fleet, far less than the files that a process may open (1,024).
const CONNECTIONS_MAX: usize = 128;

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// After this a connection ends with its request, so that none that is stuck keeps its place for
/// ever. Longer than the longest answer takes to come, and a client just connects again.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);

/// How long a request has to end when the server stops. Its answer is small and at hand.
const GRACE: Duration = Duration::from_secs(1);

/// The pause after a connection could not be accepted: the cause (no free file) takes a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most that is buffered of a request: more than any head of ours, by far.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Who may change something: whoever can read the token's file.
#[derive(Clone, Debug)]
pub struct Access {
    token: Token,
    file: PathBuf,
}

/// What the admin API stands between.
#[derive(Debug)]
pub struct Service {
    /// What a call that changes something must show.
    pub access: Access,
    /// What is shown.
    pub status: watch::Receiver<Arc<Status>>,
    /// What failed, and how it was repaired.
    pub incidents: watch::Receiver<Snapshot>,
    /// What the balancer counts.
    pub meter: Meter,
    /// What is counted, for `/metrics`.
    pub counted: exposition::Sources,
    /// What it counted by the second and by the minute.
    pub recording: Recording,
    /// What `chaos` may order of the controller; `None`: it may not.
    pub sabotage: Option<Arc<Sabotage>>,
    /// Where commands go.
    pub commands: mpsc::Sender<Command>,
    /// Where the balancer takes traffic, to be shown.
    pub balancer: SocketAddr,
    /// Under which names, besides addresses, it may be reached.
    pub hosts: Vec<String>,
    /// The configuration, to be shown.
    pub settings: Vec<config::Shown>,
}

impl Access {
    /// Reads the token of the state directory, and makes one if there is none.
    ///
    /// # Errors
    /// The token's file cannot be read or written, or holds no token.
    pub fn new(dir: &StateDir) -> Result<Self, state_dir::Error> {
        let token = dir.token(TokenName::Admin)?;
        Ok(Self { token, file: dir.token_path(TokenName::Admin) })
    }
}

/// Serves the admin API until `shutdown`; then lets the requests in flight end, and returns.
///
/// # Errors
/// The listener does not know its own address.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let Service { status, sabotage, .. } = service;
    let facts = Facts { balancer: service.balancer, admin: listener.local_addr()? };
    let (feed, events) = (Feed::new(&status), Events::new());
    let api = Api {
        access: service.access,
        hosts: Hosts::new(service.hosts),
        events: events.clone(),
        feed: feed.clone(),
        incidents: service.incidents.clone(),
        meter: service.meter,
        counted: service.counted,
        recording: service.recording.clone(),
        commands: service.commands,
        facts,
        settings: service.settings.iter().map(Setting::from).collect(),
        shutdown: shutdown.clone(),
    };
    let router = routes::router(Arc::new(api), sabotage);
    let mut connections = JoinSet::new();
    tokio::join!(
        accept(&listener, &router, &mut connections, &shutdown),
        shutdown.run_until_cancelled(feed.follow(status)),
        shutdown.run_until_cancelled(events.follow(
            &feed,
            service.incidents,
            &service.recording,
            facts
        )),
    );
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

/// Accepts connections until `shutdown`.
async fn accept(
    listener: &TcpListener,
    router: &Router,
    connections: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let hangup = Hangup::default();
                let router = router.clone().layer(Extension(Peer(peer.ip())));
                let router = router.layer(Extension(hangup.clone()));
                let conversation = converse(stream, router, shutdown.clone());
                connections.spawn(async move {
                    hangup.0.run_until_cancelled(conversation).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin API cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // An answer is written whole and gains nothing by waiting; without the option it works too.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.max_buf_size(BUFFER_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stop = async {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(CONNECTION_AGE_MAX) => {}
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    if let Ok(ended) = timeout(GRACE, connection).await {
        note(ended);
    }
}

/// A connection that breaks is its client's affair.
fn note(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin API broke");
    }
}

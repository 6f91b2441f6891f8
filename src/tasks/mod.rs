//! Role `tasks`: serves the tasks from a database. What it holds is what people would miss, so a
//! write is answered only when it is on the disk.

mod change;
mod form;
mod input;
mod legacy;
mod listener;
mod postgres;
mod problem;
mod queue;
mod routes;
mod sqlite;
mod store;
mod store_url;
mod task;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::listener::BoundedListener;
use self::postgres::PostgresStore;
pub use self::postgres::PostgresUrl;
use self::sqlite::SqliteStore;
use self::store::Store;
pub use self::store_url::{ParseStoreUrlError, StoreUrl};
use crate::cli::{Misuse, TasksArgs};

/// How long requests in flight have to end after the first SIGTERM: less than the 5 s after which
/// `up` kills the process by default (`fleet.stop_timeout`), so that it can end in order.
const GRACE: Duration = Duration::from_secs(4);

/// Threads for what blocks, which is reading: as many as read at a time, and as many again that
/// have not gone to sleep yet.
const BLOCKING_THREADS_MAX: usize = 8;

/// Serves until a signal says to stop.
///
/// # Errors
/// The store cannot be opened, or the address is taken; [`Misuse`] when there is no such store.
pub fn run(args: &TasksArgs) -> anyhow::Result<ExitCode> {
    let url: StoreUrl = args
        .store
        .parse()
        .map_err(|error: ParseStoreUrlError| Misuse(format!("--store {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()?;
    runtime.block_on(async {
        match url {
            StoreUrl::Sqlite(path) => {
                let store = SqliteStore::open(&path)?;
                let shown = StoreUrl::Sqlite(store.path().to_owned());
                start(args.listen, store, &shown).await
            }
            StoreUrl::Postgres(url) => {
                let store = PostgresStore::open(&url).await?;
                start(args.listen, store, &StoreUrl::Postgres(url)).await
            }
        }
    })
}

async fn start(address: SocketAddr, store: impl Store, url: &StoreUrl) -> anyhow::Result<ExitCode> {
    // Before the address is known to anybody: whoever reads it may send a signal at once.
    let stops = Stops::listen()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; --listen takes another address"))?;
    announce(listener.local_addr()?, url);
    serve(listener, Arc::new(store), stops).await
}

async fn serve(
    listener: TcpListener,
    store: Arc<impl Store>,
    mut stops: Stops,
) -> anyhow::Result<ExitCode> {
    let stopping = CancellationToken::new();
    let server = axum::serve(BoundedListener::new(listener), routes::router(Arc::clone(&store)))
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let cut_off = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let mut served = pin!(async {
        tokio::select! {
            served = server.into_future() => served?,
            () = cut_off => tracing::warn!(after = ?GRACE, "cut off requests that did not end"),
        }
        store.close().await.context("cannot close the store")
    });
    tokio::select! {
        served = &mut served => return served.map(|()| ExitCode::SUCCESS),
        () = stops.next() => stopping.cancel(),
    }
    tokio::select! {
        biased;
        () = stops.next() => Ok(ExitCode::FAILURE),
        served = served => served.map(|()| ExitCode::SUCCESS),
    }
}

/// One line, once requests are answered; scripts read the address from it.
fn announce(address: SocketAddr, url: &StoreUrl) {
    // Nobody has to read it: a closed standard output is no reason not to serve.
    let _ = writeln!(io::stdout(), "tasks: listening on http://{address}, store {url}");
}

/// The signals that ask to stop.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

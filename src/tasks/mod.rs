//! Role `tasks`: serves the tasks from a database. What it holds is what people would miss, so a
//! write is answered only when it is on the disk.

mod form;
mod input;
mod legacy;
mod listener;
mod problem;
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
use self::sqlite::SqliteStore;
use self::store::Store;
pub use self::store_url::{ParseStoreUrlError, StoreUrl};
use crate::cli::TasksArgs;

/// The exit code of a command that was called wrongly (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// How long requests in flight have to end after the first SIGTERM; the time that a provider
/// gives a process before it kills it is longer.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until a signal says to stop.
///
/// # Errors
/// The store cannot be opened, or the address is taken.
pub fn run(args: &TasksArgs) -> anyhow::Result<ExitCode> {
    let url: StoreUrl = match args.store.parse() {
        Ok(url) => url,
        Err(error) => {
            eprintln!("cloudaps tasks: --store {error}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match url {
            StoreUrl::Sqlite(path) => {
                let store = SqliteStore::open(&path)?;
                let shown = StoreUrl::Sqlite(store.path().to_owned());
                serve(args.listen, store, &shown).await
            }
        }
    })
}

async fn serve(address: SocketAddr, store: impl Store, url: &StoreUrl) -> anyhow::Result<ExitCode> {
    let store = Arc::new(store);
    // Before the address is known to anybody: whoever reads it may send a signal at once.
    let mut stops = Stops::listen()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; --listen takes another address"))?;
    announce(listener.local_addr()?, url);

    let stopping = CancellationToken::new();
    let router = routes::router(Arc::clone(&store));
    let server = axum::serve(BoundedListener::new(listener), router)
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let stop = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let served = async {
        tokio::select! {
            served = server.into_future() => served?,
            () = stop => tracing::warn!(after = ?GRACE, "cut off requests that did not end"),
        }
        store.close().await.context("cannot close the store")
    };
    let mut served = pin!(served);
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

//! Role `tasks`: serves the tasks from a database. What it holds is what people would miss, so a
//! write is answered only when it is on the disk.

mod body;
mod change;
mod docs;
mod form;
mod in_flight;
mod input;
mod legacy;
mod listener;
mod listing;
mod openapi;
mod postgres;
mod problem;
mod queue;
mod routes;
mod sqlite;
mod store;
mod store_url;
mod task;
mod transfer;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::listener::BoundedListener;
use self::postgres::PostgresStore;
pub use self::postgres::PostgresUrl;
use self::sqlite::SqliteStore;
use self::store::Store;
pub use self::store_url::{ParseStoreUrlError, StoreUrl};
use self::transfer::Moved;
use crate::cli::{Misuse, TasksArgs, TasksVerb};

/// How long requests in flight have to end after the first SIGTERM: less than the 5 s after which
/// `up` kills the process by default (`fleet.stop_timeout`), so that it can end in order.
const GRACE: Duration = Duration::from_secs(4);

/// Threads for what blocks, which is reading: as many as read at a time, and as many again that
/// have not gone to sleep yet.
const BLOCKING_THREADS_MAX: usize = 8;

/// Serves until a signal says to stop, or does with the data what the verb says.
///
/// # Errors
/// The store cannot be opened, or the address is taken; [`Misuse`] when there is no such store.
pub fn run(args: &TasksArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()?;
    match (&args.verb, args.listen) {
        (Some(verb), _) => runtime.block_on(handle(verb)),
        (None, Some(listen)) => runtime.block_on(open_and_serve(listen, args)),
        (None, None) => Err(Misuse("--listen is missing".to_owned()).into()),
    }
}

async fn handle(verb: &TasksVerb) -> anyhow::Result<ExitCode> {
    let (moved, place) = match verb {
        TasksVerb::Backup { file, store } => (
            transfer::backup(&parse("--store", &store.store)?, file).await?,
            file.display().to_string(),
        ),
        TasksVerb::Restore { file, store } => {
            let to = parse("--store", &store.store)?;
            (transfer::copy(&StoreUrl::Sqlite(file.clone()), &to).await?, to.to_string())
        }
        TasksVerb::Copy { from, to } => {
            let (from, to) = (parse("FROM", from)?, parse("TO", to)?);
            (transfer::copy(&from, &to).await?, to.to_string())
        }
    };
    let Moved { tasks, last, keys } = moved;
    // Nobody has to read it.
    let _ = writeln!(io::stdout(), "{place}: {tasks} tasks, the last number {last}, {keys} keys");
    Ok(ExitCode::SUCCESS)
}

fn parse(name: &str, store: &str) -> Result<StoreUrl, Misuse> {
    store.parse().map_err(|error: ParseStoreUrlError| Misuse(format!("{name} {error}")))
}

async fn open_and_serve(listen: SocketAddr, args: &TasksArgs) -> anyhow::Result<ExitCode> {
    let at = At { listen, instance: args.instance.as_deref() };
    match parse("--store", &args.store.store)? {
        StoreUrl::Sqlite(path) => {
            let store = SqliteStore::open(&path)?;
            let shown = StoreUrl::Sqlite(store.path().to_owned());
            start(at, store, &shown).await
        }
        StoreUrl::Postgres(url) => {
            let store = PostgresStore::open(&url).await?;
            start(at, store, &StoreUrl::Postgres(url)).await
        }
    }
}

/// Where it listens, and who it is.
#[derive(Clone, Copy)]
struct At<'a> {
    listen: SocketAddr,
    instance: Option<&'a str>,
}

async fn start(at: At<'_>, store: impl Store, url: &StoreUrl) -> anyhow::Result<ExitCode> {
    let address = at.listen;
    // Before the address is known to anybody: whoever reads it may send a signal at once.
    let stops = Stops::listen()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; --listen takes another address"))?;
    announce(listener.local_addr()?, url);
    let store = Arc::new(store);
    serve(listener, routes::router(Arc::clone(&store), at.instance), store, stops).await
}

async fn serve(
    listener: TcpListener,
    router: Router,
    store: Arc<impl Store>,
    mut stops: Stops,
) -> anyhow::Result<ExitCode> {
    let stopping = CancellationToken::new();
    let server = axum::serve(BoundedListener::new(listener), router)
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

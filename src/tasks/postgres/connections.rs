//! The connections to the database: a few, shared, and opened again when they were lost.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::store::Error;
use super::backoff::Backoff;
use super::url::{PostgresUrl, Security, chain};
use crate::clock;

/// Most connections: several services fit into the 100 that a server has by default, and more
/// than this only wait for its cores.
const CONNECTIONS_MAX: usize = 12;

/// How long to wait for a connection while all are in use, or for a new one.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The pool, and when it may be tried again.
pub(super) struct Connections {
    pool: Pool,
    backoff: Mutex<Backoff>,
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It failed a moment ago, and is not tried again yet.
    #[error("{0}")]
    Resting(String),
    /// Nobody answers there, or not yet.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// It answers, and does not let us in, or is not who it should be.
    #[error("there is no way into the database: {0}")]
    Refused(String),
    /// All connections are in use.
    #[error("no connection to the database became free in {WAIT_MAX:?}")]
    Crowded,
    /// The database refused, or was lost meanwhile.
    #[error("the database: {}", chain(.0))]
    Query(#[from] tokio_postgres::Error),
}

/// Authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::tasks) enum AuthorityError {
    #[error("cannot read the certificates in {0}")]
    Read(String, #[source] pem::Error),
    #[error("there is no certificate in {0}")]
    None(String),
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl Connections {
    /// Prepares the way; nothing is connected yet.
    pub(super) fn new(url: &PostgresUrl) -> Result<Self, AuthorityError> {
        let config = url.config.clone();
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &url.security {
            Security::None => Manager::from_config(config, NoTls, recycling),
            Security::Verified { authorities } => {
                Manager::from_config(config, tls(authorities.as_deref())?, recycling)
            }
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_MAX))
            .create_timeout(Some(WAIT_MAX))
            .build()
            .expect("a pool with time-outs has a runtime");
        Ok(Self { pool, backoff: Mutex::new(Backoff::default()) })
    }

    /// A connection of the pool. While the database is away most calls fail at once, so that it is
    /// not stormed when it comes back.
    pub(super) async fn take(&self) -> Result<Client, Failure> {
        if let Some(reason) = self.backoff().refusal(clock::now()) {
            return Err(Failure::Resting(reason));
        }
        let failure = match self.pool.get().await {
            Ok(client) => {
                if self.backoff().succeeded() {
                    tracing::info!("the database can be reached again");
                }
                return Ok(client);
            }
            // It is we who are busy.
            Err(PoolError::Timeout(TimeoutType::Wait)) => return Err(Failure::Crowded),
            Err(PoolError::Backend(error)) if !is_lost(&error) || is_untrusted(&error) => {
                Failure::Refused(chain(&error))
            }
            Err(PoolError::Backend(error)) => Failure::Unreachable(chain(&error)),
            Err(error) => Failure::Unreachable(error.to_string()),
        };
        if self.backoff().failed(clock::now(), &failure.to_string()) {
            tracing::error!(%failure, "there is no connection to the database");
        }
        Err(failure)
    }

    /// Asks for rows. A connection that was lost is replaced once: reading again changes nothing.
    pub(super) async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        match self.rows_once(sql, parameters).await {
            Err(Failure::Query(error)) if is_lost(&error) => self.rows_once(sql, parameters).await,
            answer => answer,
        }
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    async fn rows_once(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let client = self.take().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, parameters).await?)
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::failed(failure)
    }
}

/// Whether it is the connection that failed, and not what was asked.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    // 57P01 to 57P03: the server is shut down, has crashed, or is not up yet.
    let is_going = |code: &SqlState| code.code().starts_with("57P0");
    // Without a code it was not the server that spoke.
    error.is_closed() || error.code().is_none_or(is_going)
}

/// Whether its certificate is not good. Trying again would not help.
fn is_untrusted(error: &tokio_postgres::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let Some(cause) = cause.and_then(io::Error::get_ref) else { return false };
    cause.is::<rustls::Error>()
}

fn tls(authorities: Option<&Path>) -> Result<MakeRustlsConnect, AuthorityError> {
    let mut roots = RootCertStore::empty();
    let found = match authorities {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(found);
    if roots.is_empty() {
        let place = authorities.map(|file| file.display().to_string());
        return Err(AuthorityError::None(place.unwrap_or_else(|| "the system's store".to_owned())));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(AuthorityError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let unread = |error| AuthorityError::Read(file.display().to_string(), error);
    CertificateDer::pem_file_iter(file).map_err(unread)?.collect::<Result<_, _>>().map_err(unread)
}

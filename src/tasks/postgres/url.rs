//! `postgres://…`: which database, and how the way there is secured.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long opening a connection may take. Longer than a lost SYN, shorter than a client waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the other side may be silent while it owes an answer, so that a machine that is gone
/// is noticed in the time of a request.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What each connection begins with, which the URL's own `options` may change:
///
/// - an answered write is on the disk, whatever the server's default is;
/// - a statement ends in time for its request (30 s) to be answered;
/// - another service's write is waited for as long as a locked SQLite file is;
/// - a service that hangs between two statements does not keep the others from writing.
const OPTIONS: &str = "-c synchronous_commit=on -c statement_timeout=10s -c lock_timeout=5s \
                       -c idle_in_transaction_session_timeout=10s";

/// A PostgreSQL database, as `--store` names it. Shown without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) config: Config,
    pub(super) security: Security,
    shown: String,
}

/// How the way to the database is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// Nothing is encrypted: for this machine alone, unless the URL says otherwise.
    None,
    /// TLS, and the server has to show a certificate for its name.
    Verified {
        /// Who may have signed it, as PEM; the system's authorities if left out.
        authorities: Option<PathBuf>,
    },
}

impl PostgresUrl {
    /// Reads what stands after `postgres://`; the error says what is wrong.
    pub(in crate::tasks) fn parse(rest: &str) -> Result<Self, String> {
        // The password may contain a `?`; it ends with the last `@`.
        let host = rest.rfind('@').map_or(0, |at| at + 1);
        let query = rest[host..].find('?').map(|at| host + at);
        let (place, query) = query.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
        let (ours, theirs): (Vec<&str>, Vec<&str>) = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .partition(|pair| pair.starts_with("sslmode=") || pair.starts_with("sslrootcert="));
        let url = format!("postgres://{place}?{}", theirs.join("&"));
        let config = url.parse().map_err(|error| chain(&error))?;
        let security = security(&ours, &config)?;
        Ok(Self { config: with_defaults(config, &security), security, shown: shown(place, query) })
    }

    /// As it may be shown to anybody.
    pub(in crate::tasks) fn shown(&self) -> &str {
        &self.shown
    }
}

fn security(parameters: &[&str], config: &Config) -> Result<Security, String> {
    let value = |name: &str| {
        parameters.iter().rev().find_map(|pair| pair.split_once('=').filter(|it| it.0 == name))
    };
    let authorities = value("sslrootcert").map(|(_, file)| PathBuf::from(file));
    match value("sslmode").map(|(_, mode)| mode) {
        None if authorities.is_none() && is_local(config) => Ok(Security::None),
        Some("disable") if authorities.is_none() => Ok(Security::None),
        Some("disable") => Err("`sslrootcert` is for TLS, which `sslmode=disable` forbids".into()),
        None | Some("require" | "verify-ca" | "verify-full") => {
            Ok(Security::Verified { authorities })
        }
        Some(mode) => Err(format!(
            "`sslmode={mode}`: allowed are `disable` and `verify-full` (`require` and `verify-ca` \
             mean the same here: a certificate is always verified)"
        )),
    }
}

/// Whether nothing leaves this machine.
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        Host::Unix(_) => true,
    })
}

fn with_defaults(mut config: Config, security: &Security) -> Config {
    config.ssl_mode(match security {
        Security::None => SslMode::Disable,
        Security::Verified { .. } => SslMode::Require,
    });
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("cloudaps");
    }
    let options = config.get_options().unwrap_or_default();
    let options = format!("{OPTIONS} {options}");
    config.options(options.trim_end());
    // Of several hosts the one that takes writes.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.tcp_user_timeout(SILENCE_MAX).keepalives_idle(SILENCE_MAX);
    config
}

/// The URL without what is secret in it.
fn shown(place: &str, query: &str) -> String {
    let (who, place) = place.rsplit_once('@').map_or(("", place), |(who, place)| (who, place));
    let user = who.split(':').next().unwrap_or_default();
    let at = if user.is_empty() { "" } else { "@" };
    let is_open = |pair: &&str| !pair.is_empty() && !pair.starts_with("password=");
    let pairs: Vec<&str> = query.split('&').filter(is_open).collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    format!("postgres://{user}{at}{place}{mark}{}", pairs.join("&"))
}

/// An error with its causes, which the driver does not repeat.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security_of(rest: &str) -> Result<Security, String> {
        PostgresUrl::parse(rest).map(|url| url.security)
    }

    #[test]
    fn a_password_is_never_shown() {
        for (rest, shown) in [
            ("ana:s3?cr@t@db/tasks", "postgres://ana@db/tasks"),
            ("ana@db:5433/tasks?sslmode=require", "postgres://ana@db:5433/tasks?sslmode=require"),
            ("/tasks?host=/run/pg&password=s3cret", "postgres:///tasks?host=/run/pg"),
        ] {
            let url = PostgresUrl::parse(rest).unwrap();
            assert_eq!(url.shown(), shown);
            assert!(!format!("{url:?}").contains("s3"), "{url:?}");
        }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_url_says_otherwise() {
        let verified = Security::Verified { authorities: None };
        for rest in ["db/tasks", "10.0.0.7,127.0.0.1/tasks", "127.0.0.1/t?sslmode=require"] {
            assert_eq!(security_of(rest), Ok(verified.clone()), "{rest}");
        }
        for rest in ["localhost/t", "127.0.0.1,[::1]/t", "/t?host=/run", "db/t?sslmode=disable"] {
            assert_eq!(security_of(rest), Ok(Security::None), "{rest}");
        }
        let authorities = Some(PathBuf::from("/etc/ca.pem"));
        let own = security_of("localhost/t?sslrootcert=/etc/ca.pem");
        assert_eq!(own, Ok(Security::Verified { authorities }));
    }

    #[test]
    fn what_is_no_database_is_refused_with_what_is_wrong() {
        for (rest, words) in [
            ("db:port/t", "port"),
            ("db/t?sslmode=prefer", "`sslmode=prefer`: allowed are `disable` and `verify-full`"),
            ("db/t?sslmode=disable&sslrootcert=x", "`sslrootcert` is for TLS"),
            ("db/t?pool=7", "pool"),
        ] {
            let refusal = PostgresUrl::parse(rest).unwrap_err();
            assert!(refusal.contains(words), "{rest}: {refusal}");
        }
    }
}

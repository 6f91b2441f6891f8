//! The URL of the server that everything is forwarded to.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
}

/// A text that names no server.
#[derive(Debug, thiserror::Error)]
pub enum ParseTargetError {
    /// Another scheme, or none.
    #[error("only `http://` is forwarded to; allowed is `http://HOST:PORT`")]
    Scheme,
    /// More than a host and a port.
    #[error("a path, a query and a user have no meaning here; allowed is `http://HOST:PORT`")]
    Extra,
    /// No host.
    #[error("the host is missing; allowed is `http://HOST:PORT`")]
    Host,
    /// A port that is none.
    #[error("the port is not a number from 1 to 65535; allowed is `http://HOST:PORT`")]
    Port,
    /// A name that nobody knows.
    #[error("no address is known for this host: {0}")]
    Unknown(io::Error),
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(url: &str) -> Result<Self, ParseTargetError> {
        let rest = strip_scheme(url).ok_or(ParseTargetError::Scheme)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(ParseTargetError::Extra);
        }
        let (host, port) = split_port(authority);
        if host.is_empty() {
            return Err(ParseTargetError::Host);
        }
        let port = match port {
            None => HTTP_PORT,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|port| *port != 0).ok_or(ParseTargetError::Port)?
            }
            Some(_) => return Err(ParseTargetError::Port),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Target {
    /// Asks for the address. The first one that the system names is taken.
    ///
    /// # Errors
    ///
    /// [`ParseTargetError::Unknown`] if there is none.
    pub fn resolve(&self) -> Result<SocketAddr, ParseTargetError> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let first = found.map_err(ParseTargetError::Unknown)?.next();
        first.ok_or_else(|| ParseTargetError::Unknown(io::ErrorKind::NotFound.into()))
    }
}

/// Schemes are the same in any case (RFC 3986 §3.1).
fn strip_scheme(url: &str) -> Option<&str> {
    const SCHEME: &str = "http://";
    let scheme = url.get(..SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| &url[SCHEME.len()..])
}

/// Splits `host:port`, where an IPv6 host is in brackets. What is neither is an empty port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').or_else(|| (!rest.is_empty()).then_some("")));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_taken() {
        for (url, host, port) in [
            ("http://10.0.0.7:5000", "10.0.0.7", 5000),
            ("http://backend/", "backend", 80),
            ("HTTP://[::1]:8080", "::1", 8080),
        ] {
            let target: Target = url.parse().unwrap();
            assert_eq!(target, Target { host: host.to_owned(), port });
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_is_allowed() {
        for url in [
            "10.0.0.7:5000",
            "https://a:443",
            "http://",
            "http://:80",
            "http://a:0",
            "http://a:+5",
            "http://a:65536",
            "http://a:",
            "http://a/path",
            "http://u@a",
            "http://[::1]8080",
        ] {
            let error = url.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT"), "{url}: {error}");
        }
    }

    #[test]
    fn an_address_resolves_to_itself() {
        let target: Target = "http://127.0.0.1:81".parse().unwrap();
        assert_eq!(target.resolve().unwrap(), SocketAddr::from(([127, 0, 0, 1], 81)));
    }
}

//! Where a collector listens.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// What OTLP adds to a collector's address for what it is sent:
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>.
const SIGNAL_PATH: &str = "/v1/traces";

/// The address of a collector that takes OTLP over HTTP, without the path of the traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl {
    scheme: Scheme,
    /// `HOST` or `HOST:PORT`.
    authority: String,
    host: String,
    port: u16,
    /// What stands before the path of the traces, without a slash at its end.
    base: String,
}

/// Whether the way to the collector is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// A text that names no collector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no collector: allowed are http://HOST:PORT and https://HOST:PORT, with a path \
     before {SIGNAL_PATH} if there is one, such as http://127.0.0.1:4318; secrets go into \
     `traces.headers`"
)]
pub struct ParseCollectorUrlError(String);

impl CollectorUrl {
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Name or address, without brackets, and the port.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        (self.host.trim_matches(['[', ']']), self.port)
    }

    /// Where the traces go.
    pub(super) fn path(&self) -> String {
        format!("{}{SIGNAL_PATH}", self.base)
    }
}

impl FromStr for CollectorUrl {
    type Err = ParseCollectorUrlError;

    fn from_str(text: &str) -> Result<Self, ParseCollectorUrlError> {
        // `Uri` drops what follows a `#` without a word.
        let uri = text.parse::<Uri>().ok().filter(|_| !text.contains('#'));
        uri.as_ref().and_then(collector).ok_or_else(|| ParseCollectorUrlError(text.to_owned()))
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(formatter, "{scheme}://{}{}", self.authority, self.base)
    }
}

fn collector(uri: &Uri) -> Option<CollectorUrl> {
    let (scheme, usual_port) = match uri.scheme_str()? {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => return None,
    };
    let authority = uri.authority()?;
    let port = match authority.as_str().strip_prefix(authority.host())? {
        "" => usual_port,
        _ => authority.port_u16().filter(|port| *port > 0)?,
    };
    let is_host = !authority.host().is_empty();
    (is_host && uri.query().is_none()).then(|| CollectorUrl {
        scheme,
        authority: authority.as_str().to_owned(),
        host: authority.host().to_owned(),
        port,
        base: uri.path().trim_end_matches('/').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_host_a_port_and_perhaps_a_path() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/v1/traces"),
            ("http://[::1]:4318/", "::1", 4318, "/v1/traces"),
            ("http://collector", "collector", 80, "/v1/traces"),
            ("https://otel.example/api/v2/otlp", "otel.example", 443, "/api/v2/otlp/v1/traces"),
        ] {
            let url: CollectorUrl = text.parse().unwrap();
            assert_eq!((url.host_and_port(), url.path()), ((host, port), path.to_owned()));
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for text in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1:4317",
            "http://",
            "http://:4318",
            "http://a:0",
            "http://a:99999",
            "http://me:secret@a:4318",
            "http://a:4318/?key=secret",
            "http://a:4318/#x",
        ] {
            let refused = text.parse::<CollectorUrl>().unwrap_err().to_string();
            assert!(refused.contains("http://HOST:PORT"), "{refused}");
        }
    }
}

//! One export: a request to the collector, on a connection of its own.
//!
//! There is one in a second at most, unless there is very much to tell: a connection that is kept
//! would save little, and would have to be found dead first.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::url::{CollectorUrl, Scheme};

/// A collector, and how it is talked to.
pub(super) struct Collector {
    url: CollectorUrl,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// No way that is encrypted can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// This system knows no authority.
    #[error("this system has no certificates of authorities, so no collector can be trusted")]
    NoAuthorities,
    /// The host's name is none.
    #[error("`{0}` is no name that a certificate could be for")]
    Name(String),
    /// There is no cipher in common with anybody.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// An export that was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("no answer: {0}")]
    Exchange(#[source] hyper::Error),
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// It may be taken later.
    #[error("it answered {status}")]
    Later { status: StatusCode, after: Option<Duration> },
    /// It will never be.
    #[error("it answered {0}, and would again")]
    Never(StatusCode),
}

impl Failure {
    /// Whether it is worth another try.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Never(_))
    }

    /// When the collector wants to be asked again.
    pub(super) fn after(&self) -> Option<Duration> {
        match self {
            Self::Later { after, .. } => *after,
            _ => None,
        }
    }
}

impl Collector {
    pub(super) fn new(url: CollectorUrl, headers: HeaderMap) -> Result<Self, TlsError> {
        let tls = match url.scheme() {
            Scheme::Http => None,
            Scheme::Https => Some((connector()?, server_name(&url)?)),
        };
        Ok(Self { url, headers, tls })
    }

    pub(super) fn url(&self) -> &CollectorUrl {
        &self.url
    }

    /// Sends one export, and reads no more of the answer than its status: a collector that takes
    /// only a part says so for people.
    pub(super) async fn send(&self, export: Bytes) -> Result<(), Failure> {
        let stream = TcpStream::connect(self.url.host_and_port()).await;
        let stream = stream.map_err(Failure::Connect)?;
        let request = self.request(export);
        let response = match &self.tls {
            None => exchange(stream, request).await,
            Some((connector, name)) => {
                let encrypted = connector.connect(name.clone(), stream).await;
                exchange(encrypted.map_err(Failure::Connect)?, request).await
            }
        };
        judge(&response?)
    }

    fn request(&self, export: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(export));
        *request.method_mut() = hyper::Method::POST;
        // It was a part of a valid address, and so is valid.
        *request.uri_mut() = self.url.path().parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        if let Ok(host) = HeaderValue::from_str(self.url.authority()) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("cloudaps-traces"));
        request
    }
}

impl std::fmt::Debug for Collector {
    /// Without the headers, which may be secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Collector").field("url", &self.url).finish_non_exhaustive()
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Response<hyper::body::Incoming>, Failure> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Exchange)?;
    // The connection is driven here, not by a task of its own: with the export it ends.
    tokio::select! {
        biased;
        answer = sender.send_request(request) => answer.map_err(Failure::Exchange),
        Err(error) = connection => Err(Failure::Exchange(error)),
    }
}

/// Which answers are worth another try says OTLP:
/// <https://opentelemetry.io/docs/specs/otlp/#failures-1>.
fn judge<B>(response: &Response<B>) -> Result<(), Failure> {
    let status = response.status();
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let after = response.headers().get(RETRY_AFTER).and_then(seconds);
            Err(Failure::Later { status, after })
        }
        _ => Err(Failure::Never(status)),
    }
}

/// A delay in seconds. A date is not looked at: clocks differ.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn connector() -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn server_name(url: &CollectorUrl) -> Result<ServerName<'static>, TlsError> {
    let host = url.host_and_port().0;
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Result<(), Failure> {
        let mut response = Response::builder().status(status);
        if let Some(after) = retry_after {
            response = response.header(RETRY_AFTER, after);
        }
        judge(&response.body(()).unwrap())
    }

    #[test]
    fn an_answer_is_good_worth_another_try_or_final() {
        assert!(judged(200, None).is_ok());
        for status in [429, 502, 503, 504] {
            assert!(judged(status, None).unwrap_err().may_pass(), "{status}");
        }
        for status in [302, 400, 401, 404, 413, 500] {
            assert!(!judged(status, None).unwrap_err().may_pass(), "{status}");
        }
    }

    #[test]
    fn a_collector_may_say_when_it_wants_to_be_asked_again() {
        let after = |text| judged(503, text).unwrap_err().after();
        assert_eq!(after(Some("7")), Some(Duration::from_secs(7)));
        for other in [None, Some("-1"), Some("Wed, 21 Oct 2026 07:28:00 GMT")] {
            assert_eq!(after(other), None, "{other:?}");
        }
    }
}

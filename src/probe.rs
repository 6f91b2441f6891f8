//! Asks one instance how it is, and tells forwarders where the backends are.
//!
//! A probe opens a connection of its own: that tests the accept queue too, and what is wrong with
//! a pooled connection says nothing about the instance.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::address::Address;
use crate::fleet::{Backends, Finding, Probe, Relays};

/// No health check has more to say; a server that streams without end is cut off here.
const ANSWER_MAX: usize = 64 * 1024;

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A forwarder's control listener: it names itself and its backends.
    Control {
        /// Who must answer. An address can be reused, a name cannot.
        instance: String,
    },
    /// Any server: an answer below 500 to a GET of this path is good.
    Path(String),
}

/// A probe that did not get a usable answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    #[error("no answer")]
    Exchange(#[source] hyper::Error),
    #[error("an answer that is not understood")]
    Answer,
}

/// What a forwarder answers to `GET /health`.
#[derive(Debug, Deserialize)]
struct ControlAnswer {
    instance: Option<String>,
    backends: Told,
    finishing: BTreeSet<SocketAddr>,
}

/// Where a forwarder is told to send requests, and says that it does.
#[derive(Debug, Deserialize, Serialize)]
struct Told {
    serving: BTreeSet<SocketAddr>,
    lost: BTreeSet<SocketAddr>,
}

/// Asks the instance at `address`. Takes at most `patience`. `None`: it could not be asked, for a
/// reason of our own, such as no free file descriptor; that says nothing about the instance.
pub async fn probe(address: &Address, check: &Check, patience: Duration) -> Option<Probe> {
    let path = match check {
        Check::Control { .. } => "/health",
        Check::Path(path) => path,
    };
    let question = request((Method::GET, path), &address.authority(), None, Bytes::new());
    let exchange = send(address, question);
    match timeout(patience, exchange).await {
        Err(_) => Some(found(Finding::TimedOut)),
        Ok(Err(failure)) => finding_of(&failure).map(found),
        Ok(Ok((status, body))) => Some(judge(check, status, &body)),
    }
}

/// Tells the forwarder that listens at `control` to relay to `backends`.
///
/// # Errors
/// It did not take the news; the text says why.
pub async fn repoint(
    control: SocketAddr,
    backends: &Backends,
    token: &str,
    patience: Duration,
) -> Result<(), String> {
    let Backends { serving, lost } = backends.clone();
    let body = serde_json::to_vec(&Told { serving, lost }).map_err(|error| error.to_string())?;
    let control = Address::from(control);
    let order = request((Method::PUT, "/backend"), &control.authority(), Some(token), body.into());
    let exchange = send(&control, order);
    match timeout(patience, exchange).await {
        Err(_) => Err(format!("no answer within {patience:?}")),
        Ok(Err(failure)) => Err(format!("{:#}", anyhow::Error::new(failure))),
        Ok(Ok((status, _))) if status.is_success() => Ok(()),
        Ok(Ok((status, _))) => Err(format!("it answered {status}")),
    }
}

fn request(
    (method, path): (Method, &str),
    host: &str,
    token: Option<&str>,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let builder = Request::builder().method(method).uri(path).header(HOST, host);
    let builder = builder.header(CONNECTION, "close").header("user-agent", "cloudaps-probe");
    let builder = match bearer {
        Some(bearer) => builder.header(AUTHORIZATION, bearer),
        None => builder,
    };
    builder.body(Full::new(body)).expect("the configuration let only valid paths and tokens pass")
}

async fn send(to: &Address, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
    match to {
        Address::Ip(to) => {
            let stream = TcpStream::connect(to).await.map_err(Failure::Connect)?;
            exchange(stream, request).await
        }
        Address::Unix(name) => {
            let stream = UnixStream::connect(name.to_path()).await.map_err(Failure::Connect)?;
            exchange(stream, request).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Failure> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Exchange)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(Failure::Exchange)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        Ok((status, body.map_err(|_| Failure::Answer)?.to_bytes()))
    };
    // The connection is driven here, not by a task of its own: with the probe it ends.
    tokio::select! {
        biased;
        answer = exchange => answer,
        Err(error) = connection => Err(Failure::Exchange(error)),
    }
}

fn finding_of(failure: &Failure) -> Option<Finding> {
    match failure {
        Failure::Connect(error) => match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            // A Unix socket that is not there, or not ours to use.
            | ErrorKind::NotFound
            | ErrorKind::PermissionDenied => Some(Finding::Refused),
            // The last one: the queue of a Unix socket is full.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Some(Finding::TimedOut),
            _ => None,
        },
        Failure::Exchange(_) | Failure::Answer => Some(Finding::Failed(0)),
    }
}

fn judge(check: &Check, status: StatusCode, body: &[u8]) -> Probe {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return found(Finding::Shedding);
    }
    match check {
        Check::Path(_) if status.is_server_error() => found(Finding::Failed(status.as_u16())),
        Check::Path(_) => found(Finding::Well),
        Check::Control { .. } if !status.is_success() => found(Finding::Failed(status.as_u16())),
        Check::Control { instance } => judge_control(instance, body),
    }
}

fn judge_control(expected: &str, body: &[u8]) -> Probe {
    match serde_json::from_slice::<ControlAnswer>(body) {
        Ok(answer) if answer.instance.as_deref() == Some(expected) => {
            let Told { serving, lost } = answer.backends;
            let to = Backends { serving, lost };
            let relays = Relays { to, finishing: answer.finishing };
            Probe { finding: Finding::Well, relays }
        }
        // Somebody else has its address: whoever answers, it is not our instance.
        Ok(_) => found(Finding::Refused),
        Err(_) => found(Finding::Failed(0)),
    }
}

fn found(finding: Finding) -> Probe {
    Probe { finding, relays: Relays::default() }
}

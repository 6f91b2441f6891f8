//! Asks one instance how it is, and tells forwarders where the backends are.
//!
//! A probe opens a connection of its own: that tests the accept queue too, and what is wrong with
//! a pooled connection says nothing about the instance.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::address::Address;
use crate::boot::INSTANCE_HEADER;
use crate::exchange::{Answer, Failure, request, send};
use crate::fleet::{Backends, Finding, Probe, Relays};

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A forwarder's control listener: it names itself and its backends.
    Control {
        /// Who must answer. An address can be reused, a name cannot.
        instance: String,
    },
    /// Any server: an answer below 500 is good.
    Path {
        /// What is asked for with GET.
        path: String,
        /// Who must answer, if whoever does says who it is: our own task service does.
        instance: String,
    },
}

/// What a forwarder answers to `GET /health`.
#[derive(Debug, Deserialize)]
struct ControlAnswer {
    instance: Option<String>,
    /// Its machine is about to be taken from us.
    #[serde(default)]
    leaving: bool,
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
        Check::Path { path, .. } => path,
    };
    let question = request((Method::GET, path), &address.authority(), None, Bytes::new());
    let exchange = send(address, question);
    match timeout(patience, exchange).await {
        Err(_) => Some(found(Finding::TimedOut)),
        Ok(Err(failure)) => finding_of(&failure).map(found),
        Ok(Ok(answer)) => Some(judge(check, &answer)),
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
        Ok(Ok(answer)) if answer.status.is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answered {}", answer.status)),
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

fn judge(check: &Check, answer: &Answer) -> Probe {
    let status = answer.status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return found(Finding::Shedding);
    }
    match check {
        Check::Path { instance, .. } if is_another(answer, instance) => found(Finding::Refused),
        Check::Path { .. } if status.is_server_error() => found(Finding::Failed(status.as_u16())),
        Check::Path { .. } => found(Finding::Well),
        Check::Control { .. } if !status.is_success() => found(Finding::Failed(status.as_u16())),
        Check::Control { instance } => judge_control(instance, &answer.body),
    }
}

/// Whether somebody else has its address.
fn is_another(answer: &Answer, expected: &str) -> bool {
    answer.headers.get(INSTANCE_HEADER).is_some_and(|told| told.as_bytes() != expected.as_bytes())
}

fn judge_control(expected: &str, body: &[u8]) -> Probe {
    match serde_json::from_slice::<ControlAnswer>(body) {
        Ok(answer) if answer.instance.as_deref() == Some(expected) => {
            let Told { serving, lost } = answer.backends;
            let to = Backends { serving, lost };
            let relays = Relays { to, finishing: answer.finishing };
            let finding = if answer.leaving { Finding::Leaving } else { Finding::Well };
            Probe { finding, relays }
        }
        // Somebody else has its address: whoever answers, it is not our instance.
        Ok(_) => found(Finding::Refused),
        Err(_) => found(Finding::Failed(0)),
    }
}

fn found(finding: Finding) -> Probe {
    Probe { finding, relays: Relays::default() }
}

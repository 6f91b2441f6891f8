//! Speaks to the admin API.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Request, Response, StatusCode, header};

use super::failure::Failure;
use super::place::Place;
use crate::admin::overview::Overview;
use crate::admin::requests::Requests;
use crate::admin::server::problem;
use crate::admin::timeline::Timeline;
use crate::cli::CLIENT_TIMEOUT;
use crate::metrics::HistoryView;
use crate::recorder::Glance;

/// The longest answer: the status of a thousand instances takes about half a megabyte.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A client of one `up`.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    place: Place,
}

/// An answer, as it came and as it is meant.
#[derive(Debug)]
pub(crate) struct Answer<T = Overview> {
    pub(crate) text: String,
    pub(crate) meant: T,
}

/// What an obeyed command answers.
#[derive(Deserialize)]
struct Obeyed {
    message: String,
}

impl Client {
    pub(crate) fn new(place: Place) -> Self {
        Self { agent: agent(), place }
    }

    /// The status now.
    pub(crate) fn status(&self) -> Result<Answer, Failure> {
        self.get("/v1/status")
    }

    /// The status as soon as it is not number `seen`, or after `wait`.
    pub(super) fn status_after(&self, seen: u64, wait: Duration) -> Result<Answer, Failure> {
        self.get(&format!("/v1/status?after={seen}&wait={}", wait.as_secs()))
    }

    /// The last so many incidents.
    pub(crate) fn incidents(&self, last: usize) -> Result<Answer<Timeline>, Failure> {
        self.get(&format!("/v1/incidents?last={last}"))
    }

    /// What the balancer has counted.
    pub(crate) fn requests(&self) -> Result<Requests, Failure> {
        Ok(self.get("/v1/requests")?.meant)
    }

    /// The traffic of the last quarter of an hour and of the last day.
    pub(super) fn history(&self) -> Result<HistoryView, Failure> {
        Ok(self.get("/v1/history")?.meant)
    }

    /// The traffic of this moment.
    pub(super) fn pace(&self) -> Result<Glance, Failure> {
        Ok(self.get("/v1/pace")?.meant)
    }

    /// Whether the controller itself may be broken.
    pub(crate) fn allows_chaos(&self) -> Result<bool, Failure> {
        match self.get::<Value>("/v1/chaos") {
            Ok(_) => Ok(true),
            Err(Failure::Refused { status: 404, .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Changes something; says what happens now.
    pub(crate) fn post(&self, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        post(&self.agent, &self.place, path, body)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Failure> {
        let address = self.place.address()?;
        let request = Request::get(format!("http://{address}{path}"));
        // Reading takes the token only from another machine; it may not be ours to read here.
        let request = match self.place.token() {
            Ok(token) => {
                request.header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()))
            }
            Err(_) => request,
        };
        let sent = request.body(()).map_err(ureq::Error::from);
        let sent = sent.and_then(|request| self.agent.run(request));
        let (status, text) = read(address, sent)?;
        if status != StatusCode::OK {
            return Err(refused(&self.place, address, status, &text));
        }
        let meant = serde_json::from_str(&text);
        let meant = meant.map_err(|error| stranger(address, &error))?;
        Ok(Answer { text, meant })
    }
}

/// Sends one command. `place` says anew where to: an `up` that is just starting writes it down.
pub(super) fn post(
    agent: &ureq::Agent,
    place: &Place,
    path: &str,
    body: Option<&Value>,
) -> Result<String, Failure> {
    let address = place.address()?;
    let token = place.token()?;
    let request = Request::post(format!("http://{address}{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.map(Value::to_string).unwrap_or_default());
    let sent = request.map_err(ureq::Error::from).and_then(|request| agent.run(request));
    let (status, text) = read(address, sent)?;
    if !status.is_success() {
        return Err(refused(place, address, status, &text));
    }
    let obeyed: Obeyed = serde_json::from_str(&text).map_err(|error| stranger(address, &error))?;
    Ok(obeyed.message)
}

/// What all requests have in common.
pub(super) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A proxy for the web does not come between us and this machine.
        .proxy(None)
        .timeout_global(Some(CLIENT_TIMEOUT))
        .build();
    config.into()
}

fn read(
    address: SocketAddr,
    sent: Result<Response<ureq::Body>, ureq::Error>,
) -> Result<(StatusCode, String), Failure> {
    let missed = |error: ureq::Error| match error {
        ureq::Error::Io(cause) => unreachable(address, &cause),
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => {
            Failure::Unreachable { address, reason: error.to_string() }
        }
        _ => stranger(address, &error),
    };
    let mut response = sent.map_err(missed)?;
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    Ok((response.status(), body.map_err(missed)?))
}

fn unreachable(address: SocketAddr, cause: &io::Error) -> Failure {
    let reason = match cause.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => cause.to_string(),
    };
    Failure::Unreachable { address, reason }
}

fn stranger(address: SocketAddr, error: &dyn std::error::Error) -> Failure {
    Failure::Stranger { address, reason: error.to_string() }
}

/// Why the request was not done, in the server's words if they are its words.
fn refused(place: &Place, address: SocketAddr, status: StatusCode, text: &str) -> Failure {
    match serde_json::from_str::<problem::Body>(text) {
        Ok(_) if status == StatusCode::UNAUTHORIZED && place.token().is_ok() => {
            Failure::WrongToken { address, file: place.token_file() }
        }
        Ok(problem) => Failure::Refused { status: status.as_u16(), error: problem.detail },
        Err(_) => Failure::Stranger { address, reason: status.to_string() },
    }
}

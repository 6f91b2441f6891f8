//! The routes that change something: each is one command to the controller.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::problem::Problem;
use super::routes::Api;
use crate::controller::{Answer, BACKENDS_MAX, Command, INSTANCES_MAX, Order, Refusal};
use crate::fleet::{Group, Slot};

/// How long the controller has to answer. It does so within a turn, which takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// When to try again after 503, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A command that was obeyed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Obeyed {
    /// What happens now, for people.
    message: String,
}

pub(super) type Outcome = Result<Json<Obeyed>, Problem>;

/// What a body came as, and its bytes.
pub(super) type Sent = (HeaderMap, Result<Bytes, BytesRejection>);

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scale {
    /// How many instances to keep from now on: 0 to 1000.
    Instances(u32),
    /// How many backends, if they share their data: 1 to 100.
    Backends(u32),
}

/// Sets the number of instances, or of backends, until `cloudaps up` is started again.
#[utoipa::path(post, path = "/v1/scale", tag = "orders", request_body = Scale, responses(
    (status = 200, description = "So many are kept from now on.", body = Obeyed),
    (status = 422, description = "The number is out of range."),
))]
pub(super) async fn scale(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Outcome {
    let example = format!(
        "{{\"instances\": N}} with N from 0 to {INSTANCES_MAX}, or {{\"backends\": N}} with N from \
         1 to {BACKENDS_MAX}"
    );
    let (group, size, unit) = match understood((headers, body), &example)? {
        Scale::Instances(size) => (Group::Instances, size, "instance"),
        Scale::Backends(size) => (Group::Backend, size, "backend"),
    };
    api.obey(|answer| Command::Scale(group, size, answer)).await?;
    let plural = if size == 1 { "" } else { "s" };
    done(format!("{size} {unit}{plural} from now on"))
}

/// The body, which is JSON like the example.
pub(super) fn understood<T: DeserializeOwned>(sent: Sent, example: &str) -> Result<T, Problem> {
    let (headers, body) = sent;
    let refuse = |status, detail| Problem::new(status, detail).allowed([example]);
    let body = body.map_err(|rejection| refuse(rejection.status(), rejection.body_text()))?;
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(is_json) {
        let detail = "the body has to be JSON: send `Content-Type: application/json`".to_owned();
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    serde_json::from_slice(&body).map_err(|error| {
        refuse(StatusCode::BAD_REQUEST, format!("the body is not what it should be: {error}"))
    })
}

fn is_json(media_type: &str) -> bool {
    let (essence, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Takes an instance out of the traffic, lets its requests end, then replaces it.
#[utoipa::path(post, path = "/v1/slots/{slot}/drain", tag = "orders", params(
    ("slot" = String, Path, description = "Such as `instance-0`.",
        pattern = "^(instance|backend)-(0|[1-9][0-9]{0,8})$"),
), responses(
    (status = 200, description = "It takes no new request.", body = Obeyed),
    (status = 400, description = "That is no slot."),
))]
pub(super) async fn drain(State(api): State<Arc<Api>>, Path(slot): Path<String>) -> Outcome {
    let slot = api.order(&slot, Order::Drain).await?;
    done(format!("{slot} takes no new request; it is replaced when those in flight have ended"))
}

/// Launches a successor for an instance first, then drains and ends the instance.
#[utoipa::path(post, path = "/v1/slots/{slot}/replace", tag = "orders", params(
    ("slot" = String, Path, description = "Such as `instance-0`.",
        pattern = "^(instance|backend)-(0|[1-9][0-9]{0,8})$"),
), responses(
    (status = 200, description = "It is being replaced.", body = Obeyed),
    (status = 400, description = "That is no slot."),
))]
pub(super) async fn replace(State(api): State<Arc<Api>>, Path(slot): Path<String>) -> Outcome {
    let slot = api.order(&slot, Order::Replace).await?;
    done(format!("{slot} is being replaced"))
}

/// Stops launching and ending instances; the traffic goes on, dead endpoints are still avoided.
#[utoipa::path(post, path = "/v1/pause", tag = "orders", responses(
    (status = 200, description = "It is paused.", body = Obeyed),
))]
pub(super) async fn pause(State(api): State<Arc<Api>>) -> Outcome {
    api.obey(Command::Pause).await?;
    done("paused: nothing is launched or ended until `cloudaps resume`; the traffic goes on")
}

/// Goes on after a pause, or after launches were frozen.
#[utoipa::path(post, path = "/v1/resume", tag = "orders", responses(
    (status = 200, description = "It goes on.", body = Obeyed),
))]
pub(super) async fn resume(State(api): State<Arc<Api>>) -> Outcome {
    api.obey(Command::Resume).await?;
    done("active: what is missing is launched, and what failed is replaced")
}

/// Drains and stops everything that `cloudaps up` started, and `up` itself.
///
/// Does not wait for the controller: it answers when it likes, and the status shows how far it is.
#[utoipa::path(post, path = "/v1/down", tag = "orders", responses(
    (status = 202, description = "Everything is being stopped.", body = Obeyed),
))]
pub(super) async fn down(
    State(api): State<Arc<Api>>,
) -> Result<(StatusCode, Json<Obeyed>), Problem> {
    let (answer, _) = oneshot::channel();
    api.send(Command::Down(answer))?;
    Ok((StatusCode::ACCEPTED, done("everything is being drained and stopped")?))
}

impl Api {
    /// Sends a command, and waits until it was obeyed or refused.
    async fn obey(&self, command: impl FnOnce(Answer) -> Command) -> Result<(), Problem> {
        let (answer, answered) = oneshot::channel();
        self.send(command(answer))?;
        match timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(result)) => result.map_err(Problem::from),
            Ok(Err(_)) => Err(ended()),
            Err(_) => Err(Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!("no answer within {ANSWER_TIMEOUT:?}; it may or may not be done"),
            )),
        }
    }

    async fn order(&self, slot: &str, order: Order) -> Result<Slot, Problem> {
        let parsed = slot.parse::<Slot>();
        let slot = parsed.map_err(|error| {
            let slots = ["instance-0", "instance-1", "…", "backend-0"];
            Problem::new(StatusCode::BAD_REQUEST, error.to_string()).allowed(slots)
        })?;
        self.obey(|answer| Command::Order(slot, order, answer)).await?;
        Ok(slot)
    }

    fn send(&self, command: Command) -> Result<(), Problem> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => {
                unavailable("too many commands wait to be obeyed; try again in a second")
            }
            TrySendError::Closed(_) => ended(),
        })
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Size(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                .allowed([format!("0 to {INSTANCES_MAX}")]),
            Refusal::Vacant { serving, .. } => {
                let slots = serving.split(", ").filter(|slot| !slot.is_empty());
                Self::new(StatusCode::CONFLICT, detail).allowed(slots)
            }
            Refusal::Foreign => {
                Self::new(StatusCode::CONFLICT, detail).allowed(["drain", "resume"])
            }
            Refusal::Backends(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                .allowed([format!("1 to {BACKENDS_MAX}")]),
            Refusal::Single(_) | Refusal::Stopping => Self::new(StatusCode::CONFLICT, detail),
        }
    }
}

pub(super) fn done(message: impl Into<String>) -> Outcome {
    Ok(Json(Obeyed { message: message.into() }))
}

fn ended() -> Problem {
    unavailable("the controller has ended: this `cloudaps up` is about to exit")
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(header::RETRY_AFTER, RETRY_AFTER)
}

//! The routes, and what each answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use super::problem::Problem;
use super::{Access, chaos, guard};
use crate::admin::overview::{Facts, Overview};
use crate::admin::requests::Requests;
use crate::admin::timeline::Timeline;
use crate::clock;
use crate::controller::{Answer, Command, INSTANCES_MAX, Order, Refusal};
use crate::exposition::{self, Format};
use crate::fleet::Slot;
use crate::incidents::{KEPT_MAX, Snapshot};
use crate::metrics::HistoryView;
use crate::provider::sabotage::Sabotage;
use crate::proxy::Meter;
use crate::recorder::{Glance, Recording};

/// How long the controller has to answer. It does so within a turn, which takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long `?after=` waits without `&wait=`: less than what proxies allow a silent answer (30 s).
const WAIT_DEFAULT: Duration = Duration::from_secs(25);

/// The longest `&wait=`, in seconds.
const WAIT_SECONDS_MAX: u64 = 60;

/// From a request's head to its answer's: the longest wait, and time for the body to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// The longest body: `{"instances":1000}` and all the blanks that anybody would add.
const BODY_BYTES_MAX: usize = 1024;

/// When to try again after 503, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// What an unknown path is told to be.
const ROUTES: [&str; 13] = [
    "GET /metrics",
    "GET /v1/health",
    "GET /v1/status",
    "GET /v1/incidents",
    "GET /v1/requests",
    "GET /v1/history",
    "GET /v1/pace",
    "POST /v1/scale",
    "POST /v1/slots/SLOT/drain",
    "POST /v1/slots/SLOT/replace",
    "POST /v1/pause",
    "POST /v1/resume",
    "POST /v1/down",
];

/// What the routes know.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) access: Access,
    pub(super) feed: Feed,
    pub(super) incidents: watch::Receiver<Snapshot>,
    pub(super) meter: Meter,
    pub(super) counted: exposition::Sources,
    pub(super) recording: Recording,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) facts: Facts,
    pub(super) shutdown: CancellationToken,
}

/// All routes. Every request passes the guard first, whether a route matches or not.
pub(super) fn router(api: Arc<Api>, sabotage: Option<Arc<Sabotage>>) -> Router {
    let admit = middleware::from_fn_with_state(Arc::clone(&api), guard::admit);
    Router::new()
        .route("/metrics", get(metrics))
        .route("/v1/health", get(health))
        .route("/v1/status", get(status))
        .route("/v1/incidents", get(incidents))
        .route("/v1/requests", get(requests))
        .route("/v1/history", get(history))
        .route("/v1/pace", get(pace))
        .route("/v1/scale", post(scale))
        .route("/v1/slots/{slot}/drain", post(drain))
        .route("/v1/slots/{slot}/replace", post(replace))
        .route("/v1/pause", post(pause))
        .route("/v1/resume", post(resume))
        .route("/v1/down", post(down))
        .merge(sabotage.map_or_else(Router::new, chaos::routes))
        .fallback(no_such_route)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(admit)
        .layer(middleware::from_fn(finish))
        .with_state(api)
}

// === Reading ===

async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusQuery {
    /// Wait until the revision is another.
    after: Option<u64>,
    /// For so many seconds at most.
    wait: Option<u64>,
}

async fn status(
    State(api): State<Arc<Api>>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Result<Json<Overview>, Problem> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection.body_text()))?;
    let wait = wait_of(&query)?;
    let latest = match query.after {
        None => api.feed.latest(),
        Some(seen) => tokio::select! {
            latest = api.feed.after(seen, wait) => latest,
            () = api.shutdown.cancelled() => api.feed.latest(),
        },
    };
    Ok(Json(Overview::new(latest.revision, &latest.status, api.facts, clock::now())))
}

fn wait_of(query: &StatusQuery) -> Result<Duration, Problem> {
    match query.wait {
        None => Ok(WAIT_DEFAULT),
        Some(seconds) if seconds <= WAIT_SECONDS_MAX => Ok(Duration::from_secs(seconds)),
        Some(seconds) => Err(bad_query(&format!("`wait={seconds}` is out of range"))),
    }
}

fn bad_query(error: &str) -> Problem {
    let wait = format!("wait=SECONDS, 0 to {WAIT_SECONDS_MAX}");
    Problem::new(StatusCode::BAD_REQUEST, error).allowed(["after=REVISION".to_owned(), wait])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentsQuery {
    /// Only so many, the newest.
    last: Option<usize>,
}

async fn incidents(
    State(api): State<Arc<Api>>,
    query: Result<Query<IncidentsQuery>, QueryRejection>,
) -> Result<Json<Timeline>, Problem> {
    let refuse = |error: &str| {
        let last = format!("last=N, 1 to {KEPT_MAX}");
        Problem::new(StatusCode::BAD_REQUEST, error).allowed([last])
    };
    let Query(query) = query.map_err(|rejection| refuse(&rejection.body_text()))?;
    let last = query.last.unwrap_or(KEPT_MAX);
    if !(1..=KEPT_MAX).contains(&last) {
        return Err(refuse(&format!("`last={last}` is out of range")));
    }
    let snapshot = Arc::clone(&api.incidents.borrow());
    Ok(Json(Timeline::new(&snapshot, last)))
}

async fn requests(State(api): State<Arc<Api>>) -> Json<Requests> {
    Json(api.meter.read().into())
}

/// For Prometheus and what understands it.
async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::preferred(accept.unwrap_or_default());
    ([(header::CONTENT_TYPE, format.content_type())], api.counted.expose(format)).into_response()
}

async fn history(State(api): State<Arc<Api>>) -> Json<HistoryView> {
    Json(api.recording.history())
}

async fn pace(State(api): State<Arc<Api>>) -> Json<Glance> {
    Json(Glance::clone(&api.recording.latest()))
}

// === Changing ===

/// A command that was obeyed.
#[derive(Serialize)]
pub(super) struct Obeyed {
    /// What happens now, for people.
    message: String,
}

pub(super) type Outcome = Result<Json<Obeyed>, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleBody {
    instances: u32,
}

async fn scale(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Outcome {
    let example = format!("{{\"instances\": N}} with N from 0 to {INSTANCES_MAX}");
    let ScaleBody { instances } = understood(body, &example)?;
    api.obey(|answer| Command::Scale(instances, answer)).await?;
    done(format!("{} from now on", count(instances)))
}

/// The body, which is JSON like the example.
pub(super) fn understood<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
    example: &str,
) -> Result<T, Problem> {
    let refuse = |status, error| Problem::new(status, error).allowed([example]);
    let body = body.map_err(|rejection| refuse(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| {
        refuse(StatusCode::BAD_REQUEST, format!("the body is not what it should be: {error}"))
    })
}

async fn drain(State(api): State<Arc<Api>>, Path(slot): Path<String>) -> Outcome {
    let slot = api.order(&slot, Order::Drain).await?;
    done(format!("{slot} takes no new request; it is replaced when those in flight have ended"))
}

async fn replace(State(api): State<Arc<Api>>, Path(slot): Path<String>) -> Outcome {
    let slot = api.order(&slot, Order::Replace).await?;
    done(format!("{slot} is being replaced"))
}

async fn pause(State(api): State<Arc<Api>>) -> Outcome {
    api.obey(Command::Pause).await?;
    done("paused: nothing is launched or ended until `cloudaps resume`; the traffic goes on")
}

async fn resume(State(api): State<Arc<Api>>) -> Outcome {
    api.obey(Command::Resume).await?;
    done("active: what is missing is launched, and what failed is replaced")
}

/// Does not wait for the controller: it answers when it likes, and `status` shows how far it is.
async fn down(State(api): State<Arc<Api>>) -> Result<(StatusCode, Json<Obeyed>), Problem> {
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
        let error = refusal.to_string();
        match refusal {
            Refusal::Size(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
                .allowed([format!("0 to {INSTANCES_MAX}")]),
            Refusal::Vacant { serving, .. } => {
                let slots = serving.split(", ").filter(|slot| !slot.is_empty());
                Self::new(StatusCode::CONFLICT, error).allowed(slots)
            }
            Refusal::Foreign => Self::new(StatusCode::CONFLICT, error).allowed(["drain", "resume"]),
            Refusal::Stopping => Self::new(StatusCode::CONFLICT, error),
        }
    }
}

pub(super) fn done(message: impl Into<String>) -> Outcome {
    Ok(Json(Obeyed { message: message.into() }))
}

fn ended() -> Problem {
    unavailable("the controller has ended: this `cloudaps up` is about to exit")
}

fn unavailable(error: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error).header(header::RETRY_AFTER, RETRY_AFTER)
}

fn count(instances: u32) -> String {
    match instances {
        1 => "1 instance".to_owned(),
        some => format!("{some} instances"),
    }
}

// === For every route ===

async fn no_such_route(uri: Uri) -> Problem {
    let error = format!("there is no `{}`", uri.path());
    Problem::new(StatusCode::NOT_FOUND, error).allowed(ROUTES)
}

/// Bounds the time of a request, and gives every answer what all have in common.
async fn finish(request: Request, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let mut response = match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            wrong_method(&what, &response)
        }
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time")
            .into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The router knows which methods a path has, and says so in `Allow`.
fn wrong_method(what: &str, response: &Response) -> Response {
    let allow = response.headers().get(header::ALLOW).cloned();
    let allow = allow.unwrap_or_else(|| HeaderValue::from_static(""));
    let methods: Vec<String> =
        allow.to_str().unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect();
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{what} is not possible"))
        .allowed(methods)
        .header(header::ALLOW, allow)
        .into_response()
}

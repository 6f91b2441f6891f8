//! The routes that only show something.
#![expect(unused_qualifications, reason = "the macro for the document writes them")]

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::guard::Shown;
use super::problem::Problem;
use super::routes::Api;
use crate::admin::overview::Overview;
use crate::admin::requests::Requests;
use crate::admin::settings::Setting;
use crate::admin::timeline::Timeline;
use crate::clock;
use crate::exposition::Format;
use crate::incidents::KEPT_MAX;
use crate::metrics::HistoryView;
use crate::recorder::Glance;

/// How long `?after=` waits without `&wait=`: less than what proxies allow a silent answer (30 s).
const WAIT_DEFAULT: Duration = Duration::from_secs(25);

/// The largest revision: JSON's numbers are exact no further (2^53 - 1).
const REVISION_MAX: u64 = 9_007_199_254_740_991;

/// The longest `&wait=`, in seconds.
const WAIT_SECONDS_MAX: u64 = 60;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatusQuery {
    /// Wait until the revision is another one than this.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<u64>,
    /// For so many seconds at most.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// The fleet as it is, or as soon as it is another one than was seen before.
#[utoipa::path(get, path = "/v1/status", tag = "fleet", params(StatusQuery), responses(
    (status = 200, description = "The fleet.", body = Overview),
    (status = 400, description = "The query is not understood."),
))]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Result<Json<Overview>, Problem> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection.body_text()))?;
    let wait = wait_of(&query)?;
    if let Some(after) = query.after.filter(|after| *after > REVISION_MAX) {
        return Err(bad_query(&format!("`after={after}` is out of range")));
    }
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

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct IncidentsQuery {
    /// Only so many, the newest.
    #[param(minimum = 1, maximum = 1000)]
    last: Option<usize>,
}

/// What failed, and when each step of its repair was taken.
#[utoipa::path(get, path = "/v1/incidents", tag = "fleet", params(IncidentsQuery), responses(
    (status = 200, description = "The incidents, oldest first.", body = Timeline),
    (status = 400, description = "The query is not understood."),
))]
pub(super) async fn incidents(
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

/// What the balancer has counted since this `cloudaps up` began.
#[utoipa::path(get, path = "/v1/requests", tag = "traffic", responses(
    (status = 200, description = "The counts.", body = Requests),
))]
pub(super) async fn requests(State(api): State<Arc<Api>>) -> Json<Requests> {
    Json(api.meter.read().into())
}

/// The traffic of the last quarter of an hour by the second, and of the last day by the minute.
#[utoipa::path(get, path = "/v1/history", tag = "traffic", responses(
    (status = 200, description = "Both, in columns.", body = HistoryView),
))]
pub(super) async fn history(State(api): State<Arc<Api>>) -> Json<HistoryView> {
    Json(api.recording.history())
}

/// The last second that is over, and how fast each slot works.
#[utoipa::path(get, path = "/v1/pace", tag = "traffic", responses(
    (status = 200, description = "The traffic of this moment.", body = Glance),
))]
pub(super) async fn pace(State(api): State<Arc<Api>>) -> Json<Glance> {
    Json(Glance::clone(&api.recording.latest()))
}

/// What is counted, for Prometheus and what understands it.
#[utoipa::path(get, path = "/metrics", tag = "traffic", responses(
    (status = 200, description = "Prometheus' text, or OpenMetrics if it is preferred.", content(
        (String = "text/plain"),
        (String = "application/openmetrics-text"),
    )),
))]
pub(super) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::preferred(accept.unwrap_or_default());
    ([(header::CONTENT_TYPE, format.content_type())], api.counted.expose(format)).into_response()
}

/// What the configuration means, with every default filled in and every secret hidden.
#[utoipa::path(get, path = "/v1/settings", tag = "fleet", responses(
    (status = 200, description = "The settings, by their keys.", body = [Setting]),
))]
pub(super) async fn settings(State(api): State<Arc<Api>>) -> Json<Vec<Setting>> {
    Json(api.settings.clone())
}

/// What a request that shows this token may do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Permission {
    /// Whether it may change something.
    may_change: bool,
}

/// Whether the token that the request shows, if it shows one, is ours.
#[utoipa::path(get, path = "/v1/access", tag = "fleet", responses(
    (status = 200, description = "What the token is good for.", body = Permission),
))]
pub(super) async fn access(Extension(shown): Extension<Shown>) -> Json<Permission> {
    Json(Permission { may_change: shown == Shown::Token })
}

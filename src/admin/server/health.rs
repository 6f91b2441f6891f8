//! What a supervisor or another balancer asks: does it live, and does it serve? Anybody may ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::routes::Api;
use crate::fleet::Operation;

/// That it lives or is ready.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Condition {
    /// `ok`.
    status: String,
}

impl Condition {
    fn ok() -> Json<Self> {
        Json(Self { status: "ok".to_owned() })
    }
}

/// Whether the process lives: it answers.
#[utoipa::path(get, path = "/livez", tag = "health", responses(
    (status = 200, description = "It lives.", body = Condition),
))]
pub(super) async fn livez() -> Json<Condition> {
    Condition::ok()
}

/// Whether it is worth sending it traffic: at least one instance serves, and nothing is stopping.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Requests are served.", body = Condition),
    (status = 503, description = "No instance serves, or everything is being stopped."),
))]
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<Json<Condition>, Problem> {
    let refuse = |detail: &str| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    let status = api.feed.latest().status;
    match (status.operation, status.serving()) {
        (Operation::Stopping, _) => refuse("everything is being stopped"),
        (_, 0) => refuse("no instance serves yet"),
        _ => Ok(Condition::ok()),
    }
}

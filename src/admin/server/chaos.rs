//! Faults that only the controller itself can have. These routes are there only if `up` was started
//! with `--allow-chaos`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{Obeyed, Outcome, done, understood};
use super::problem::Problem;
use super::routes::Api;
use crate::provider::sabotage::{LAUNCHES_MAX, LISTS_LOST_MAX, Sabotage};

/// The routes for the faults of this sabotage.
pub(super) fn routes(sabotage: Arc<Sabotage>) -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(allowed))
        .routes(routes!(lose_lists))
        .routes(routes!(fail_launches))
        .with_state(sabotage)
}

/// That the controller may be broken.
#[derive(Serialize, ToSchema)]
struct Allowed {
    /// It may.
    allowed: bool,
}

/// Whether the controller itself may be broken; this route is not there if it may not.
#[utoipa::path(get, path = "/v1/chaos", tag = "chaos", responses(
    (status = 200, description = "It may.", body = Allowed),
))]
async fn allowed() -> Json<Allowed> {
    Json(Allowed { allowed: true })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Lists {
    /// For how long no listing is answered.
    #[schema(minimum = 0, maximum = 60_000)]
    lost_for_ms: u64,
}

/// Lets every listing of the provider fail for a while.
#[utoipa::path(post, path = "/v1/chaos/lists", tag = "chaos", request_body = Lists, responses(
    (status = 200, description = "They fail from now on.", body = Obeyed),
    (status = 422, description = "The time is out of range."),
))]
async fn lose_lists(
    State(sabotage): State<Arc<Sabotage>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Outcome {
    let most = LISTS_LOST_MAX.as_millis();
    let example = format!("{{\"lost_for_ms\": N}} with N from 0 to {most}");
    let Lists { lost_for_ms } = understood((headers, body), &example)?;
    let time = Duration::from_millis(lost_for_ms);
    if time > LISTS_LOST_MAX {
        return Err(out_of_range(lost_for_ms, example));
    }
    tracing::warn!("chaos: listings are lost for {time:?}");
    sabotage.lose_lists(time);
    done(format!("listings are lost for {lost_for_ms} ms"))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Launches {
    /// How many launches from now on fail.
    #[schema(minimum = 0, maximum = 100)]
    fail: u32,
}

/// Lets the next launches fail.
#[utoipa::path(post, path = "/v1/chaos/launches", tag = "chaos", request_body = Launches,
    responses(
        (status = 200, description = "So many fail.", body = Obeyed),
        (status = 422, description = "The number is out of range."),
    )
)]
async fn fail_launches(
    State(sabotage): State<Arc<Sabotage>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Outcome {
    let example = format!("{{\"fail\": N}} with N from 0 to {LAUNCHES_MAX}");
    let Launches { fail } = understood((headers, body), &example)?;
    if fail > LAUNCHES_MAX {
        return Err(out_of_range(fail.into(), example));
    }
    tracing::warn!("chaos: the next {fail} launches fail");
    sabotage.fail_launches(fail);
    done(format!("the next {fail} launches fail"))
}

fn out_of_range(value: u64, example: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{value} is out of range"))
        .allowed([example])
}

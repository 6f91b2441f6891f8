//! Faults that only the controller itself can have. These routes are there only if `up` was started
//! with `--allow-chaos`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::problem::Problem;
use super::routes::{Api, Outcome, done, understood};
use crate::provider::sabotage::{LAUNCHES_MAX, LISTS_LOST_MAX, Sabotage};

/// The routes for the faults of this sabotage.
pub(super) fn routes(sabotage: Arc<Sabotage>) -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/chaos", get(allowed))
        .route("/v1/chaos/lists", post(lose_lists))
        .route("/v1/chaos/launches", post(fail_launches))
        .with_state(sabotage)
}

async fn allowed() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "allowed": true }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    /// For how long no listing is answered.
    lost_for_ms: u64,
}

async fn lose_lists(
    State(sabotage): State<Arc<Sabotage>>,
    body: Result<Bytes, BytesRejection>,
) -> Outcome {
    let most = LISTS_LOST_MAX.as_millis();
    let example = format!("{{\"lost_for_ms\": N}} with N from 0 to {most}");
    let Lists { lost_for_ms } = understood(body, &example)?;
    let time = Duration::from_millis(lost_for_ms);
    if time > LISTS_LOST_MAX {
        return Err(out_of_range(lost_for_ms, example));
    }
    tracing::warn!("chaos: listings are lost for {time:?}");
    sabotage.lose_lists(time);
    done(format!("listings are lost for {lost_for_ms} ms"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Launches {
    /// How many launches from now on fail.
    fail: u32,
}

async fn fail_launches(
    State(sabotage): State<Arc<Sabotage>>,
    body: Result<Bytes, BytesRejection>,
) -> Outcome {
    let example = format!("{{\"fail\": N}} with N from 0 to {LAUNCHES_MAX}");
    let Launches { fail } = understood(body, &example)?;
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

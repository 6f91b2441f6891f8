//! The routes, and what stands before them.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use axum::{Json, Router, middleware};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::events::Events;
use super::feed::Feed;
use super::guard::Hosts;
use super::problem::Problem;
use super::{Access, change, chaos, events, guard, headers, health, openapi, page, read};
use crate::admin::overview::Facts;
use crate::admin::settings::Setting;
use crate::controller::Command;
use crate::exposition;
use crate::incidents::Snapshot;
use crate::provider::sabotage::Sabotage;
use crate::proxy::Meter;
use crate::recorder::Recording;

/// The longest body: `{"instances":1000}` and all the blanks that anybody would add.
const BODY_BYTES_MAX: usize = 1024;

/// What the routes know.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) access: Access,
    pub(super) hosts: Hosts,
    pub(super) events: Events,
    pub(super) feed: Feed,
    pub(super) incidents: watch::Receiver<Snapshot>,
    pub(super) meter: Meter,
    pub(super) counted: exposition::Sources,
    pub(super) recording: Recording,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) facts: Facts,
    pub(super) settings: Vec<Setting>,
    pub(super) shutdown: CancellationToken,
}

/// All routes. Every request passes the guard first, whether a route matches or not.
pub(super) fn router(api: Arc<Api>, sabotage: Option<Arc<Sabotage>>) -> Router {
    let admit = middleware::from_fn_with_state(Arc::clone(&api), guard::admit);
    let chaos = sabotage.map_or_else(OpenApiRouter::new, chaos::routes);
    let (router, document) = documented().merge(chaos).split_for_parts();
    let document = Arc::new(openapi::complete(document));
    router
        .route("/v1/openapi.json", get(async move || document_of(&document)))
        .merge(page::routes())
        .fallback(no_such_route)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(admit)
        .layer(middleware::from_fn(headers::finish))
        .with_state(api)
}

/// What each of these takes and answers stands where it is written, and from there comes the
/// document.
fn documented() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(read::status))
        .routes(routes!(read::incidents))
        .routes(routes!(read::requests))
        .routes(routes!(read::history))
        .routes(routes!(read::pace))
        .routes(routes!(read::metrics))
        .routes(routes!(events::events))
        .routes(routes!(read::settings))
        .routes(routes!(read::access))
        .routes(routes!(change::scale))
        .routes(routes!(change::drain))
        .routes(routes!(change::replace))
        .routes(routes!(change::pause))
        .routes(routes!(change::resume))
        .routes(routes!(change::down))
}

fn document_of(document: &OpenApi) -> Json<OpenApi> {
    Json(document.clone())
}

async fn no_such_route(uri: Uri) -> Problem {
    let detail = format!("there is no `{}`", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail)
        .allowed(["what `GET /v1/openapi.json` describes".to_owned()])
}

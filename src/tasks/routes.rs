//! The routes, and what each answers. The original's client asks at `/`, its catch-all at
//! `/Tarefa/`, and who speaks English at `/tasks`: all are the same resource, but `GET /` says
//! only that the service is up.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};

use super::body::{self, TaskBody, TaskInput, TaskPatch};
use super::in_flight::InFlight;
use super::input::{self, BODY_BYTES_MAX, Id, IfMatch, Key, PageQuery, Payload, Resource};
use super::problem::Problem;
use super::store::{Listed, Store};
use super::{docs, openapi};
use crate::boot::INSTANCE_HEADER;

/// How long one request may take, from its head to its answer's: what a slow disk may need, and
/// well within the time that a connection may make no progress.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the store may take to show that it is there: less than whoever asks (`up`: 500 ms)
/// waits for the answer.
const CHECK_TIMEOUT: Duration = Duration::from_millis(400);

/// What all routes share.
pub(super) struct Api<S> {
    store: Arc<S>,
    keys: InFlight,
    /// Our own name, for who asks how we are.
    instance: Option<HeaderValue>,
}

/// All routes over one store. `instance` is repeated to who asks how it is.
pub(super) fn router<S: Store>(store: Arc<S>, instance: Option<&str>) -> Router {
    // A name that no header can hold is nobody's that asks.
    let instance = instance.and_then(|name| HeaderValue::from_str(name).ok());
    let mut router = Router::new()
        .route("/", get(alive).post(add::<S>))
        .route("/{id}", one::<S>())
        .route("/{id}/", one::<S>())
        .route("/openapi.json", get(openapi::answer))
        .route("/docs", get(docs::answer))
        .route("/healthcheck", get(healthcheck::<S>))
        .route("/healthcheck/", get(healthcheck::<S>));
    for name in ["/Tarefa", "/tasks"] {
        router = router
            .route(name, get(list::<S>).post(add::<S>))
            .route(&format!("{name}/"), get(list::<S>).post(add::<S>))
            .route(&format!("{name}/{{id}}"), one::<S>())
            .route(&format!("{name}/{{id}}/"), one::<S>());
    }
    router
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(in_time))
        .with_state(Arc::new(Api { store, keys: InFlight::default(), instance }))
}

fn one<S: Store>() -> MethodRouter<Arc<Api<S>>> {
    get(show::<S>).put(replace::<S>).patch(patch::<S>).delete(remove::<S>)
}

/// Says that the service is up, without asking the store.
#[utoipa::path(get, path = "/", tag = "health", responses(
    (status = 200, description = "It is.", body = String, example = "200"),
))]
pub(super) async fn alive() -> &'static str {
    "200"
}

/// Says whether the store answers within 400 ms.
#[utoipa::path(get, path = "/healthcheck/", tag = "health", responses(
    (status = 200, description = "It does.", body = String, example = "200"),
))]
pub(super) async fn healthcheck<S: Store>(
    State(api): State<Arc<Api<S>>>,
) -> Result<Response, Problem> {
    match tokio::time::timeout(CHECK_TIMEOUT, api.store.check()).await {
        Ok(checked) => {
            checked?;
            let name = api.instance.clone().map(|name| [(INSTANCE_HEADER, name)]);
            Ok((name, "200").into_response())
        }
        Err(_) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the store did not answer within {CHECK_TIMEOUT:?}"),
        )),
    }
}

/// Adds a task.
///
/// With an `Idempotency-Key` it is safe to repeat: within 24 hours the same key adds one task,
/// and every further answer shows that task as it is then.
#[utoipa::path(post, path = "/Tarefa/", tag = "tasks",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this one wish.",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = TaskInput,
    responses(
        (status = 201, description = "It was added, now or with this key before.", body = TaskBody,
            headers(("Location" = String, description = "Where it is."),
                ("ETag" = String, description = "Its state."))),
        (status = 409, description = "A request with this key is being carried out."),
        (status = 410, description = "The task that this key added was removed since."),
    ))]
pub(super) async fn add<S: Store>(
    State(api): State<Arc<Api<S>>>,
    Resource(resource): Resource,
    Key(key): Key,
    payload: Payload,
) -> Result<Response, Problem> {
    let new = payload.new_task(key.clone())?;
    let claim = key.map(|key| api.keys.claim(key).ok_or_else(in_use)).transpose()?;
    let task = api.store.add(new).await?;
    drop(claim);
    let location = [(header::LOCATION, format!("{resource}{}", task.id))];
    Ok((StatusCode::CREATED, location, body::tagged(task)).into_response())
}

/// Lists tasks in the order of their numbers.
///
/// A page may have fewer tasks than `limit`, or none, although the list goes on: the header
/// `Link` says whether it does, and where.
#[utoipa::path(get, path = "/Tarefa/", tag = "tasks",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000,
            description = "Most tasks of the page; 100 if left out."),
        ("after" = Option<i64>, Query, minimum = 0,
            description = "Only tasks with a greater number: where a `Link` goes on."),
        ("search" = Option<String>, Query, min_length = 1, max_length = 1024,
            description = "Only tasks whose text contains this, in upper or lower case."),
    ),
    responses(
        (status = 200, description = "A page.", body = Vec<TaskBody>,
            headers(("Link" = Option<String>, description = "`<URL>; rel=\"next\"`."))),
    ))]
pub(super) async fn list<S: Store>(
    State(api): State<Arc<Api<S>>>,
    Resource(resource): Resource,
    PageQuery(page): PageQuery,
) -> Result<Response, Problem> {
    let more = input::query(&page);
    let Listed { tasks, next } = api.store.list(page).await?;
    let bodies: Vec<TaskBody> = tasks.into_iter().map(TaskBody::from).collect();
    // Where the list goes on (RFC 8288), if it does.
    let link = next
        .map(|after| [(header::LINK, format!("<{resource}?{more}&after={after}>; rel=\"next\""))]);
    Ok((link, Json(bodies)).into_response())
}

/// Shows a task.
#[utoipa::path(get, path = "/Tarefa/{id}", tag = "tasks",
    params(("id" = i64, Path, description = "Its number.", minimum = 0),
        ("If-None-Match" = Option<String>, Header,
            description = "Answer only if its state is none of these.")),
    responses(
        (status = 200, description = "The task.", body = TaskBody,
            headers(("ETag" = String, description = "Its state."))),
        (status = 304, description = "Its state is one of those."),
    ))]
pub(super) async fn show<S: Store>(
    State(api): State<Arc<Api<S>>>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let task = api.store.get(id).await?;
    let tag = task.tag();
    if input::is_known(&headers, tag) {
        let tag = [(header::ETAG, body::etag(tag))];
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok(body::tagged(task))
}

/// Replaces a task's text, and whether it is done if that is said.
#[utoipa::path(put, path = "/Tarefa/{id}", tag = "tasks",
    params(("id" = i64, Path, description = "Its number.", minimum = 0),
        ("If-Match" = Option<String>, Header,
            pattern = r#"^(\*|(W/)?"[!#-+\--~]*"(, (W/)?"[!#-+\--~]*")*)$"#,
            description = "Change it only in one of these states.")),
    request_body = TaskInput,
    responses(
        (status = 200, description = "The task as it is now.", body = TaskBody,
            headers(("ETag" = String, description = "Its state."))),
        (status = 412, description = "It is in another state; nothing was done."),
    ))]
pub(super) async fn replace<S: Store>(
    State(api): State<Arc<Api<S>>>,
    Id(id): Id,
    IfMatch(condition): IfMatch,
    payload: Payload,
) -> Result<Response, Problem> {
    let edit = payload.replacement(id)?;
    Ok(body::tagged(api.store.change(id, edit, condition).await?))
}

/// Changes what is said of a task, and nothing else.
#[utoipa::path(patch, path = "/Tarefa/{id}", tag = "tasks",
    params(("id" = i64, Path, description = "Its number.", minimum = 0),
        ("If-Match" = Option<String>, Header,
            pattern = r#"^(\*|(W/)?"[!#-+\--~]*"(, (W/)?"[!#-+\--~]*")*)$"#,
            description = "Change it only in one of these states.")),
    request_body = TaskPatch,
    responses(
        (status = 200, description = "The task as it is now.", body = TaskBody,
            headers(("ETag" = String, description = "Its state."))),
        (status = 412, description = "It is in another state; nothing was done."),
    ))]
pub(super) async fn patch<S: Store>(
    State(api): State<Arc<Api<S>>>,
    Id(id): Id,
    IfMatch(condition): IfMatch,
    payload: Payload,
) -> Result<Response, Problem> {
    let edit = payload.patch(id)?;
    Ok(body::tagged(api.store.change(id, edit, condition).await?))
}

/// Removes a task. Its number is never given again.
#[utoipa::path(delete, path = "/Tarefa/{id}", tag = "tasks",
    params(("id" = i64, Path, description = "Its number.", minimum = 0),
        ("If-Match" = Option<String>, Header,
            pattern = r#"^(\*|(W/)?"[!#-+\--~]*"(, (W/)?"[!#-+\--~]*")*)$"#,
            description = "Remove it only in one of these states.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It is in another state; nothing was done."),
    ))]
pub(super) async fn remove<S: Store>(
    State(api): State<Arc<Api<S>>>,
    Id(id): Id,
    IfMatch(condition): IfMatch,
) -> Result<StatusCode, Problem> {
    api.store.remove(id, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn in_use() -> Problem {
    let what = "a request with this Idempotency-Key is being carried out";
    Problem::field(StatusCode::CONFLICT, "Idempotency-Key", what, "is to ask again in a second")
}

async fn no_such_page(uri: Uri) -> Problem {
    let path = uri.path();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is no `{path}`: there are /Tarefa/, /Tarefa/ID, the same under /tasks, \
             /healthcheck/, /openapi.json and /docs"
        ),
    )
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path = uri.path();
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not allowed on `{path}`: the header Allow says what is"),
    )
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!("not done within {REQUEST_TIMEOUT:?}; a write may or may not have been done"),
        )
        .into_response(),
    }
}

//! The routes, and what each answers. The original's client asks at `/`, its catch-all at
//! `/Tarefa/`: the two are the same resource, but `GET /` says only that the service is up.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde::Serialize;

use super::input::{BODY_BYTES_MAX, Id, Key, PageQuery, Payload};
use super::problem::Problem;
use super::store::{Listed, Page, Rest, Store};
use super::task::{Task, TaskId};

/// How long one request may take, from its head to its answer's: what a slow disk may need, and
/// well within the time that a connection may make no progress.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The last second of the year 9999, beyond which RFC 3339 has no words.
const LAST_SECOND: u64 = 253_402_300_799;

/// How long the store may take to show that it is there: less than whoever asks (`up`: 500 ms)
/// waits for the answer.
const CHECK_TIMEOUT: Duration = Duration::from_millis(400);

/// A task as it is sent.
#[derive(Serialize)]
struct TaskBody {
    id: i64,
    text: String,
    done: bool,
    /// RFC 3339, in UTC.
    created: String,
    /// Likewise.
    updated: String,
}

/// All routes over one store.
pub(super) fn router<S: Store>(store: Arc<S>) -> Router {
    Router::new()
        .route("/", get(alive).post(add::<S>))
        .route("/healthcheck", get(healthcheck::<S>))
        .route("/healthcheck/", get(healthcheck::<S>))
        .route("/Tarefa", get(list::<S>).post(add::<S>))
        .route("/Tarefa/", get(list::<S>).post(add::<S>))
        .route("/Tarefa/{id}", one::<S>())
        .route("/Tarefa/{id}/", one::<S>())
        .route("/{id}", one::<S>())
        .route("/{id}/", one::<S>())
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(in_time))
        .with_state(store)
}

fn one<S: Store>() -> MethodRouter<Arc<S>> {
    get(show::<S>).put(replace::<S>).patch(patch::<S>).delete(remove::<S>)
}

async fn alive() -> &'static str {
    "200"
}

async fn healthcheck<S: Store>(State(store): State<Arc<S>>) -> Result<&'static str, Problem> {
    match tokio::time::timeout(CHECK_TIMEOUT, store.check()).await {
        Ok(checked) => Ok(checked.map(|()| "200")?),
        Err(_) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the store did not answer within {CHECK_TIMEOUT:?}"),
        )),
    }
}

async fn add<S: Store>(
    State(store): State<Arc<S>>,
    Key(key): Key,
    payload: Payload,
) -> Result<Response, Problem> {
    let task = TaskBody::from(store.add(payload.new_task(key)?).await?);
    let location = [(header::LOCATION, format!("/Tarefa/{}", task.id))];
    Ok((StatusCode::CREATED, location, Json(task)).into_response())
}

async fn list<S: Store>(
    State(store): State<Arc<S>>,
    PageQuery(page): PageQuery,
) -> Result<Response, Problem> {
    let Listed { tasks, rest } = store.list(page).await?;
    let next = next_page(page, rest, tasks.last());
    let bodies: Vec<TaskBody> = tasks.into_iter().map(TaskBody::from).collect();
    let link = next.map(|url| [(header::LINK, format!("<{url}>; rel=\"next\""))]);
    Ok((link, Json(bodies)).into_response())
}

/// Where the list goes on (RFC 8288), if it does.
fn next_page(page: Page, rest: Rest, last: Option<&Task>) -> Option<String> {
    match (rest, last) {
        (Rest::More, Some(Task { id: TaskId(after), .. })) => {
            Some(format!("/Tarefa/?limit={}&after={after}", page.limit))
        }
        (Rest::More, None) | (Rest::None, _) => None,
    }
}

async fn show<S: Store>(
    State(store): State<Arc<S>>,
    Id(id): Id,
) -> Result<Json<TaskBody>, Problem> {
    Ok(Json(store.get(id).await?.into()))
}

async fn replace<S: Store>(
    State(store): State<Arc<S>>,
    Id(id): Id,
    payload: Payload,
) -> Result<Json<TaskBody>, Problem> {
    Ok(Json(store.change(id, payload.replacement(id)?).await?.into()))
}

async fn patch<S: Store>(
    State(store): State<Arc<S>>,
    Id(id): Id,
    payload: Payload,
) -> Result<Json<TaskBody>, Problem> {
    Ok(Json(store.change(id, payload.patch(id)?).await?.into()))
}

async fn remove<S: Store>(State(store): State<Arc<S>>, Id(id): Id) -> Result<StatusCode, Problem> {
    store.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn no_such_page(uri: Uri) -> Problem {
    let path = uri.path();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is no `{path}`: there are /, /healthcheck/, /Tarefa/ and /Tarefa/ID"),
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

impl From<Task> for TaskBody {
    fn from(task: Task) -> Self {
        let time = |since_1970| {
            // What a damaged or foreign row holds need not be a time that can be written.
            let longest = Duration::from_secs(LAST_SECOND);
            let time = UNIX_EPOCH + longest.min(since_1970);
            humantime::format_rfc3339_millis(time).to_string()
        };
        let (created, updated) = (time(task.created), time(task.updated));
        Self { id: task.id.0, text: task.text, done: task.done, created, updated }
    }
}

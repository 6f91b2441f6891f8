//! Reads what a request says: the task's number, its text in any of the accepted forms, the
//! idempotency key, the page.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::problem::Problem;
use super::store::Page;
use super::task::{IdempotencyKey, InvalidKey, TaskId, VALUE_BYTES_MAX, Value};
use super::{form, legacy};

/// The largest body: JSON may write each byte of a text as `\u00XX`, and needs a few around it.
pub(super) const BODY_BYTES_MAX: usize = VALUE_BYTES_MAX * 6 + 1024;

/// How many tasks a page has when the request does not say.
const LIMIT_DEFAULT: usize = 100;

/// Most tasks of a page, so that one request never keeps the store for long.
const LIMIT_MAX: usize = 1000;

/// What the text of a request is for; it decides which forms are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A task to be added.
    Add,
    /// This task's text is to be replaced.
    Replace(TaskId),
}

/// The task that the path names.
pub(super) struct Id(pub(super) TaskId);

/// The page that the query asks for.
pub(super) struct PageQuery(pub(super) Page);

/// The key that makes the request safe to repeat.
pub(super) struct Key(pub(super) Option<IdempotencyKey>);

/// The body, not yet understood.
pub(super) struct Payload {
    media: Media,
    body: Bytes,
}

/// What the body claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    /// A form, which `curl -d` also says of JSON; or nothing was said.
    FormOrUnsaid,
}

/// The JSON object with a task's text. Other members are ignored, so that a task can be sent back
/// as it was received.
#[derive(Deserialize)]
struct Object {
    value: String,
}

impl Payload {
    /// The text that the body carries.
    pub(super) fn value(&self, purpose: Purpose) -> Result<Value, Problem> {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        let text = match (self.media, first) {
            (_, Some(b'"')) => string_text(&self.body)?,
            (_, Some(b'{')) | (Media::Json, _) => object_text(&self.body)?,
            (Media::FormOrUnsaid, _) => form_text(&self.body, purpose)?,
        };
        Ok(Value::new(text)?)
    }
}

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media = media(request.headers())?;
        let body = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        Ok(Self { media, body })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        Ok(Self(text.parse()?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut sent = parts.headers.get_all("idempotency-key").iter();
        match (sent.next(), sent.next()) {
            (None, _) => Ok(Self(None)),
            (Some(key), None) => Ok(Self(Some(IdempotencyKey::new(key.as_bytes())?))),
            (Some(_), Some(_)) => Err(InvalidKey.into()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        page(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn page(query: &str) -> Result<Page, Problem> {
    let mut page = Page { after: TaskId(0), limit: LIMIT_DEFAULT };
    for (name, value) in form::pairs(query.as_bytes()).map_err(|error| bad(error.to_string()))? {
        match name.as_str() {
            "after" => page.after = value.parse()?,
            "limit" => page.limit = limit(&value)?,
            _ => {
                return Err(bad(format!("`{name}`: allowed in the query are `limit` and `after`")));
            }
        }
    }
    Ok(page)
}

fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| bad(format!("`limit={text}`: allowed is a number from 1 to {LIMIT_MAX}")))
}

fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    let Some(sent) = headers.get(header::CONTENT_TYPE) else { return Ok(Media::FormOrUnsaid) };
    let name = sent.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    match name.trim().to_ascii_lowercase().as_str() {
        "" | "application/x-www-form-urlencoded" => Ok(Media::FormOrUnsaid),
        "application/json" => Ok(Media::Json),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "Content-Type {sent:?}: allowed are application/json and \
                 application/x-www-form-urlencoded"
            ),
        )),
    }
}

fn unread(error: &BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is too long: allowed are {BODY_BYTES_MAX} bytes"),
        ),
        status => Problem::new(status, error.body_text()),
    }
}

fn string_text(body: &[u8]) -> Result<String, Problem> {
    let sent: String = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    legacy::text_of_string(&sent).map(str::to_owned).ok_or_else(|| {
        unprocessable("a JSON string must be `value\":TEXT`; better is {\"value\":\"TEXT\"}")
    })
}

fn object_text(body: &[u8]) -> Result<String, Problem> {
    let object: Object = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    Ok(object.value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is not {{\"value\":\"TEXT\"}}: {error}");
    if error.is_data() { unprocessable(detail) } else { bad(detail) }
}

fn form_text(body: &[u8], purpose: Purpose) -> Result<String, Problem> {
    let pairs = form::pairs(body).map_err(|error| bad(error.to_string()))?;
    let is_allowed = |name: &str| match purpose {
        Purpose::Add => name == "value",
        Purpose::Replace(id) => name == "value" || legacy::is_form_name(name, id),
    };
    // Exactly one: in `value=bread & milk` the `&` was meant to be part of the text.
    match <[_; 1]>::try_from(pairs) {
        Ok([(name, text)]) if is_allowed(&name) => Ok(text),
        _ => Err(unprocessable(match purpose {
            Purpose::Add => "a form must be `value=TEXT`, `&` written as `%26`".to_owned(),
            Purpose::Replace(id) => {
                format!("a form must be `{id}=TEXT` or `value=TEXT`, `&` written as `%26`")
            }
        })),
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

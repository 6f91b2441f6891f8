//! Reads what a request says: the task's number, its text in any of the accepted forms, the
//! idempotency key, the page.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::problem::Problem;
use super::store::Page;
use super::task::{
    Edit, IdempotencyKey, InvalidId, InvalidKey, NewTask, TEXT_BYTES_MAX, TaskId, Text,
};
use super::{form, legacy};

/// The largest body: JSON may write each byte of a text as `\u00XX`, and needs a few around it.
pub(super) const BODY_BYTES_MAX: usize = TEXT_BYTES_MAX * 6 + 1024;

/// How many tasks a page has when the request does not say.
const LIMIT_DEFAULT: usize = 100;

/// Most tasks of a page, so that one request never keeps the store for long.
const LIMIT_MAX: usize = 1000;

/// What the body of a request is for; it decides which forms are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A task to be added.
    Add,
    /// This task is to be changed.
    Change(TaskId),
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

/// The JSON object of a task. Other members are ignored, so that a task can be sent back as it was
/// received.
#[derive(Default, Deserialize)]
struct Object {
    #[serde(alias = "value")]
    text: Option<String>,
    done: Option<bool>,
}

impl Payload {
    /// The task to be added.
    pub(super) fn new_task(&self, key: Option<IdempotencyKey>) -> Result<NewTask, Problem> {
        let Object { text, done } = self.object(Purpose::Add)?;
        let text = Text::new(text.ok_or_else(no_text)?)?;
        Ok(NewTask { text, done: done.unwrap_or(false), key })
    }

    /// What task `id` is to become. What a task has besides its text stays when it is not sent:
    /// the original's client knows nothing of it.
    pub(super) fn replacement(&self, id: TaskId) -> Result<Edit, Problem> {
        let Object { text, done } = self.object(Purpose::Change(id))?;
        Ok(Edit { text: Some(Text::new(text.ok_or_else(no_text)?)?), done })
    }

    /// What of task `id` is to become something else.
    pub(super) fn patch(&self, id: TaskId) -> Result<Edit, Problem> {
        let Object { text, done } = self.object(Purpose::Change(id))?;
        Ok(Edit { text: text.map(Text::new).transpose()?, done })
    }

    fn object(&self, purpose: Purpose) -> Result<Object, Problem> {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        match (self.media, first) {
            (_, Some(b'"')) => string_object(&self.body),
            (_, Some(b'{')) => serde_json::from_slice(&self.body).map_err(|error| not_json(&error)),
            (Media::Json, _) => Err(not_an_object(&self.body)),
            (Media::FormOrUnsaid, _) => form_object(&self.body, purpose),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media = media(request.headers())?;
        // Without this a client that waits for `100 Continue` or sends slowly would be told late.
        if announced(request.headers()) > BODY_BYTES_MAX {
            return Err(too_long());
        }
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
            "after" => page.after = after(&value)?,
            "limit" => page.limit = limit(&value)?,
            _ => {
                return Err(bad(format!("`{name}`: allowed in the query are `limit` and `after`")));
            }
        }
    }
    Ok(page)
}

fn after(text: &str) -> Result<TaskId, Problem> {
    text.parse().map_err(|error: InvalidId| bad(format!("`after={text}`: {error}")))
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

/// How long the body says that it is; 0 when it does not say.
fn announced(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // More digits than a number has is more than is allowed.
    length.map_or(0, |length| length.parse().unwrap_or(usize::MAX))
}

fn unread(error: &BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(),
        status => Problem::new(status, error.body_text()),
    }
}

fn too_long() -> Problem {
    let detail = format!("the body is too long: allowed are {BODY_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn string_object(body: &[u8]) -> Result<Object, Problem> {
    let sent: String = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let text = legacy::text_of_string(&sent).map(str::to_owned).ok_or_else(|| {
        unprocessable("a JSON string must be `value\":TEXT`; better is {\"text\":\"TEXT\"}")
    })?;
    Ok(Object { text: Some(text), done: None })
}

fn no_text() -> Problem {
    unprocessable(format!("`text` is missing: allowed are 1 to {TEXT_BYTES_MAX} bytes of text"))
}

/// Serde would take an array for an object, member by member.
fn not_an_object(body: &[u8]) -> Problem {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => unprocessable("the body is JSON, but not {\"text\":\"TEXT\"}"),
        Err(error) => not_json(&error),
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is not {{\"text\":\"TEXT\"}}: {error}");
    if error.is_data() { unprocessable(detail) } else { bad(detail) }
}

fn form_object(body: &[u8], purpose: Purpose) -> Result<Object, Problem> {
    let pairs = form::pairs(body).map_err(|error| bad(error.to_string()))?;
    let is_text = |name: &str| match purpose {
        _ if name == "text" || name == "value" => true,
        Purpose::Add => false,
        Purpose::Change(id) => legacy::is_form_name(name, id),
    };
    let mut object = Object::default();
    for (name, value) in pairs {
        // Each once: in `text=bread & milk` the `&` was meant to be part of the text.
        match (value.as_str(), is_text(&name)) {
            (_, true) if object.text.is_none() => object.text = Some(value),
            ("true", _) if name == "done" && object.done.is_none() => object.done = Some(true),
            ("false", _) if name == "done" && object.done.is_none() => object.done = Some(false),
            _ => return Err(no_form(purpose)),
        }
    }
    // Nothing at all is no form; `done` alone may be.
    if object.text.is_none() && object.done.is_none() { Err(no_form(purpose)) } else { Ok(object) }
}

fn no_form(purpose: Purpose) -> Problem {
    let legacy = match purpose {
        Purpose::Add => String::new(),
        Purpose::Change(id) => format!("`{id}=TEXT` or "),
    };
    unprocessable(format!(
        "a form must be {legacy}`text=TEXT` (or `value=TEXT`), `&` written as `%26`, and may have \
         `done=true` or `done=false`"
    ))
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn unprocessable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

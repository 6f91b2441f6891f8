//! Reads what a request says: the task's number, its text in any of the accepted forms, the
//! idempotency key, the page.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::problem::Problem;
use super::store::Page;
use super::task::{
    Condition, Edit, IdempotencyKey, InvalidId, InvalidKey, InvalidTag, InvalidText, NewTask,
    Search, TEXT_BYTES_MAX, Tag, TaskId, Text,
};
use super::{form, legacy};

/// The largest body: JSON may write each byte of a text as `\u00XX`, and needs a few around it.
pub(super) const BODY_BYTES_MAX: usize = TEXT_BYTES_MAX * 6 + 1024;

/// How many tasks a page has when the request does not say.
const LIMIT_DEFAULT: usize = 100;

/// Most tasks of a page, so that one request never keeps the store for long.
const LIMIT_MAX: usize = 1000;

/// What a body may be.
const OBJECT: &str = "is {\"text\": \"TEXT\", \"done\": true or false}";

/// What the original's body may be.
const STRING: &str = "is `value\":TEXT`; better is {\"text\": \"TEXT\"}";

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

/// What the task has to be for the request to be carried out.
pub(super) struct IfMatch(pub(super) Condition);

/// The name under which the resource was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource(pub(super) &'static str);

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

/// What a body says of a task.
#[derive(Default)]
struct Members {
    text: Option<String>,
    done: Option<bool>,
}

/// The JSON object of a task. Other members are ignored, so that a task can be sent back as it was
/// received.
#[derive(Deserialize)]
struct Object {
    #[serde(alias = "value", default, deserialize_with = "present")]
    text: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    done: Option<Value>,
}

impl Payload {
    /// The task to be added.
    pub(super) fn new_task(&self, key: Option<IdempotencyKey>) -> Result<NewTask, Problem> {
        let Members { text, done } = self.members(Purpose::Add)?;
        let text = Text::new(text.ok_or_else(no_text)?)?;
        Ok(NewTask { text, done: done.unwrap_or(false), key })
    }

    /// What task `id` is to become. What a task has besides its text stays when it is not sent:
    /// the original's client knows nothing of it.
    pub(super) fn replacement(&self, id: TaskId) -> Result<Edit, Problem> {
        let Members { text, done } = self.members(Purpose::Change(id))?;
        Ok(Edit { text: Some(Text::new(text.ok_or_else(no_text)?)?), done })
    }

    /// What of task `id` is to become something else.
    pub(super) fn patch(&self, id: TaskId) -> Result<Edit, Problem> {
        let Members { text, done } = self.members(Purpose::Change(id))?;
        Ok(Edit { text: text.map(Text::new).transpose()?, done })
    }

    fn members(&self, purpose: Purpose) -> Result<Members, Problem> {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        match (self.media, first) {
            (_, Some(b'"')) => string_members(&self.body),
            (_, Some(b'{')) => object_members(&self.body),
            (Media::Json, _) => Err(not_an_object(&self.body)),
            (Media::FormOrUnsaid, _) => form_members(&self.body, purpose),
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
        let id = text.parse().map_err(|error: InvalidId| {
            let what = error.to_string();
            Problem::field(StatusCode::NOT_FOUND, "id", what, InvalidId::ALLOWED)
        });
        Ok(Self(id?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let lists = parts.headers.get_all(header::IF_MATCH).iter();
        let texts = lists.map(|list| list.to_str().map_err(|_| InvalidTag(format!("{list:?}"))));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        Ok(Self(if_match(&texts)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Resource {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let is_english = parts.uri.path().starts_with("/tasks");
        Ok(Self(if is_english { "/tasks/" } else { "/Tarefa/" }))
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

/// What the header `If-Match` asks for (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1>).
fn if_match(lists: &[&str]) -> Result<Condition, InvalidTag> {
    match lists {
        [] | ["*"] => return Ok(Condition::None),
        _ => {}
    }
    let mut tags = Vec::new();
    for text in lists.iter().flat_map(|list| list.split(',')).map(str::trim) {
        // A weak tag matches nothing, by the RFC; it is no mistake.
        if !text.starts_with("W/") {
            let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            // A tag that is none of ours is no mistake either.
            tags.extend(quoted.ok_or_else(|| InvalidTag(text.to_owned()))?.parse::<Tag>());
        }
    }
    Ok(Condition::IsOneOf(tags))
}

/// Whether the header `If-None-Match` names `tag` (RFC 9110, section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, tag: Tag) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let tag = format!("\"{tag}\"");
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|sent| sent == "*" || sent.strip_prefix("W/").unwrap_or(sent) == tag)
}

/// The query that asks for another page of the same list, but for where it begins.
pub(super) fn query(page: &Page) -> String {
    let search =
        page.search.as_ref().map(|search| format!("&search={}", form::encoded(search.as_str())));
    format!("limit={}{}", page.limit, search.unwrap_or_default())
}

fn page(query: &str) -> Result<Page, Problem> {
    let mut page = Page { after: TaskId(0), limit: LIMIT_DEFAULT, search: None };
    for (name, value) in form::pairs(query.as_bytes()).map_err(|error| bad(error.to_string()))? {
        match name.as_str() {
            "after" => page.after = after(&value)?,
            "limit" => page.limit = limit(&value)?,
            "search" => page.search = Some(search(&value)?),
            _ => {
                let what = format!("`{name}` is no parameter");
                let allowed = "are `limit`, `after` and `search`";
                return Err(Problem::field(StatusCode::BAD_REQUEST, "query", what, allowed));
            }
        }
    }
    Ok(page)
}

fn after(text: &str) -> Result<TaskId, Problem> {
    let refusal = |_: InvalidId| parameter("after", text, InvalidId::ALLOWED);
    text.parse().map_err(refusal)
}

fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let allowed = || format!("are whole numbers from 1 to {LIMIT_MAX}");
    limit.ok_or_else(|| parameter("limit", text, allowed()))
}

fn search(text: &str) -> Result<Search, Problem> {
    Search::new(text).map_err(|error| parameter("search", text, error.to_string()))
}

fn parameter(name: &'static str, sent: &str, allowed: impl Into<String>) -> Problem {
    Problem::field(StatusCode::BAD_REQUEST, name, format!("`{name}={sent}`"), allowed)
}

/// A member that is `null` is there, and wrong.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    let Some(sent) = headers.get(header::CONTENT_TYPE) else { return Ok(Media::FormOrUnsaid) };
    let name = sent.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    match name.trim().to_ascii_lowercase().as_str() {
        "" | "application/x-www-form-urlencoded" => Ok(Media::FormOrUnsaid),
        "application/json" => Ok(Media::Json),
        _ => Err(Problem::field(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type",
            format!("the body is {sent:?}"),
            "are application/json and application/x-www-form-urlencoded",
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
    let allowed = format!("are {BODY_BYTES_MAX} bytes");
    Problem::field(StatusCode::PAYLOAD_TOO_LARGE, "body", "the body is too long", allowed)
}

fn string_members(body: &[u8]) -> Result<Members, Problem> {
    let sent: String = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let text = legacy::text_of_string(&sent).map(str::to_owned).ok_or_else(|| {
        wrong_body(StatusCode::UNPROCESSABLE_ENTITY, "the JSON string has no colon", STRING)
    })?;
    Ok(Members { text: Some(text), done: None })
}

fn object_members(body: &[u8]) -> Result<Members, Problem> {
    let object: Object = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let text = object.text.map(|sent| match sent {
        Value::String(text) => Ok(text),
        other => Err(wrong_type("text", &other, InvalidText::ALLOWED)),
    });
    let done = object.done.map(|sent| match sent {
        Value::Bool(done) => Ok(done),
        other => Err(wrong_type("done", &other, "are true and false")),
    });
    Ok(Members { text: text.transpose()?, done: done.transpose()? })
}

fn wrong_type(name: &'static str, sent: &Value, allowed: &'static str) -> Problem {
    let kind = match sent {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let what = format!("`{name}` is {kind}");
    Problem::field(StatusCode::UNPROCESSABLE_ENTITY, name, what, allowed)
}

fn no_text() -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::field(status, "text", "`text` is missing", InvalidText::ALLOWED)
}

/// Serde would take an array for an object, member by member.
fn not_an_object(body: &[u8]) -> Problem {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => {
            wrong_body(StatusCode::UNPROCESSABLE_ENTITY, "the body is JSON, but no task", OBJECT)
        }
        Err(error) => not_json(&error),
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    let what = format!("the body is no task: {error}");
    let is_json = error.is_data();
    let status = if is_json { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
    wrong_body(status, what, OBJECT)
}

fn wrong_body(status: StatusCode, what: impl Into<String>, allowed: &'static str) -> Problem {
    Problem::field(status, "body", what, allowed)
}

fn form_members(body: &[u8], purpose: Purpose) -> Result<Members, Problem> {
    let pairs = form::pairs(body).map_err(|error| bad(error.to_string()))?;
    let is_text = |name: &str| match purpose {
        _ if name == "text" || name == "value" => true,
        Purpose::Add => false,
        Purpose::Change(id) => legacy::is_form_name(name, id),
    };
    let mut members = Members::default();
    for (name, value) in pairs {
        // Each once: in `text=bread & milk` the `&` was meant to be part of the text.
        match (value.as_str(), is_text(&name)) {
            (_, true) if members.text.is_none() => members.text = Some(value),
            ("true", _) if name == "done" && members.done.is_none() => members.done = Some(true),
            ("false", _) if name == "done" && members.done.is_none() => members.done = Some(false),
            _ => return Err(no_form(purpose)),
        }
    }
    Ok(members)
}

fn no_form(purpose: Purpose) -> Problem {
    let legacy = match purpose {
        Purpose::Add => String::new(),
        Purpose::Change(id) => format!("`{id}=TEXT` or "),
    };
    let allowed = format!(
        "is {legacy}`text=TEXT` (or `value=TEXT`), `&` written as `%26`, and `done=true` or \
         `done=false`"
    );
    Problem::field(StatusCode::UNPROCESSABLE_ENTITY, "body", "the form is no task", allowed)
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

//! What a client is told when its request was not done: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::store;
use super::task::{InvalidKey, InvalidTag, InvalidText};

/// How long to wait before the request is sent again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// <https://www.rfc-editor.org/rfc/rfc9457#section-6.1>
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    about: Option<About>,
}

/// What a problem is about, and what would have been right there.
#[derive(Debug)]
struct About {
    field: &'static str,
    allowed: String,
}

/// Why a request was not done (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The name of the status.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// The part of the request that is wrong: a member of the body, a parameter or a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    /// What would have been right there.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), about: None }
    }

    /// A part of the request is wrong: `what` is there, `allowed` would have been right.
    pub(super) fn field(
        status: StatusCode,
        field: &'static str,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        let (what, allowed) = (what.into(), allowed.into());
        let detail = format!("{what}: allowed {allowed}");
        Self { status, detail, about: Some(About { field, allowed }) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (field, allowed) = self.about.map(|about| (about.field, about.allowed)).unzip();
        let details = Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            field,
            allowed,
        };
        let mut response = (self.status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        // What is in the way is gone soon.
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<InvalidKey> for Problem {
    fn from(_: InvalidKey) -> Self {
        let what = "the header Idempotency-Key is none";
        Self::field(StatusCode::BAD_REQUEST, "Idempotency-Key", what, InvalidKey.to_string())
    }
}

impl From<InvalidTag> for Problem {
    fn from(error: InvalidTag) -> Self {
        let what = format!("`{}` is not the tag of a task", error.0);
        let allowed = "is what the header ETag of an answer says, or `*`";
        Self::field(StatusCode::BAD_REQUEST, "If-Match", what, allowed)
    }
}

impl From<InvalidText> for Problem {
    fn from(error: InvalidText) -> Self {
        let what = error.to_string();
        Self::field(StatusCode::UNPROCESSABLE_ENTITY, "text", what, InvalidText::ALLOWED)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error::{
            AddedAndRemoved, Busy, Closed, Different, Failed, KeyReused, Missing, Removed, Unknown,
        };
        let status = match error {
            Missing(_) => StatusCode::NOT_FOUND,
            Removed(_) | AddedAndRemoved(_) => StatusCode::GONE,
            Different(_) => StatusCode::PRECONDITION_FAILED,
            KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Busy | Closed | Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Not 503: that would say that nothing was done.
            Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let detail = error.to_string();
        match error {
            KeyReused => Self::field(
                status,
                "Idempotency-Key",
                "it was used with another task",
                "is one per task",
            ),
            _ => Self::new(status, detail),
        }
    }
}

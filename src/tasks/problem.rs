//! What a client is told when its request was not done: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::store;
use super::task::{InvalidId, InvalidKey, InvalidText};

/// How long to wait before the request is sent again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// <https://www.rfc-editor.org/rfc/rfc9457#section-6.1>
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

/// The body of the answer. Its `type` is left out, which means `about:blank`.
#[derive(Serialize)]
struct Details {
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details = Details {
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, Json(details)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::new(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<InvalidKey> for Problem {
    fn from(error: InvalidKey) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<InvalidText> for Problem {
    fn from(error: InvalidText) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error::{
            AddedAndRemoved, Busy, Closed, Failed, KeyReused, Missing, Removed, Unknown,
        };
        let status = match error {
            Missing(_) => StatusCode::NOT_FOUND,
            Removed(_) | AddedAndRemoved(_) => StatusCode::GONE,
            KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Busy | Closed | Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Not 503: that would say that nothing was done.
            Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

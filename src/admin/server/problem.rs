//! What a client is told when its request was not done: always a problem of RFC 9457.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What problems come as.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    allowed: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was not done (RFC 9457).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(in crate::admin) struct Body {
    /// `about:blank`: the status says what kind of problem it is.
    r#type: String,
    /// The name of the status.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is wrong, for people.
    pub(in crate::admin) detail: String,
    /// What would have been right, if that can be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allowed: Vec<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), allowed: Vec::new(), headers: Vec::new() }
    }

    pub(super) fn allowed<T: Into<String>>(mut self, what: impl IntoIterator<Item = T>) -> Self {
        self.allowed.extend(what.into_iter().map(Into::into));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail, allowed, headers } = self;
        let body = Body {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
            allowed,
        };
        let mut response = (status, Json(body)).into_response();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response.headers_mut().extend(headers);
        response
    }
}

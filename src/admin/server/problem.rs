//! What a client is told when its request was not done: always the same JSON.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of the answer.
#[derive(Debug, Serialize)]
struct Body {
    /// What is wrong, for people.
    error: String,
    /// What would have been right, if that can be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed: Vec<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let body = Body { error: error.into(), allowed: Vec::new() };
        Self { status, body, headers: Vec::new() }
    }

    pub(super) fn allowed<T: Into<String>>(mut self, what: impl IntoIterator<Item = T>) -> Self {
        self.body.allowed.extend(what.into_iter().map(Into::into));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

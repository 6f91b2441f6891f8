//! What every answer has in common: the time that it may take, and what a browser may do with it.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::problem::Problem;

/// From a request's head to its answer's: the longest wait, and time for the body to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// What the page may load: its own parts, and nothing that stands in its text. What it is made of
/// is put together by its scripts as text, never as markup, which `require-trusted-types-for`
/// holds them to.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What no page of ours needs.
const PERMISSIONS_POLICY: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), \
    payment=(), usb=()";

/// Set in every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Bounds the time of a request until its answer begins, and sets the headers.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let mut response = match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            wrong_method(&what, &response)
        }
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time")
            .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What changes from one moment to the next is not kept, unless the route says otherwise.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The router knows which methods a path has, and says so in `Allow`.
fn wrong_method(what: &str, response: &Response) -> Response {
    let allow = response.headers().get(header::ALLOW).cloned();
    let allow = allow.unwrap_or_else(|| HeaderValue::from_static(""));
    let methods: Vec<String> =
        allow.to_str().unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect();
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{what} is not possible"))
        .allowed(methods)
        .header(header::ALLOW, allow)
        .into_response()
}

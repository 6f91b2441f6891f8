//! The control listener: how the forwarder is, and where the requests go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use serde::Serialize;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::backend::Backend;
use crate::cli::ForwardArgs;
use crate::exposition::{self, Format};
use crate::proxy::Meter;

/// Bytes that a request to change the backend may have: many times an address.
const BODY_MAX: usize = 256;

/// What the control listener answers from.
pub(super) struct Control {
    backend: Arc<Backend>,
    /// Without a token nobody may change anything.
    token: Option<String>,
    instance: Option<String>,
    meter: Meter,
}

/// `GET /health`.
#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    instance: Option<&'a str>,
    backend: Option<SocketAddr>,
}

impl Control {
    pub(super) fn new(args: &ForwardArgs, backend: Arc<Backend>, meter: Meter) -> Self {
        let (token, instance) = (args.control_token.clone(), args.instance.clone());
        Self { backend, token, instance, meter }
    }

    /// Answers until dropped.
    pub(super) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new()
            .route("/health", get(health))
            .route("/metrics", get(metrics))
            .route("/backend", put(change_backend))
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .with_state(Arc::new(self));
        axum::serve(listener, router).await
    }

    /// Whether the request carries our token. Takes the same time however wrong it is.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        match (&self.token, shown) {
            (Some(token), Some(shown)) => token.as_bytes().ct_eq(shown).into(),
            (None, _) | (_, None) => false,
        }
    }
}

/// Says that this process is well, whatever is behind it.
async fn health(State(control): State<Arc<Control>>) -> Response {
    let instance = control.instance.as_deref();
    Json(Health { status: "ok", instance, backend: control.backend.address() }).into_response()
}

/// What the engine counts, for Prometheus and what understands it.
async fn metrics(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::preferred(accept.unwrap_or_default());
    let text = exposition::of_forwarder(format, &control.meter);
    ([(CONTENT_TYPE, format.content_type())], text).into_response()
}

async fn change_backend(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if !control.admits(&headers) {
        let text = "this needs `Authorization: Bearer TOKEN` with the token of --control-token\n";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], text).into_response();
    }
    let Ok(address) = body.trim().parse::<SocketAddr>() else {
        let text = format!(
            "`{}` is not an address: allowed is IP:PORT, as 127.0.0.1:20001\n",
            body.trim()
        );
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    if control.backend.address() != Some(address) {
        tracing::info!(from = ?control.backend.address(), to = %address, "backend changed");
    }
    control.backend.change_to(address);
    StatusCode::NO_CONTENT.into_response()
}

//! The control listener: how the forwarder is, and where the requests go.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use serde::Serialize;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::backends::{Backends, Told};
use crate::cli::ForwardArgs;
use crate::exposition::{self, Format};
use crate::proxy::Meter;

/// Bytes that a request to change the backends may have: two hundred addresses in each of the two
/// lists, twice as many as there can be backends and their successors.
const BODY_MAX: usize = 32 * 1024;

/// What a request to change the backends may say.
const ALLOWED: &str = r#"allowed is {"serving": ["127.0.0.1:20001"], "lost": []}"#;

/// What the control listener answers from.
pub(super) struct Control {
    backends: Arc<Backends>,
    /// Without a token nobody may change anything.
    token: Option<String>,
    instance: Option<String>,
    leaving: Arc<AtomicBool>,
    meter: Meter,
}

/// `GET /health`.
#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    instance: Option<&'a str>,
    backends: Told,
    finishing: BTreeSet<SocketAddr>,
    /// Whether the machine is about to be taken from us.
    leaving: bool,
}

impl Control {
    pub(super) fn new(
        args: &ForwardArgs,
        backends: Arc<Backends>,
        leaving: Arc<AtomicBool>,
        meter: Meter,
    ) -> Self {
        let (token, instance) = (args.control_token.clone(), args.instance.clone());
        Self { backends, token, instance, leaving, meter }
    }

    /// Answers until dropped.
    pub(super) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new()
            .route("/health", get(health))
            .route("/metrics", get(metrics))
            .route("/backend", put(change_backends))
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
    let (backends, finishing) = (control.backends.told(), control.backends.finishing());
    let leaving = control.leaving.load(Ordering::Relaxed);
    Json(Health { status: "ok", instance, backends, finishing, leaving }).into_response()
}

/// What the engine counts, for Prometheus and what understands it.
async fn metrics(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::preferred(accept.unwrap_or_default());
    let text = exposition::of_forwarder(format, &control.meter);
    ([(CONTENT_TYPE, format.content_type())], text).into_response()
}

async fn change_backends(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if !control.admits(&headers) {
        let text = "this needs `Authorization: Bearer TOKEN` with the token of --control-token\n";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], text).into_response();
    }
    let told = match serde_json::from_str::<Told>(&body) {
        Ok(told) => told,
        Err(error) => {
            let text = format!("this names no backends: {error}; {ALLOWED}\n");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    let before = control.backends.told();
    if before != told {
        let Told { serving, lost } = &told;
        tracing::info!(?before.serving, ?serving, ?lost, "backends changed");
    }
    control.backends.change_to(told);
    StatusCode::NO_CONTENT.into_response()
}

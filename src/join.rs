//! Role `join`: what runs on a machine that was just made. It waits until the balancer claims the
//! machine, and then becomes what the machine is for, in the same process.
//!
//! The boot token is worth something once. The claim is kept, so that a service that is started
//! again is who it was; and from then on nothing listens that would take another.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::boot::{
    BOOT_TOKEN_VARIABLE, CONTROL_TOKEN_VARIABLE, Claim, INSTANCE_VARIABLE, STORE_VARIABLE,
    TRACE_HEADERS_VARIABLE,
};
use crate::cli::{JoinArgs, Misuse};
use crate::state_dir::replace_file;

/// Bytes that a claim may have: a name, a token, the address of a database, a collector's headers.
const CLAIM_MAX: usize = 8 * 1024;

/// The shortest boot token: shorter is a guessable word.
const TOKEN_CHARS_MIN: usize = 32;

/// How long the answer to the claim may take on its way out before the process becomes another.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Waits for the claim, then becomes the command; returns only if that fails.
///
/// # Errors
/// The address is taken, the claim cannot be kept, or the command cannot be run; [`Misuse`] for a
/// token that could be guessed.
pub fn run(args: &JoinArgs) -> anyhow::Result<ExitCode> {
    let claim = match kept(&args.keep)? {
        Some(claim) => claim,
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(wait(args))?
        }
    };
    let mut words = args.command.iter();
    let program = words.next().ok_or_else(|| Misuse("the command is missing".to_owned()))?;
    let mut command = Command::new(program);
    command.args(words).env_remove(BOOT_TOKEN_VARIABLE);
    command.env(INSTANCE_VARIABLE, &claim.instance);
    command.env(CONTROL_TOKEN_VARIABLE, &claim.control_token);
    let secrets = [(STORE_VARIABLE, &claim.store), (TRACE_HEADERS_VARIABLE, &claim.trace_headers)];
    for (name, value) in secrets {
        command.envs(value.as_ref().map(|value| (name, value)));
    }
    Err(anyhow!(command.exec()).context(format!("cannot run {program}")))
}

/// The claim of an earlier start.
fn kept(path: &Path) -> anyhow::Result<Option<Claim>> {
    match fs::read(path) {
        Ok(text) => {
            let claim = serde_json::from_slice(&text);
            claim.map(Some).with_context(|| format!("{} holds no claim", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

async fn wait(args: &JoinArgs) -> anyhow::Result<Claim> {
    if args.boot_token.len() < TOKEN_CHARS_MIN {
        let text = format!("--boot-token is too short: at least {TOKEN_CHARS_MIN} characters");
        return Err(Misuse(text).into());
    }
    let address = args.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener
        .with_context(|| format!("cannot listen on {address}; --listen takes another address"))?;
    announce(&listener)?;
    let claimed = CancellationToken::new();
    let post = Arc::new(Post {
        token: args.boot_token.clone(),
        keep: args.keep.clone(),
        taken: Mutex::new(None),
        claimed: claimed.clone(),
    });
    let router = Router::new()
        .route("/claim", put(take))
        .layer(DefaultBodyLimit::max(CLAIM_MAX))
        .with_state(Arc::clone(&post));
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(claimed.clone().cancelled_owned());
    let out_of_time = async {
        claimed.cancelled().await;
        tokio::time::sleep(ANSWER_MAX).await;
    };
    tokio::select! {
        served = serving.into_future() => served?,
        () = out_of_time => {}
    }
    let taken = post.taken.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken.context("the wait ended without a claim")
}

/// Where the claim is taken.
struct Post {
    token: String,
    keep: PathBuf,
    taken: Mutex<Option<Claim>>,
    claimed: CancellationToken,
}

impl Post {
    /// Whether the request carries our token. Takes the same time however wrong it is.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| self.token.as_bytes().ct_eq(shown).into())
    }
}

/// Takes the first claim, and no other. It is on the disk before it is answered.
async fn take(State(post): State<Arc<Post>>, headers: HeaderMap, body: String) -> Response {
    if !post.admits(&headers) {
        let text = "this needs `Authorization: Bearer TOKEN` with the token of this launch\n";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], text).into_response();
    }
    let claim = match serde_json::from_str::<Claim>(&body) {
        Ok(claim) => claim,
        Err(error) => {
            let text = format!("this is no claim: {error}\n");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    let mut taken = post.taken.lock().unwrap_or_else(PoisonError::into_inner);
    if post.claimed.is_cancelled() {
        return (StatusCode::CONFLICT, "this machine has been claimed\n").into_response();
    }
    if let Err(error) = replace_file(&post.keep, body.as_bytes()) {
        tracing::error!(path = %post.keep.display(), %error, "the claim cannot be kept");
        let text = "the claim cannot be kept\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    }
    tracing::info!(instance = claim.instance, "claimed");
    *taken = Some(claim);
    post.claimed.cancel();
    StatusCode::NO_CONTENT.into_response()
}

/// One line, once a claim can be made; scripts read the address from it.
fn announce(listener: &TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    // Nobody has to read it.
    let _ = writeln!(io::stdout(), "join: waiting to be claimed on http://{address}");
    Ok(())
}

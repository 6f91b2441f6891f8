//! Who is let in. Every request passes here, so that a new route is guarded without being told.
//!
//! Three questions: is it addressed to us, or to a name that somebody's DNS pointed at us? Does it
//! come from our own page, or from another one in the same browser? And may who sent it do that?

mod host;
mod origin;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

pub(super) use self::host::Hosts;
use super::Access;
use super::problem::Problem;
use super::routes::Api;

/// What anybody may read: it tells nothing of this fleet but that it runs.
const OPEN: [&str; 4] = ["/", "/livez", "/readyz", "/v1/openapi.json"];

/// The page's parts, which are the same everywhere.
const OPEN_FOLDER: &str = "/page/";

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Whether a request shows the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Another,
    Token,
}

/// Whom something is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// It is no secret.
    Anybody,
    /// Who is on this machine, or shows the token.
    Machine,
    /// Who shows the token.
    Owner,
}

/// Passes on what may be done: reads from this machine, and whatever shows the token.
pub(super) async fn admit(
    State(api): State<Arc<Api>>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(&api, peer, &request) {
        Ok(shown) => {
            request.extensions_mut().insert(shown);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn check(api: &Api, peer: IpAddr, request: &Request) -> Result<Shown, Problem> {
    api.hosts.check(request)?;
    let audience = Audience::of(request.method(), request.uri().path());
    origin::check(request, audience)?;
    let shown = api.access.shown_in(request.headers());
    let is_admitted = audience.includes(peer, shown);
    if is_admitted { Ok(shown) } else { Err(api.access.refusal(request, shown)) }
}

impl Audience {
    /// Who may do this. What is not named here takes the token.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let is_open = OPEN.contains(&path) || path.starts_with(OPEN_FOLDER);
        match *method {
            Method::GET | Method::HEAD if is_open => Self::Anybody,
            Method::GET | Method::HEAD => Self::Machine,
            _ => Self::Owner,
        }
    }

    fn includes(self, peer: IpAddr, shown: Shown) -> bool {
        match self {
            Self::Anybody => true,
            Self::Machine => peer.to_canonical().is_loopback() || shown == Shown::Token,
            Self::Owner => shown == Shown::Token,
        }
    }
}

impl Access {
    fn shown_in(&self, headers: &HeaderMap) -> Shown {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Shown::Nothing };
        let value = value.to_str().unwrap_or_default();
        // RFC 9110 §11.1: the scheme's case does not matter.
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        // Constant time: how long the comparison takes must not tell how much was right.
        let same = token.trim().as_bytes().ct_eq(self.token.as_str().as_bytes());
        if bearer && same.into() { Shown::Token } else { Shown::Another }
    }

    fn refusal(&self, request: &Request, shown: Shown) -> Problem {
        let (what, challenge) = match shown {
            Shown::Another => ("another token than ours", "Bearer error=\"invalid_token\""),
            Shown::Nothing | Shown::Token => ("no token", "Bearer"),
        };
        let (method, path) = (request.method(), request.uri().path());
        let file = self.file.display();
        let detail = format!(
            "{method} {path} shows {what}: \
             send `Authorization: Bearer TOKEN` with the token in {file}"
        );
        Problem::new(StatusCode::UNAUTHORIZED, detail)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn includes(method: &Method, path: &str, peer: &str, shown: Shown) -> bool {
        Audience::of(method, path).includes(peer.parse().unwrap(), shown)
    }

    #[test]
    fn this_machine_may_read_and_the_token_may_do_everything() {
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(includes(&Method::GET, "/v1/status", peer, Shown::Nothing), "{peer}");
            assert!(!includes(&Method::POST, "/v1/pause", peer, Shown::Another), "{peer}");
            assert!(includes(&Method::POST, "/v1/pause", peer, Shown::Token), "{peer}");
        }
    }

    #[test]
    fn another_machine_needs_the_token_for_all_but_what_is_no_secret() {
        for peer in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"] {
            for path in ["/v1/status", "/v1/settings", "/nowhere", "/livez/"] {
                assert!(!includes(&Method::GET, path, peer, Shown::Nothing), "{peer} {path}");
                assert!(!includes(&Method::GET, path, peer, Shown::Another), "{peer} {path}");
                assert!(includes(&Method::GET, path, peer, Shown::Token), "{peer} {path}");
            }
            for path in OPEN {
                assert!(includes(&Method::HEAD, path, peer, Shown::Nothing), "{peer} {path}");
                assert!(!includes(&Method::POST, path, peer, Shown::Nothing), "{peer} {path}");
            }
        }
    }
}

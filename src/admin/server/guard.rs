//! Who is let in. Every request passes here, so that a new route is guarded without being told.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Access;
use super::problem::Problem;
use super::routes::Api;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Whether a request shows the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Another,
    Token,
}

/// Passes on what may be done: reads from this machine, and whatever shows the token.
pub(super) async fn admit(
    State(api): State<Arc<Api>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match check(&api.access, peer, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(access: &Access, peer: IpAddr, request: &Request) -> Result<(), Problem> {
    if !names_an_address(request.uri(), request.headers()) {
        return Err(foreign_host());
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_open = reads && peer.to_canonical().is_loopback();
    match access.shown_in(request.headers()) {
        Shown::Token => Ok(()),
        _ if is_open => Ok(()),
        shown @ (Shown::Nothing | Shown::Another) => Err(access.refusal(request, shown)),
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
        let error = format!(
            "{method} {path} shows {what}: \
             send `Authorization: Bearer TOKEN` with the token in {file}"
        );
        Problem::new(StatusCode::UNAUTHORIZED, error)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }
}

/// Whether the request was addressed to an address, not to a name that somebody's DNS gave us:
/// a page of another site could read what we answer under its own name (DNS rebinding).
fn names_an_address(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    // RFC 9112 §3.2: exactly one. An absolute target counts as well.
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let target = uri.authority().is_none_or(|authority| is_address(authority.as_str()));
    target && host.to_str().is_ok_and(is_address)
}

fn is_address(host: &str) -> bool {
    let name = without_port(host);
    let v6 = |name: &str| {
        let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok())
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok() || v6(name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn foreign_host() -> Problem {
    let error = "the header Host has to name this server by an address, so that no web page can \
                 reach it under a name of its own";
    Problem::new(StatusCode::FORBIDDEN, error).allowed(["an IP address", "localhost"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_addresses() {
        for host in ["127.0.0.1", "127.0.0.1:5001", "10.1.2.3", "[::1]", "[::1]:5001", "LocalHost"]
        {
            assert!(is_address(host), "{host}");
        }
    }

    #[test]
    fn names_are_not_addresses() {
        let hosts = [
            "",
            ":5001",
            "example.com",
            "example.com:5001",
            "127.0.0.1.example.com",
            "localhost.example.com",
            "127.0.0.1@example.com",
            "::1",
            "[::1",
            "[example.com]",
            "2130706433",
            "localhost:80:5001",
        ];
        for host in hosts {
            assert!(!is_address(host), "{host}");
        }
    }
}

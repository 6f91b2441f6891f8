//! Whether a request is addressed to us. A page of another site could read what we answer under a
//! name of its own, if its DNS pointed that name at us (DNS rebinding): so only addresses, and the
//! names that the configuration allows, are ours.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{StatusCode, header};

use crate::admin::server::problem::Problem;

/// The names under which the admin API may be reached, besides its addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub(in crate::admin::server) struct Hosts(Vec<String>);

impl Hosts {
    pub(in crate::admin::server) const fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Refuses a request that is not addressed to us.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        // RFC 9112 §3.2: exactly one. An absolute target counts as well.
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(self.refusal()) };
        let target = request.uri().authority();
        let is_ours = host.to_str().is_ok_and(|host| self.have(host))
            && target.is_none_or(|authority| self.have(authority.as_str()));
        if is_ours { Ok(()) } else { Err(self.refusal()) }
    }

    fn have(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_allowed = self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        is_allowed || is_address(name)
    }

    fn refusal(&self) -> Problem {
        let detail = "the header Host has to name this server by an address or by a name from \
                      `admin_hosts`, so that no web page can reach it under a name of its own";
        let names = self.0.iter().map(String::as_str);
        Problem::new(StatusCode::FORBIDDEN, detail)
            .allowed(["an IP address", "localhost"].into_iter().chain(names))
    }
}

fn is_address(name: &str) -> bool {
    let is_v6 = |name: &str| {
        let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok())
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok() || is_v6(name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_ours() {
        for host in ["127.0.0.1", "127.0.0.1:5001", "10.1.2.3", "[::1]", "[::1]:5001", "LocalHost"]
        {
            assert!(Hosts::default().have(host), "{host}");
        }
    }

    #[test]
    fn names_are_ours_only_if_they_are_allowed() {
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
        let ours = Hosts::new(vec!["fleet.example.org".to_owned()]);
        for host in hosts {
            assert!(!ours.have(host), "{host}");
        }
        assert!(ours.have("fleet.example.org") && ours.have("Fleet.Example.org:443"));
    }
}

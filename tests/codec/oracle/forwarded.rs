//! The oracle of what goes upstream: the request that was read, and nothing else.

use std::net::{IpAddr, Ipv6Addr};

use crate::http1::{
    CookieName, Forwarding, Hop, Peer, Progress, Refusal, RequestHead, RequestId, Scheme,
    TraceBegun, TraceOnward, TraceParent, write_request,
};
use crate::reference::Outcome;
use crate::reference::framing::{Framing, Version};
use crate::reference::grammar::{cookie_pairs, is_same, number};
use crate::reference::head::{Field, Head};
use crate::reference::names::{FRAMING, HOP_BY_HOP, Kind, kind};
use crate::reference::request::{self, Request, VIA_OURS_MAX};

use super::request::{Told, expected, told};
use super::verdict::show;
use super::{ROOMY, bounds};

const DEFAULT_HOST: &[u8] = b"192.0.2.1:5000";
const PEER: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const PEER_TEXT: &[u8] = b"::1";
const OWN_COOKIE: &str = "own";
/// What goes on in the place of what the request says of its trace, if we say something.
const TRACEPARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Addresses in an `X-Forwarded-For` that we send.
const FORWARDED_FOR_MAX: usize = 30;
/// What we add to a head besides three times its host, and one byte to each of its lines.
const ADDED_MAX: usize = 1024;

/// Writes the request in each way, and reads it again.
pub(super) fn check(input: &[u8], head: &RequestHead, request: &Request<'_>) {
    if request.hops == Some(0) {
        return; // We are the one to answer it: it is never written.
    }
    let peer = Peer::new(PEER, Scheme::Http);
    let request_id = RequestId::from_draw(7);
    let own: CookieName = OWN_COOKIE.parse().expect("a token");
    let parent = TraceParent::parse(TRACEPARENT).expect("it is valid");
    let trace = |begun| TraceOnward { parent, begun };
    let (before, here) = (trace(TraceBegun::Before), trace(TraceBegun::Here));
    for forwarding in [Forwarding::Overwrite, Forwarding::Append, Forwarding::Transparent] {
        for (own_cookie, trace) in
            [(None, None), (Some(&own), None), (None, Some(&before)), (None, Some(&here))]
        {
            let (peer, request_id, default_host) = (&peer, &request_id, DEFAULT_HOST);
            let hop = Hop { forwarding, peer, request_id, default_host, own_cookie, trace };
            let mut sent = b"before".to_vec();
            write_request(&mut sent, head, input, &hop);
            let sent = sent.strip_prefix(b"before").expect("it is appended");
            let most = 4 * head.len() + ADDED_MAX;
            assert!(sent.len() <= most, "{} bytes became {}", head.len(), sent.len());
            Sent { input, request, text: sent }.check(&hop);
        }
    }
}

/// A request, and what was written for it.
struct Sent<'a> {
    input: &'a [u8],
    request: &'a Request<'a>,
    text: &'a [u8],
}

impl Sent<'_> {
    fn check(&self, hop: &Hop<'_>) {
        let mut head = RequestHead::default();
        let progress = head.parse(self.text, &ROOMY);
        let outcome = request::read(self.text, &bounds(&ROOMY));
        if self.request.rounds + 1 == VIA_OURS_MAX {
            // With our own `Via` it has come through here too often for the next of us.
            assert_eq!(progress, Err(Refusal::Loop), "{}", self.show());
            assert!(matches!(outcome, Outcome::Refused(_)), "{}", self.show());
            return;
        }
        assert_eq!(progress, Ok(Progress::Complete), "{}", self.show());
        let told = told(&head, self.text);
        assert_eq!(Outcome::Read(&told), as_ref(&expected(&outcome)), "{}", self.show());
        assert_eq!(told, self.meaning(told.fields.clone(), hop), "{}", self.show());
        let Outcome::Read(again) = outcome else { unreachable!("it was compared") };
        self.check_line(&again.head, hop);
        self.check_cargo(&again.head, hop);
        self.check_trace(&again.head, hop);
        self.check_cookies(&again.head, hop);
        self.check_one_of_each(&again.head, hop);
        self.check_about_client(&again.head, hop);
    }

    /// What whoever receives it must understand: what the client meant, on a connection of ours.
    fn meaning<'b>(&'b self, fields: Vec<Field<'b>>, hop: &Hop<'b>) -> Told<'b> {
        let request = self.request;
        let framing = match (request.framing, request.method) {
            // RFC 9110 §8.6: these say that they have no body.
            (Framing::Empty, b"POST" | b"PUT" | b"PATCH") => Framing::Length(0),
            (framing, _) => framing,
        };
        Told {
            len: self.text.len(),
            method: request.method,
            path: &request.target,
            version: Version::Http11,
            fields,
            host: request.host.or(Some(hop.default_host)),
            framing,
            closes: false,
            expects_continue: request.expects_continue,
            hops: request.hops.map(|left| left - 1),
            asks_upgrade: request.asks_upgrade,
            request_id: Some(hop.request_id.as_bytes().to_vec()),
        }
    }

    /// The target is in origin form, or `*`, and `Host` is the host: nothing is left that the next
    /// reader would have to resolve.
    fn check_line(&self, sent: &Head<'_>, hop: &Hop<'_>) {
        let Request { method, target, host, .. } = self.request;
        let line = [method, b" ".as_slice(), target, b" HTTP/1.1"].concat();
        assert_eq!(sent.line, line, "{}", self.show());
        assert_eq!(sent.values("host"), [host.unwrap_or(hop.default_host)], "{}", self.show());
    }

    /// Headers that mean nothing to a proxy arrive as they were, unless `Connection` names them;
    /// those in disguise do not arrive. Cookies may have to be taken apart.
    fn check_cargo(&self, sent: &Head<'_>, hop: &Hop<'_>) {
        let is_apart =
            |name: &[u8]| is_same(name, "cookie") || (hop.trace.is_some() && is_about_trace(name));
        let passes = |name: &[u8]| kind(name) == Kind::Cargo && !self.is_listed(name);
        let before = pick(&self.request.head, |name| passes(name) && !is_apart(name));
        let after = pick(sent, |name| kind(name) != Kind::Known && !is_apart(name));
        assert_eq!(after, before, "{}", self.show());
    }

    /// What we say of the trace is said once, and what vendors said of it goes with the trace.
    fn check_trace(&self, sent: &Head<'_>, hop: &Hop<'_>) {
        let Some(trace) = hop.trace else { return };
        assert_eq!(sent.values("traceparent"), [TRACEPARENT], "{}", self.show());
        let is_kept = trace.begun == TraceBegun::Before && !self.is_listed(b"tracestate");
        let before = self.request.head.values("tracestate");
        let expected = if is_kept { before } else { Vec::new() };
        assert_eq!(sent.values("tracestate"), expected, "{}", self.show());
    }

    /// All cookies arrive as they were but for our own, which does not.
    fn check_cookies(&self, sent: &Head<'_>, hop: &Hop<'_>) {
        let mut lines = self.request.head.values("cookie");
        if self.is_listed(b"cookie") {
            lines.clear();
        }
        let own = hop.own_cookie.map(|name| format!("{}=", name.as_str()).into_bytes());
        let is_own = |pair: &&[u8]| own.as_ref().is_some_and(|own| pair.starts_with(own));
        if !lines.iter().any(|line| cookie_pairs(line).iter().any(is_own)) {
            assert_eq!(sent.values("cookie"), lines, "{}", self.show());
            return;
        }
        let others = |line| cookie_pairs(line).into_iter().filter(|pair| !is_own(pair));
        let lines = lines.into_iter().map(|line| others(line).collect::<Vec<_>>().join(&b"; "[..]));
        let lines: Vec<Vec<u8>> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!(sent.values("cookie"), lines, "{}", self.show());
    }

    fn is_listed(&self, name: &[u8]) -> bool {
        self.request.options.iter().any(|option| option.eq_ignore_ascii_case(name))
    }

    /// One host, one framing, one `Via`, one id; nothing about the client's connection.
    fn check_one_of_each(&self, sent: &Head<'_>, hop: &Hop<'_>) {
        let count = |name: &str| sent.values(name).len();
        let framings: usize = FRAMING.iter().map(|name| count(name)).sum();
        assert!(framings <= 1, "{}", self.show());
        let is_canonical =
            |length| number(length).is_some_and(|it| it.to_string().as_bytes() == length);
        assert!(sent.values("content-length").into_iter().all(is_canonical), "{}", self.show());
        for name in HOP_BY_HOP.iter().filter(|&&name| name != "connection" && name != "upgrade") {
            assert_eq!(count(name), 0, "{name}: {}", self.show());
        }
        let upgrades = self.request.asks_upgrade;
        let connection: &[&[u8]] = if upgrades { &[b"upgrade"] } else { &[] };
        assert_eq!(sent.values("connection"), connection, "{}", self.show());
        let offered = self.request.head.elements("upgrade");
        let offered = if upgrades { offered } else { Vec::new() };
        assert_eq!(sent.elements("upgrade"), offered, "{}", self.show());
        let mut via = self.request.head.elements("via");
        via.push(match self.request.version {
            Version::Http10 => b"1.0 cloudaps",
            Version::Http11 => b"1.1 cloudaps",
        });
        assert_eq!((count("via"), sent.elements("via")), (1, via), "{}", self.show());
        assert_eq!(sent.values("x-request-id"), [hop.request_id.as_bytes()], "{}", self.show());
    }

    /// Nobody can say who he is but a proxy that we trust.
    fn check_about_client(&self, sent: &Head<'_>, hop: &Hop<'_>) {
        if hop.forwarding == Forwarding::Transparent {
            let before = pick(&self.request.head, is_about_client);
            assert_eq!(pick(sent, is_about_client), before, "{}", self.show());
            return;
        }
        let mut chain = match hop.forwarding {
            Forwarding::Append => self.request.head.elements("x-forwarded-for"),
            Forwarding::Overwrite | Forwarding::Transparent => Vec::new(),
        };
        chain.push(PEER_TEXT);
        let chain = &chain[chain.len().saturating_sub(FORWARDED_FOR_MAX)..];
        assert_eq!(sent.values("x-forwarded-for").len(), 1, "{}", self.show());
        assert_eq!(sent.elements("x-forwarded-for"), chain, "{}", self.show());
        assert_eq!(sent.values("forwarded").len(), 1, "{}", self.show());
        if hop.forwarding == Forwarding::Overwrite {
            let host: Vec<&[u8]> = self.request.host.into_iter().collect();
            assert_eq!(sent.values("x-forwarded-host"), host, "{}", self.show());
            assert_eq!(sent.values("x-forwarded-proto"), [b"http"], "{}", self.show());
            let about = pick(sent, is_about_client);
            assert_eq!(about.len(), 3 + host.len(), "{}", self.show());
        }
    }

    fn show(&self) -> String {
        format!("{} became {}", show(self.input), show(self.text))
    }
}

/// The fields whose names are `wanted`.
fn pick<'b>(head: &Head<'b>, wanted: impl Fn(&[u8]) -> bool) -> Vec<Field<'b>> {
    head.fields.iter().copied().filter(|field| wanted(field.name)).collect()
}

fn is_about_client(name: &[u8]) -> bool {
    let is_family = |prefix: &str| name.get(..prefix.len()).is_some_and(|s| is_same(s, prefix));
    is_same(name, "forwarded") || is_same(name, "x-real-ip") || is_family("x-forwarded-")
}

fn is_about_trace(name: &[u8]) -> bool {
    is_same(name, "traceparent") || is_same(name, "tracestate")
}

fn as_ref<T>(outcome: &Outcome<T>) -> Outcome<&T> {
    match outcome {
        Outcome::Incomplete => Outcome::Incomplete,
        Outcome::Refused(rule) => Outcome::Refused(rule),
        Outcome::Read(value) => Outcome::Read(value),
    }
}

//! The head of a request.

use super::framing::{Framing, Version, declared, version};
use super::grammar::{is_same, is_token, number};
use super::head::{self, Head, Side, has};
use super::host::host;
use super::{Bounds, Broken, Outcome, require};

/// Empty lines that are skipped before a request (RFC 9112 §2.2 asks for one).
const LEADING_LINES_MAX: usize = 2;
/// The longest method that is read.
const METHOD_MAX: usize = 32;
/// A request with our own name in `Via` this often goes in circles.
pub(crate) const VIA_OURS_MAX: usize = 8;
const PSEUDONYM: &str = "cloudaps";

/// A request that is read and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) method: &'a [u8],
    /// Path and query as they came.
    pub(crate) path: &'a [u8],
    /// The target as it goes on: always in origin form, or `*`.
    pub(crate) target: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) framing: Framing,
    pub(crate) options: Vec<&'a [u8]>,
    pub(crate) closes: bool,
    pub(crate) expects_continue: bool,
    /// `Max-Forwards`, where it counts.
    pub(crate) hops: Option<u64>,
    pub(crate) asks_upgrade: bool,
    pub(crate) request_id: Option<&'a [u8]>,
    /// How often `Via` has our own name.
    pub(crate) rounds: usize,
}

pub(crate) fn read<'a>(input: &'a [u8], bounds: &Bounds) -> Outcome<Request<'a>> {
    let skipped = leading_lines(input);
    if skipped > 2 * LEADING_LINES_MAX {
        return Outcome::Refused("9112 §2.2: few empty lines before a request");
    }
    match head::find(input, skipped, bounds) {
        Outcome::Incomplete => Outcome::Incomplete,
        Outcome::Refused(rule) => Outcome::Refused(rule),
        Outcome::Read(text) => Outcome::of(understand(text, skipped, bounds)),
    }
}

/// Bytes of empty lines at the start.
fn leading_lines(input: &[u8]) -> usize {
    2 * input.chunks(2).take_while(|two| two == b"\r\n").count()
}

fn understand<'a>(text: &'a [u8], skipped: usize, bounds: &Bounds) -> Result<Request<'a>, Broken> {
    let head = head::split(text, skipped, Side::Request, bounds)?;
    let line = Line::read(head.line, bounds)?;
    let host = effective_host(&head, &line)?;
    let framing = declared(&head)?.of_request(line.version)?;
    let options = head.options()?;
    let rounds = head.elements("via").into_iter().filter(|via| is_ours(via)).count();
    require(rounds < VIA_OURS_MAX, "9110 §7.6.3: the request does not go in circles")?;
    let keeps = line.version == Version::Http11 || has(&options, "keep-alive");
    Ok(Request {
        method: line.method,
        path: line.path,
        target: line.target.clone(),
        version: line.version,
        host,
        framing,
        closes: has(&options, "close") || !keeps,
        expects_continue: expectation(&head, line.version)? && has_body(framing),
        hops: hops(&head, line.method)?,
        asks_upgrade: asks_upgrade(&head, &line, framing, &options),
        request_id: request_id(&head),
        rounds,
        options,
        head,
    })
}

/// RFC 9112 §3, without its leniency: `method SP request-target SP HTTP-version`.
struct Line<'a> {
    method: &'a [u8],
    path: &'a [u8],
    target: Vec<u8>,
    authority: Option<&'a [u8]>,
    version: Version,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8], bounds: &Bounds) -> Result<Self, Broken> {
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [method, target, last] = words[..] else {
            return Err("9112 §3: three words between single spaces");
        };
        require(is_token(method), "9110 §9.1: the method is a token")?;
        require(method.len() <= METHOD_MAX, "the method is within its limit")?;
        require(target.len() <= bounds.target, "the target is within its limit")?;
        let visible = target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#');
        require(visible, "9112 §3.2: the target is visible ASCII without a fragment")?;
        require(method != b"CONNECT" && method != b"TRACE", "no such method here")?;
        let Target { authority, path } = Target::read(method, target)?;
        let target = canonical(method, path, authority.is_some());
        Ok(Self { method, path, target, authority, version: version(last)? })
    }
}

/// RFC 9112 §3.2: the host of an absolute URI, if it is one, and the path with its query.
struct Target<'a> {
    authority: Option<&'a [u8]>,
    path: &'a [u8],
}

impl<'a> Target<'a> {
    fn read(method: &[u8], target: &'a [u8]) -> Result<Self, Broken> {
        if target.starts_with(b"/") || (target == b"*" && method == b"OPTIONS") {
            return Ok(Self { authority: None, path: target });
        }
        for scheme in ["http://", "https://"] {
            if target.get(..scheme.len()).is_some_and(|start| is_same(start, scheme)) {
                let rest = &target[scheme.len()..];
                let end = rest.iter().position(|&byte| byte == b'/' || byte == b'?');
                let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
                let host = host(authority).ok_or("9110 §4.2: a URI has a host, no userinfo")?;
                return Ok(Self { authority: Some(host), path });
            }
        }
        Err("9112 §3.2: the target has origin, absolute or asterisk form")
    }
}

/// RFC 9112 §3.2.1 and §3.2.4: an absolute URI without a path means `/`, or `*` with OPTIONS.
fn canonical(method: &[u8], path: &[u8], is_absolute: bool) -> Vec<u8> {
    let prefix: &[u8] = match path {
        [] if is_absolute && method == b"OPTIONS" => b"*",
        [b'/' | b'*', ..] => b"",
        _ => b"/",
    };
    [prefix, path].concat()
}

/// RFC 9112 §3.2 and §3.2.2: at most one valid `Host`, and one in HTTP/1.1; an absolute URI wins.
fn effective_host<'a>(head: &Head<'a>, line: &Line<'a>) -> Result<Option<&'a [u8]>, Broken> {
    let hosts = head.values("host");
    require(hosts.len() <= 1, "9112 §3.2: one Host")?;
    require(hosts.len() == 1 || line.version == Version::Http10, "9112 §3.2: 1.1 has a Host")?;
    let named = match hosts.first() {
        Some(value) => Some(host(value).ok_or("9112 §3.2: Host is a host")?),
        None => None,
    };
    Ok(line.authority.or(named))
}

/// RFC 9110 §10.1.1: HTTP/1.0 has none, and there is only one.
fn expectation(head: &Head<'_>, version: Version) -> Result<bool, Broken> {
    let values = head.values("expect");
    if version == Version::Http10 {
        return Ok(false);
    }
    let known = values.iter().all(|value| is_same(value, "100-continue"));
    require(known, "9110 §10.1.1: no expectation but 100-continue")?;
    Ok(!values.is_empty())
}

fn has_body(framing: Framing) -> bool {
    !matches!(framing, Framing::Empty | Framing::Length(0))
}

/// RFC 9110 §7.6.2: for OPTIONS (and TRACE, which is refused).
fn hops(head: &Head<'_>, method: &[u8]) -> Result<Option<u64>, Broken> {
    let values = head.values("max-forwards");
    match values[..] {
        _ if method != b"OPTIONS" => Ok(None),
        [] => Ok(None),
        [value] => number(value).map(Some).ok_or("9110 §7.6.2: Max-Forwards is a number"),
        _ => Err("9110 §7.6.2: one Max-Forwards"),
    }
}

/// RFC 9110 §7.8, for a GET without a body, and never to HTTP/2 in clear text.
fn asks_upgrade(head: &Head<'_>, line: &Line<'_>, framing: Framing, options: &[&[u8]]) -> bool {
    let protocols = head.elements("upgrade");
    !protocols.is_empty()
        && !has(&protocols, "h2c")
        && has(options, "upgrade")
        && line.version == Version::Http11
        && line.method == b"GET"
        && framing == Framing::Empty
}

/// The only `X-Request-Id`, if it can be logged as it is.
fn request_id<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    let [value] = head.values("x-request-id")[..] else { return None };
    let is_sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:;@".contains(byte);
    let is_fit = (1..=64).contains(&value.len()) && value.iter().all(is_sane);
    is_fit.then_some(value)
}

/// RFC 9110 §7.6.3: `received-protocol RWS received-by [ RWS comment ]`.
fn is_ours(via: &[u8]) -> bool {
    let mut words = via.split(|&byte| byte == b' ' || byte == b'\t').filter(|w| !w.is_empty());
    words.nth(1).is_some_and(|by| is_same(by, PSEUDONYM))
}

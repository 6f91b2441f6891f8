//! The head of a request: read, checked and understood.

use std::ops::Range;

use super::class::Class;
use super::cookie::{CookieName, cookie};
use super::fields::{BeforeColon, Field, Fields, HEAD_CEILING, Span};
use super::framing::Declared;
use super::host::authority;
use super::name::Name;
use super::syntax::{decimal, elements};
use super::target::Target;
use super::trace::TraceParent;
use super::{Framing, Limits, Method, Persistence, Progress, Refusal, RequestId, Version};

/// Empty lines tolerated before a request. RFC 9112 §2.2 asks for one, which old clients sent
/// after a body; more is not a client.
const LEADING_LINES_MAX: usize = 2;
/// The longest method in the IANA registry has 16 letters.
const METHOD_MAX: usize = 32;
/// What nearly all request lines have after their target, and as much as all others have.
const USUAL_REST: &[u8; 11] = b" HTTP/1.1\r\n";
/// A request that carries our own `Via` this often goes in circles. A balancer and a forwarder in
/// front of one another make two.
const VIA_OURS_MAX: usize = 8;
/// The name that we go by in `Via`.
const PSEUDONYM: &[u8] = b"cloudaps";

/// How much further a request may travel: `Max-Forwards`, which counts for OPTIONS only
/// (RFC 9110 §7.6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hops {
    /// No limit.
    #[default]
    Unlimited,
    /// This many more hops, at least one.
    Left(u64),
    /// None: we are the one to answer it.
    Exhausted,
}

/// On what terms a request is answered: all that has to be known of it once its head has gone on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The method.
    pub method: Method,
    /// The version the client speaks.
    pub version: Version,
    /// Whether the client wants the connection to outlive the answer.
    pub persistence: Persistence,
    /// Whether it may wait for `100 Continue`.
    pub expects_continue: bool,
    /// Whether it offers to switch protocols.
    pub asks_upgrade: bool,
}

/// The head of a request. Made once and reused for one request after the other.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// The bytes already looked at while the head was incomplete.
    seen: usize,
    line: Line,
    pub(super) fields: Fields,
    facts: Facts,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    method: Method,
    token: Span,
    target: Target,
    version: Version,
    end: usize,
}

/// What `Upgrade` lines offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Upgrade {
    #[default]
    Nothing,
    /// A protocol that a server may switch to while we look away.
    Protocol,
    /// HTTP/2 over the same connection, whose requests would then get past every check made here.
    /// RFC 9113 §3.1 has withdrawn it, so nobody who means well offers it.
    Http2,
}

/// What the header lines say, taken together.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    declared: Declared,
    /// The line of `Content-Length` is just what we would write.
    length_is_plain: bool,
    framing: Framing,
    host: Option<Span>,
    /// The line of `Host` is just what we would write.
    host_is_plain: bool,
    expects_continue: bool,
    hops: Hops,
    upgrade: Upgrade,
}

impl RequestHead {
    /// Forgets the request and keeps the memory. Call it before each new request.
    pub fn clear(&mut self) {
        self.seen = 0;
        self.len = 0;
        self.line = Line::default();
        self.facts = Facts::default();
        self.fields.clear();
    }

    /// Reads the head that begins with the first of `bytes`. While it is incomplete, call again
    /// with the same bytes and more.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why this is no request to pass on. Answer with its status, and close.
    pub fn parse(&mut self, bytes: &[u8], limits: &Limits) -> Result<Progress, Refusal> {
        let limit = limits.head.min(HEAD_CEILING);
        let window = &bytes[..bytes.len().min(limit)];
        if may_end_after(window, self.seen)
            && let Progress::Complete = self.read(window, limits)?
        {
            return Ok(Progress::Complete);
        }
        self.seen = window.len();
        if bytes.len() >= limit { Err(overflow(window, limits)) } else { Ok(Progress::Incomplete) }
    }

    /// Length of the head: the body begins there. Zero until the head is complete.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a complete head is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.line.method
    }

    /// The method as it was written.
    #[must_use]
    pub fn method_token<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        self.line.token.of(bytes)
    }

    /// Path and query. Empty or without its slash if an absolute URI was written so.
    #[must_use]
    pub fn path<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        self.line.target.path.of(bytes)
    }

    /// What the path of an absolute URI has to begin with and leaves out: `/`, or `*`.
    #[must_use]
    pub fn path_prefix(&self) -> &'static [u8] {
        self.line.target.prefix
    }

    /// The version the client speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// How the end of the body is told. Never [`Framing::UntilClose`].
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.facts.framing
    }

    /// Whether the client wants the connection to outlive this request (RFC 9112 §9.3).
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        self.fields.options().persistence(self.line.version)
    }

    /// Whether the client may wait for `100 Continue` before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.facts.expects_continue
    }

    /// Whether the client offers to switch protocols on this request (RFC 9110 §7.8). HTTP/1.0
    /// cannot, and we let only a GET without a body.
    #[must_use]
    pub fn asks_upgrade(&self) -> bool {
        self.facts.upgrade == Upgrade::Protocol
            && self.fields.options().upgrade
            && self.line.version == Version::Http11
            && self.line.method == Method::Get
            && self.facts.framing == Framing::Empty
    }

    /// What has to be known of it from here on.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            method: self.method(),
            version: self.version(),
            persistence: self.persistence(),
            expects_continue: self.expects_continue(),
            asks_upgrade: self.asks_upgrade(),
        }
    }

    /// How much further the request may travel.
    #[must_use]
    pub fn hops(&self) -> Hops {
        self.facts.hops
    }

    /// Host and port that the request is for: those of an absolute URI, else the `Host` header.
    /// HTTP/1.0 may have neither.
    #[must_use]
    pub fn host<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let host = self.line.target.authority.or(self.facts.host);
        host.map(|span| span.of(bytes))
    }

    /// Names and values of the headers, in order.
    pub fn headers<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.fields.iter().map(|field| (field.token(bytes), field.value(bytes)))
    }

    /// The first header of that name.
    #[must_use]
    pub fn header<'b>(&self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let mut headers = self.headers(bytes);
        headers.find(|(token, _)| token.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// What the client would rather read: the lines of `Accept`, which are one list
    /// (RFC 9110 §5.3).
    pub fn accept<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        self.fields.values(bytes, Name::Accept)
    }

    /// The value of the first cookie of that name.
    #[must_use]
    pub fn cookie<'b>(&self, bytes: &'b [u8], name: &CookieName) -> Option<&'b [u8]> {
        cookie(&self.fields, bytes, name)
    }

    /// The client's own `X-Request-Id`, if there is one and only one, and it is fit to be logged.
    #[must_use]
    pub fn request_id(&self, bytes: &[u8]) -> Option<RequestId> {
        let mut values = self.fields.values(bytes, Name::XRequestId);
        let id = RequestId::try_from(values.next()?).ok()?;
        values.next().is_none().then_some(id)
    }

    /// Where the request stands in a trace, if one `traceparent` says so and it is valid: of two
    /// nobody knows which one is meant (Trace Context §3.2.1).
    #[must_use]
    pub fn trace_parent(&self, bytes: &[u8]) -> Option<TraceParent> {
        let mut values = self.fields.values(bytes, Name::TraceParent);
        let parent = TraceParent::parse(values.next()?)?;
        values.next().is_none().then_some(parent)
    }

    /// Where the request line is, if it is exactly what we would write, and so is the line of
    /// `Host` that counts.
    pub(super) fn plain_line(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let Line { target, token, end, .. } = self.line;
        let is_plain = self.facts.host_is_plain
            && target.authority.is_none()
            && target.prefix.is_empty()
            && bytes[..end].ends_with(USUAL_REST);
        is_plain.then(|| token.range().start..end)
    }

    /// Whether the line of `Content-Length`, if there is one, is exactly what we would write.
    pub(super) fn length_is_plain(&self) -> bool {
        self.facts.length_is_plain
    }

    pub(super) fn target(&self) -> Target {
        self.line.target
    }

    fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<Progress, Refusal> {
        let Some(line) = Line::read(bytes, limits)? else { return Ok(Progress::Incomplete) };
        let read = self.fields.read(bytes, line.end, limits, BeforeColon::Nothing)?;
        let Some(len) = read else { return Ok(Progress::Incomplete) };
        self.line = line;
        self.facts = Facts::default();
        self.facts.gather(&self.fields, bytes, &line)?;
        self.len = len;
        Ok(Progress::Complete)
    }
}

/// What is wrong with a head that fills `window` to the limit and has no end.
#[cold]
fn overflow(window: &[u8], limits: &Limits) -> Refusal {
    match Line::read(window, limits) {
        Ok(Some(_)) => Refusal::HeadTooLarge,
        Ok(None) => Refusal::TargetTooLong,
        Err(refusal) => refusal,
    }
}

/// Whether the end of a head may be among the bytes after the first `seen`. Keeps a client that
/// sends a head byte by byte from having it parsed once per byte.
pub(super) fn may_end_after(bytes: &[u8], seen: usize) -> bool {
    if seen == 0 {
        return true;
    }
    // An end that we would accept is LF CR LF; LF LF is one that we want to refuse at once.
    let new = &bytes[seen.saturating_sub(2)..];
    new.windows(2).any(|pair| pair == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
}

impl Line {
    /// Method, target and version: three words between single spaces (RFC 9112 §3). A part of its
    /// caller, so that what it finds need not be copied on the way.
    #[inline(always)]
    fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Self>, Refusal> {
        let Some(start) = skip_empty_lines(bytes)? else { return Ok(None) };
        let token = start..start + Class::TOKEN.len(&bytes[start..]);
        let Some(after) = byte_after(&token, bytes, METHOD_MAX, Refusal::MethodTooLong)? else {
            return Ok(None);
        };
        let method = method(&bytes[token.clone()], after)?;
        let start = token.end + 1;
        let target = start..start + Class::TARGET.len(&bytes[start..]);
        byte_after(&target, bytes, limits.target, Refusal::TargetTooLong)?;
        let rest = &bytes[target.end..];
        let Some(rest) = rest.first_chunk() else {
            // A line that ends too soon, as in HTTP/0.9, does not become longer.
            return if rest.contains(&b'\n') { Err(Refusal::RequestLine) } else { Ok(None) };
        };
        let version = if rest == USUAL_REST { Version::Http11 } else { ending(rest)? };
        let end = target.end + rest.len();
        let target = Target::read(&bytes[target.clone()], target.start, method)?;
        Ok(Some(Self { method, token: Span::new(token), target, version, end }))
    }
}

/// The byte after a word, which may not be longer than `most`; `None` if it is not there yet.
fn byte_after(
    word: &Range<usize>,
    bytes: &[u8],
    most: usize,
    too_long: Refusal,
) -> Result<Option<u8>, Refusal> {
    if word.len() > most { Err(too_long) } else { Ok(bytes.get(word.end).copied()) }
}

/// Where the request line begins; `None` if that is not known yet.
fn skip_empty_lines(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut start = 0;
    loop {
        match &bytes[start..] {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] if start == 2 * LEADING_LINES_MAX => {
                return Err(Refusal::LeadingLines);
            }
            [b'\r', b'\n', ..] => start += 2,
            _ => return Ok(Some(start)),
        }
    }
}

/// The method, which the byte `after` must separate from the target.
fn method(token: &[u8], after: u8) -> Result<Method, Refusal> {
    match token {
        _ if token.is_empty() || after != b' ' => Err(Refusal::Method),
        // It would echo what the client must not see, such as the headers that we add.
        b"TRACE" => Err(Refusal::Trace),
        _ => Ok(Method::of(token)),
    }
}

/// What follows the target: a space, the version, and the end of the line.
fn ending(rest: &[u8; USUAL_REST.len()]) -> Result<Version, Refusal> {
    match rest {
        [b' ', version @ .., b'\r', b'\n'] => read_version(version),
        [b' ', _, _, _, _, _, _, _, _, b'\n', ..] => Err(Refusal::LineEnd),
        [b' ', ..] => Err(Refusal::Version),
        [b'\r' | b'\n', ..] => Err(Refusal::RequestLine),
        _ => Err(Refusal::Target),
    }
}

/// The version: case-sensitive, one digit each (RFC 9112 §2.3).
pub(super) fn read_version(text: &[u8; 8]) -> Result<Version, Refusal> {
    if text == b"HTTP/1.1" {
        return Ok(Version::Http11);
    }
    match text {
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(Refusal::VersionUnsupported)
        }
        _ => Err(Refusal::Version),
    }
}

impl Facts {
    /// Gathers them in place, for they are many.
    fn gather(&mut self, fields: &Fields, bytes: &[u8], line: &Line) -> Result<(), Refusal> {
        let mut via_ours = 0;
        for field in fields.iter() {
            let value = || field.value(bytes);
            match field.name {
                Name::Host => self.add_host(bytes, field)?,
                Name::ContentLength => {
                    self.declared.add_length(value())?;
                    self.length_is_plain = field.is_plain_length(bytes);
                }
                Name::TransferEncoding => self.declared.add_coding(value())?,
                Name::Expect => self.add_expectation(value(), line.version)?,
                Name::MaxForwards if line.method == Method::Options => self.add_hops(value())?,
                Name::Upgrade => self.add_upgrade(value()),
                Name::Via => via_ours += elements(value()).filter(|&via| is_ours(via)).count(),
                _ => {}
            }
        }
        if self.host.is_none() && line.version == Version::Http11 {
            return Err(Refusal::HostMissing);
        }
        if via_ours >= VIA_OURS_MAX {
            return Err(Refusal::Loop);
        }
        self.framing = self.declared.of_request(line.version)?;
        self.expects_continue &= !matches!(self.framing, Framing::Empty | Framing::Length(0));
        Ok(())
    }

    fn add_host(&mut self, bytes: &[u8], field: &Field) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::HostRepeated);
        }
        let value = field.value_range(bytes);
        let canonical = authority(&bytes[value.clone()]).ok_or(Refusal::Host)?;
        self.host = Some(Span::new(value.start..value.start + canonical.len));
        self.host_is_plain = field.is_plain() && canonical.len == value.len();
        Ok(())
    }

    /// HTTP/1.0 knows no expectations, so there they are ignored (RFC 9110 §10.1.1).
    fn add_expectation(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        if version == Version::Http10 {
            return Ok(());
        }
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
        self.expects_continue = true;
        Ok(())
    }

    fn add_upgrade(&mut self, value: &[u8]) {
        for protocol in elements(value).filter(|protocol| !protocol.is_empty()) {
            if protocol.eq_ignore_ascii_case(b"h2c") {
                self.upgrade = Upgrade::Http2;
            } else if self.upgrade == Upgrade::Nothing {
                self.upgrade = Upgrade::Protocol;
            }
        }
    }

    fn add_hops(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let first = self.hops == Hops::Unlimited;
        self.hops = match decimal(value).filter(|_| first).ok_or(Refusal::MaxForwards)? {
            0 => Hops::Exhausted,
            left => Hops::Left(left),
        };
        Ok(())
    }
}

/// Whether an element of `Via`, `1.1 pseudonym (comment)`, is ours.
fn is_ours(via: &[u8]) -> bool {
    let mut words = via.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(PSEUDONYM))
}

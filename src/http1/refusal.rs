//! Why a message is refused, and with which status.

/// Why a message is refused.
///
/// [`Refusal::status`] is the answer to a *request*, after which the connection closes: where the
/// next message begins is no longer certain. In a *response* every refusal is a 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
#[expect(missing_docs, reason = "`reason` says it, once")]
pub enum Refusal {
    LeadingLines,
    RequestLine,
    Method,
    MethodTooLong,
    Connect,
    Trace,
    Target,
    TargetTooLong,
    Version,
    VersionUnsupported,
    StatusLine,
    SwitchingProtocols,
    LineEnd,
    HeaderName,
    HeaderValue,
    HeadTooLarge,
    HeadersTooMany,
    HostMissing,
    HostRepeated,
    Host,
    ContentLength,
    ContentLengthRepeated,
    LengthAndCoding,
    TransferEncoding,
    CodingUnsupported,
    CodingInHttp10,
    ConnectionOptionsTooMany,
    Expectation,
    MaxForwards,
    Loop,
    ChunkSize,
    ChunkExtension,
    ChunkExtensionsTooLong,
    ChunkEnd,
    Trailer,
    TrailersTooLarge,
    Truncated,
}

impl Refusal {
    /// The status to answer a refused request with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Trace => 405,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::HeadersTooMany | Self::TrailersTooLarge => 431,
            Self::MethodTooLong | Self::Connect | Self::CodingUnsupported => 501,
            Self::VersionUnsupported => 505,
            Self::Loop => 508,
            _ => 400,
        }
    }

    /// What is wrong, in words for the person who sent it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::LeadingLines => "too many empty lines before the request",
            Self::RequestLine => "the request line is not: method SP target SP version CRLF",
            Self::Method => "the method is not a token",
            Self::MethodTooLong => "the method is longer than any that exists",
            Self::Connect => "CONNECT is not offered here",
            Self::Trace => "TRACE is not offered here",
            Self::Target => {
                "the request target is not a path, an http or https URI, or * with OPTIONS"
            }
            Self::TargetTooLong => "the request target is too long",
            Self::Version => "the version is not HTTP/ and two digits with a dot",
            Self::VersionUnsupported => "this HTTP version is not spoken here, only 1.1 and 1.0",
            Self::StatusLine => "the status line is not: version SP three digits SP reason CRLF",
            Self::SwitchingProtocols => "a switch of protocols that nobody asked for",
            Self::LineEnd => "a line does not end with CRLF",
            Self::HeaderName => "a header line has no token before its colon",
            Self::HeaderValue => "a header value has a control character in it",
            Self::HeadTooLarge => "the head is too large",
            Self::HeadersTooMany => "too many header lines",
            Self::HostMissing => "HTTP/1.1 needs a Host header",
            Self::HostRepeated => "more than one Host header",
            Self::Host => "the host is not a name or an address, with at most a port",
            Self::ContentLength => "Content-Length is not a decimal number within 63 bits",
            Self::ContentLengthRepeated => "more than one Content-Length",
            Self::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding is not a list that ends with chunked",
            Self::CodingUnsupported => "no transfer coding but chunked is supported",
            Self::CodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding",
            Self::ConnectionOptionsTooMany => "too many options in Connection",
            Self::Expectation => "no expectation but 100-continue is supported",
            Self::MaxForwards => "Max-Forwards is not one decimal number",
            Self::Loop => "the request has come through here too many times",
            Self::ChunkSize => "a chunk size is not 1 to 16 hexadecimal digits within 63 bits",
            Self::ChunkExtension => "a chunk extension is malformed",
            Self::ChunkExtensionsTooLong => "the chunk extensions are too long",
            Self::ChunkEnd => "the data of a chunk does not end with CRLF",
            Self::Trailer => "a trailer line is malformed",
            Self::TrailersTooLarge => "the trailers are too large",
            Self::Truncated => "the connection closed before the message was complete",
        }
    }
}

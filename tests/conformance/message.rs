//! Messages as the two ends of the suite read them: plainly, and keeping every line as it came.

/// A request or a response, as far as it has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The start line, octet for octet as Latin-1.
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) framing: Framing,
    pub(crate) body: Vec<u8>,
    /// Chunks that the body came in, the last one not counted.
    pub(crate) chunks: usize,
    pub(crate) trailers: Vec<String>,
    pub(crate) is_whole: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    #[default]
    Empty,
    Length,
    Chunked,
    UntilClose,
}

/// What a message answers, which decides how its end is told (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    ResponseToHead,
    Response,
}

impl Message {
    /// Reads the message that `bytes` begin with, and how many of them it takes; `None` if its
    /// head is incomplete.
    pub(crate) fn read(bytes: &[u8], kind: Kind) -> Option<(Self, usize)> {
        let head_len = find(bytes, b"\r\n\r\n")? + 4;
        let text = latin1(&bytes[..head_len - 4]);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let mut message = Self { line, fields: lines.map(field).collect(), ..Self::default() };
        message.framing = message.framing_as(kind);
        let used = message.take_body(&bytes[head_len..]);
        Some((message, head_len + used))
    }

    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The values of all lines of that name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether it is the request that each case ends with, or its answer.
    pub(crate) fn is_next(&self) -> bool {
        self.line == "GET /next HTTP/1.1" || !self.values("is-next").is_empty()
    }

    fn framing_as(&self, kind: Kind) -> Framing {
        let is_bodiless = matches!(self.status(), 102..=199 | 100 | 204 | 304);
        if kind == Kind::ResponseToHead || (kind == Kind::Response && is_bodiless) {
            return Framing::Empty;
        }
        let (coding, length) = (self.values("transfer-encoding"), self.values("content-length"));
        match (coding.is_empty(), length.first()) {
            (false, _) => Framing::Chunked,
            (true, Some(&"0")) => Framing::Empty,
            (true, Some(_)) => Framing::Length,
            (true, None) if kind == Kind::Request => Framing::Empty,
            (true, None) => Framing::UntilClose,
        }
    }

    fn take_body(&mut self, rest: &[u8]) -> usize {
        match self.framing {
            Framing::Empty => {
                self.is_whole = true;
                0
            }
            Framing::Length => {
                let length = self.values("content-length")[0].parse().unwrap_or(usize::MAX);
                self.is_whole = rest.len() >= length;
                self.body = rest[..length.min(rest.len())].to_vec();
                self.body.len()
            }
            Framing::Chunked => self.take_chunks(rest).unwrap_or(rest.len()),
            // Whoever sees the end of the stream says whether that was it.
            Framing::UntilClose => {
                self.body = rest.to_vec();
                rest.len()
            }
        }
    }

    /// Returns what the chunks take; `None` as long as they have no end.
    fn take_chunks(&mut self, rest: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let line_end = at + find(&rest[at..], b"\r\n")?;
            let line = latin1(&rest[at..line_end]);
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).ok()?;
            at = line_end + 2;
            if size == 0 {
                break;
            }
            let here = size.min(rest.len() - at);
            self.body.extend_from_slice(&rest[at..at + here]);
            self.chunks += 1;
            let end = rest.get(at + here..at + here + 2)?;
            if here < size || end != b"\r\n" {
                return None;
            }
            at += size + 2;
        }
        loop {
            let line_end = at + find(&rest[at..], b"\r\n")?;
            let line = latin1(&rest[at..line_end]);
            at = line_end + 2;
            if line.is_empty() {
                self.is_whole = true;
                return Some(at);
            }
            self.trailers.push(line);
        }
    }
}

/// Where `wanted` begins in `bytes`.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Octets as characters, one for one.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

//! A collector of traces: it takes OTLP over HTTP and reads it by OpenTelemetry's own definitions.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{self as otlp, span::SpanKind, status::StatusCode};
use prost::Message;

/// How long anything may take before a test gives up. Generous: a slow machine is not a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// What it answers.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// It takes what it was sent.
    Taken,
    /// Another status, and what else its head says.
    Refused(u16, &'static str),
    /// Nothing, as long as the connection lasts.
    Silence,
}

/// A span that it was told, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) span: otlp::Span,
    resource: Vec<KeyValue>,
}

/// A running collector. Its thread ends with the test.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Arc<Taken>,
}

#[derive(Default)]
struct Taken {
    exports: Mutex<Exports>,
    more: Condvar,
}

#[derive(Default)]
struct Exports {
    heads: Vec<String>,
    spans: Vec<Told>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::replying(&[])
    }

    /// One that answers like this at first, and takes everything after that.
    pub(crate) fn replying(replies: &[Reply]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), replies, Ok)
    }

    /// One on a port that listens already, whose connections `open` makes readable.
    pub(crate) fn on<S: Read + Write>(
        listener: TcpListener,
        replies: &[Reply],
        open: impl Fn(TcpStream) -> std::io::Result<S> + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Taken::default());
        let (shared, mut replies) = (Arc::clone(&taken), VecDeque::from(replies.to_vec()));
        thread::spawn(move || {
            // Those that it does not answer stay open as long as it does.
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(stream) = open(stream) else { continue };
                let reply = replies.pop_front().unwrap_or(Reply::Taken);
                silent.extend(shared.take(stream, reply));
            }
        });
        Self { address, taken }
    }

    /// Its address, as it is given to who tells.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans, once there are so many.
    pub(crate) fn spans(&self, count: usize) -> Vec<Told> {
        let spans = |exports: &Exports| exports.spans.len();
        let exports = self.wait("spans", count, spans);
        assert_eq!(exports.spans.len(), count, "{:#?}", exports.spans);
        exports.spans.clone()
    }

    /// The heads of the exports, once there are so many, taken or not.
    pub(crate) fn heads(&self, count: usize) -> Vec<String> {
        self.wait("exports", count, |exports| exports.heads.len()).heads.clone()
    }

    fn wait(
        &self,
        what: &str,
        count: usize,
        there: fn(&Exports) -> usize,
    ) -> std::sync::MutexGuard<'_, Exports> {
        let exports = self.taken.exports.lock().unwrap();
        let waited =
            self.taken.more.wait_timeout_while(exports, DEADLINE, |all| there(all) < count);
        let (exports, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "no {count} {what}: {:#?}", exports.spans);
        exports
    }
}

impl Taken {
    /// Reads one export and answers it; gives the connection back if it stays without an answer.
    fn take<S: Read + Write>(&self, stream: S, reply: Reply) -> Option<S> {
        let mut stream = BufReader::new(stream);
        let (head, body) = read(&mut stream)?;
        let spans = spans(&body);
        let answer = match reply {
            Reply::Taken => "200 OK\r\n".to_owned(),
            Reply::Refused(status, lines) => format!("{status} No\r\n{lines}"),
            Reply::Silence => String::new(),
        };
        let mut exports = self.exports.lock().unwrap();
        exports.heads.push(head);
        if matches!(reply, Reply::Taken) {
            exports.spans.extend(spans);
        }
        drop(exports);
        self.more.notify_all();
        if answer.is_empty() {
            return Some(stream.into_inner());
        }
        let answer = format!("HTTP/1.1 {answer}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.get_mut().write_all(answer.as_bytes());
        let _ = stream.get_mut().flush();
        None
    }
}

/// Reads a request with a `Content-Length`; `None` if it does not come whole.
fn read(stream: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// What an export tells.
pub(crate) fn spans(export: &[u8]) -> Vec<Told> {
    let export = ExportTraceServiceRequest::decode(export).unwrap();
    let of_resource = export.resource_spans.into_iter().flat_map(|spans| {
        let resource = spans.resource.unwrap().attributes;
        let of_scope = spans.scope_spans.into_iter().flat_map(|spans| {
            assert_eq!(spans.scope.unwrap().name, "cloudaps");
            spans.spans
        });
        of_scope.map(|span| Told { span, resource: resource.clone() }).collect::<Vec<_>>()
    });
    of_resource.collect()
}

impl Told {
    /// What the span says of this, as text; `None`: nothing.
    pub(crate) fn says(&self, key: &str) -> Option<String> {
        value(&self.span.attributes, key)
    }

    /// What is said of who tells it.
    pub(crate) fn teller(&self, key: &str) -> Option<String> {
        value(&self.resource, key)
    }

    /// Whether it is a request that was answered.
    pub(crate) fn is_server(&self) -> bool {
        self.span.kind == i32::from(SpanKind::Server)
    }

    /// Whether it says that there was an error.
    pub(crate) fn is_error(&self) -> bool {
        let status = self.span.status.as_ref();
        status.is_some_and(|status| status.code == i32::from(StatusCode::Error))
    }

    /// Its trace and itself, as a `traceparent` names them.
    pub(crate) fn ids(&self) -> (String, String) {
        (hex(&self.span.trace_id), hex(&self.span.span_id))
    }

    /// Its parent, as a `traceparent` names it.
    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let mut named = attributes.iter().filter(|attribute| attribute.key == key);
    let found = named.next()?.value.as_ref().and_then(|AnyValue { value }| value.as_ref());
    assert!(named.next().is_none(), "`{key}` is said twice");
    match found? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("`{key}` is {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

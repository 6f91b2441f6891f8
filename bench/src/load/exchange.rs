//! What is sent and what is awaited. An answer is read just far enough to know where it ends and
//! whether it is the one that was expected.

use std::net::SocketAddr;

use crate::cli::Exchange;
use crate::head::{self, Head};
use crate::origin::{FRAME_BYTES, MASKED_FRAME_BYTES, WEBSOCKET_KEY};

/// The body of a POST: a form, or a document of an API.
const POST_BYTES: usize = 4 * 1024;

/// A task like most.
const TASK: &str = r#"{"text":"comprar pão e leite"}"#;

/// The bytes of one exchange.
pub(super) struct Script {
    /// What opens a WebSocket, once per connection; empty for plain HTTP.
    pub(super) opening: Vec<u8>,
    pub(super) request: Vec<u8>,
    pub(super) answer: Awaited,
    /// Whether a connection takes only one request.
    pub(super) once: bool,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A head with this status.
    Head(u16),
    /// So many bytes more.
    Bytes(u64),
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is whole.
    Done,
    /// These bytes are used up; more are awaited.
    More(Awaited),
    /// The head is not whole: its bytes are needed again.
    Again,
    /// It is not what was asked for.
    Wrong,
}

impl Script {
    pub(super) fn new(exchange: Exchange, to: SocketAddr) -> Self {
        let mut opening = Vec::new();
        let mut answer = Awaited::Head(200);
        let request = match exchange {
            Exchange::Get => request("GET", "/", to, ""),
            Exchange::Download => request("GET", "/1m", to, ""),
            Exchange::Connect => request("GET", "/", to, "Connection: close\r\n"),
            Exchange::Post => {
                let length = format!("Content-Length: {POST_BYTES}\r\n");
                [request("POST", "/", to, &length), vec![b'x'; POST_BYTES]].concat()
            }
            Exchange::AddTask => {
                answer = Awaited::Head(201);
                json("POST", "/tasks/", to, TASK)
            }
            Exchange::ShowTask => request("GET", "/tasks/500", to, ""),
            Exchange::ListTasks => request("GET", "/tasks/?limit=100&after=500", to, ""),
            Exchange::ReplaceTask => json("PUT", "/tasks/500", to, TASK),
            Exchange::Websocket => {
                let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
                let key = format!(
                    "{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {WEBSOCKET_KEY}\r\n"
                );
                opening = request("GET", "/ws", to, &key);
                answer = Awaited::Bytes(FRAME_BYTES as u64);
                frame()
            }
        };
        Self { opening, request, answer, once: exchange == Exchange::Connect }
    }
}

impl Awaited {
    /// What `bytes` make of it.
    pub(super) fn take(self, bytes: &[u8]) -> Progress {
        let (left, taken) = match self {
            Self::Bytes(left) => (left, bytes.len() as u64),
            Self::Head(wanted) => match Head::read(bytes) {
                None => return Progress::Again,
                Some(head) if head::status(bytes) != wanted || head.is_chunked => {
                    return Progress::Wrong;
                }
                Some(head) => (head.total(), bytes.len() as u64),
            },
        };
        match left.checked_sub(taken) {
            None => Progress::Wrong,
            Some(0) => Progress::Done,
            Some(left) => Progress::More(Self::Bytes(left)),
        }
    }
}

/// What a plain client sends.
pub(super) fn request(method: &str, path: &str, to: SocketAddr, more: &str) -> Vec<u8> {
    let lines = format!("Host: {to}\r\nUser-Agent: cloudaps-bench\r\nAccept: */*\r\n{more}");
    format!("{method} {path} HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

/// A request with a body of JSON.
fn json(method: &str, path: &str, to: SocketAddr, body: &str) -> Vec<u8> {
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    [request(method, path, to, &headers), body.as_bytes().to_vec()].concat()
}

/// A binary message with a mask of zeros, which is a legal one.
fn frame() -> Vec<u8> {
    let mut frame = vec![b'x'; MASKED_FRAME_BYTES];
    let payload = u8::try_from(FRAME_BYTES - 2).expect("a short frame has one byte of length");
    frame[..6].copy_from_slice(&[0x82, 0x80 | payload, 0, 0, 0, 0]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_done_with_its_last_byte_and_not_before() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        let awaited = Awaited::Head(200);
        assert_eq!(awaited.take(answer), Progress::Done);
        assert_eq!(awaited.take(&answer[..30]), Progress::Again);
        assert_eq!(awaited.take(&answer[..answer.len() - 1]), Progress::More(Awaited::Bytes(1)));
        assert_eq!(Awaited::Bytes(1).take(b"y"), Progress::Done);
    }

    #[test]
    fn another_status_and_bytes_too_many_are_wrong() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(Awaited::Head(200).take(answer), Progress::Wrong);
        assert_eq!(Awaited::Bytes(1).take(b"two"), Progress::Wrong);
    }
}

//! One request and its answer, over a connection of its own: how we ask instances about themselves.

use std::io;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;

/// No answer about an instance has more to say; a server that streams without end is cut off here.
const ANSWER_MAX: usize = 64 * 1024;

/// An exchange that brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("no answer")]
    Exchange(#[source] hyper::Error),
    #[error("an answer that is not understood")]
    Answer,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request to `host` that asks for the connection to be closed after it.
///
/// # Panics
/// On a path or a token that no header can hold; the settings let none pass.
pub(crate) fn request(
    (method, path): (Method, &str),
    host: &str,
    token: Option<&str>,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let builder = Request::builder().method(method).uri(path).header(HOST, host);
    let builder = builder.header(CONNECTION, "close").header("user-agent", "cloudaps-probe");
    let builder = match bearer {
        Some(bearer) => builder.header(AUTHORIZATION, bearer),
        None => builder,
    };
    builder.body(Full::new(body)).expect("the configuration let only valid paths and tokens pass")
}

/// Sends a request, and reads the whole answer.
pub(crate) async fn send(to: &Address, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
    match to {
        Address::Ip(to) => {
            let stream = TcpStream::connect(to).await.map_err(Failure::Connect)?;
            exchange(stream, request).await
        }
        Address::Unix(name) => {
            let stream = UnixStream::connect(name.to_path()).await.map_err(Failure::Connect)?;
            exchange(stream, request).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Failure> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Exchange)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(Failure::Exchange)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|_| Failure::Answer)?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    // The connection is driven here, not by a task of its own: with the exchange it ends.
    tokio::select! {
        biased;
        answer = exchange => answer,
        Err(error) = connection => Err(Failure::Exchange(error)),
    }
}

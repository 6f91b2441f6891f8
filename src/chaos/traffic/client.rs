//! One connection to the balancer, kept as long as it lasts.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest answer: a page of a thousand tasks takes a tenth of it.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// The header in which a proxy says how it failed (RFC 9209).
const PROXY_STATUS: &str = "proxy-status";

/// Keeps one connection.
pub(in crate::chaos) struct Client {
    to: SocketAddr,
    open: Option<Open>,
}

/// What reads and writes for a connection. Without it nothing comes or goes.
type Driving = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

struct Open {
    sender: SendRequest<Full<Bytes>>,
    connection: Driving,
}

/// Whether a connection can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Goes,
    Over,
}

/// An answer.
#[derive(Clone, Debug)]
pub(in crate::chaos) struct Answer {
    pub(in crate::chaos) status: StatusCode,
    /// What a proxy on the way says that it failed at.
    pub(in crate::chaos) failure: String,
    pub(in crate::chaos) body: Bytes,
}

/// A request that was not answered in full.
#[derive(Debug, thiserror::Error)]
pub(in crate::chaos) enum Broken {
    /// There is no connection to the balancer.
    #[error("no connection to the balancer: {0}")]
    Connect(#[source] io::Error),
    /// The connection was closed between two requests, and nothing was sent.
    #[error("the balancer closed an idle connection")]
    Idle,
    /// It broke before the answer's head.
    #[error("no answer: {0}")]
    Head(#[source] hyper::Error),
    /// It broke after that.
    #[error("the answer was cut short")]
    Body,
}

impl Client {
    pub(in crate::chaos) const fn new(to: SocketAddr) -> Self {
        Self { to, open: None }
    }

    /// Sends one request and reads its answer. A connection that was closed while it was idle is
    /// replaced, for nothing was sent on it; any other failure is told.
    pub(in crate::chaos) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, Broken> {
        let was_open = self.open.is_some();
        match self.exchange(method.clone(), path, body.clone()).await {
            Err(Broken::Idle) if was_open => self.exchange(method, path, body).await,
            result => result,
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, Broken> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => connect(self.to).await?,
        };
        let request = Request::builder().method(method).uri(path).header(HOST, self.to.to_string());
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body));
        let request = request.expect("paths of ours, or checked at the door");
        let (answer, life) = open.ask(request).await?;
        if life == Life::Goes {
            self.open = Some(open);
        }
        Ok(answer)
    }
}

impl Open {
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(Answer, Life), Broken> {
        let mut answering = pin!(answer(&mut self.sender, request));
        tokio::select! {
            biased;
            answer = &mut answering => Ok((answer?, Life::Goes)),
            // It has nothing more to say, and the answer may be there all the same.
            _ = &mut self.connection => Ok((answering.await?, Life::Over)),
        }
    }
}

async fn connect(to: SocketAddr) -> Result<Open, Broken> {
    let stream = TcpStream::connect(to).await.map_err(Broken::Connect)?;
    // Without the option it works too, later.
    let _ = stream.set_nodelay(true);
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Broken::Head)?;
    Ok(Open { sender, connection: Box::pin(connection) })
}

async fn answer(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Broken> {
    sender.ready().await.map_err(|_| Broken::Idle)?;
    let response =
        sender.send_request(request).await.map_err(|error| match error.is_canceled() {
            true => Broken::Idle,
            false => Broken::Head(error),
        })?;
    let status = response.status();
    let failure = response.headers().get(PROXY_STATUS).map(|value| value.as_bytes().to_vec());
    let failure = String::from_utf8_lossy(&failure.unwrap_or_default()).into_owned();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    Ok(Answer { status, failure, body: body.map_err(|_| Broken::Body)?.to_bytes() })
}

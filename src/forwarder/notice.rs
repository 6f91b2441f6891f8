//! Whether this machine is about to be taken from us: what the metadata of a spot instance says two
//! minutes before its end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::header::HOST;
use hyper::http::request;
use hyper::{Request, StatusCode};
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::exchange::{Answer, send};

/// Between two looks. AWS advises five seconds; the notice is given two minutes ahead.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// How long the metadata may take to answer; it is on the same machine.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Where the notice is, once there is one.
const NOTICE: &str = "/latest/meta-data/spot/instance-action";

/// The header that carries the token of a session with the metadata.
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// How long a session lasts, and how one says so. Six hours are the most that is given.
const LIFETIME: (&str, &str) = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");

/// What the metadata says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing is known of an end.
    Staying,
    /// The machine is about to be taken.
    Leaving,
    /// The session is over, or there was no answer.
    Nothing,
}

/// Looks until it is dropped. Once it is known that the machine is taken, that stays so.
pub(super) async fn watch(metadata: Address, leaving: Arc<AtomicBool>) -> Infallible {
    let mut session = None;
    loop {
        if session.is_none() {
            session = open(&metadata).await;
        }
        let look = match &session {
            Some(token) => look(&metadata, token).await,
            None => Look::Nothing,
        };
        match look {
            Look::Staying => {}
            Look::Leaving => {
                if !leaving.swap(true, Ordering::Relaxed) {
                    tracing::warn!("this machine is about to be taken from us");
                }
            }
            Look::Nothing => session = None,
        }
        sleep(LOOK_PAUSE).await;
    }
}

/// A session with the metadata, which answers nobody without one.
async fn open(metadata: &Address) -> Option<String> {
    let (name, value) = LIFETIME;
    let request = Request::put("/latest/api/token").header(name, value);
    let answer = ask(metadata, request).await?;
    answer.status.is_success().then(|| String::from_utf8(answer.body.to_vec()).ok()).flatten()
}

async fn look(metadata: &Address, token: &str) -> Look {
    let answer = ask(metadata, Request::get(NOTICE).header(TOKEN, token)).await;
    match answer.map(|answer| answer.status) {
        Some(StatusCode::NOT_FOUND) => Look::Staying,
        Some(status) if status.is_success() => Look::Leaving,
        Some(_) | None => Look::Nothing,
    }
}

async fn ask(metadata: &Address, request: request::Builder) -> Option<Answer> {
    let request = request.header(HOST, metadata.authority()).body(Full::default()).ok()?;
    timeout(LOOK_MAX, send(metadata, request)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request after the other with these; says what was asked.
    async fn metadata(answers: Vec<&'static str>) -> (Address, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().into();
        #[expect(clippy::disallowed_methods, reason = "the test joins it")]
        let serving = tokio::spawn(async move {
            let mut asked = String::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 1024];
                let length = stream.read(&mut bytes).await.unwrap();
                asked.push_str(&String::from_utf8_lossy(&bytes[..length]));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (address, serving)
    }

    #[tokio::test]
    async fn a_notice_is_found_in_a_session() {
        let answers = vec![
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
        ];
        let (address, serving) = metadata(answers).await;
        let token = open(&address).await.unwrap();
        assert_eq!(token, "abc");
        assert_eq!(look(&address, &token).await, Look::Staying);
        assert_eq!(look(&address, &token).await, Look::Leaving);
        assert_eq!(look(&address, &token).await, Look::Nothing);
        let asked = serving.await.unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("put /latest/api/token"), "{asked}");
        assert!(asked.contains("x-aws-ec2-metadata-token: abc"), "{asked}");
    }

    #[tokio::test]
    async fn who_does_not_answer_says_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::from(listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(open(&address).await, None);
        assert_eq!(look(&address, "abc").await, Look::Nothing);
    }
}

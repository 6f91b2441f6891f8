//! Speaks to the service, and keeps trying for a while when nobody answers.
//!
//! Every request is safe to repeat: what is added carries a key that makes repetitions one, and
//! the other verbs can be done twice.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::http::header::{CONTENT_TYPE, LINK, RETRY_AFTER};
use ureq::http::{Method, Request, Response, StatusCode};

use super::input::Unread;
use super::server_url::ServerUrl;
use crate::clock::{self, Instant};

/// How long one try may take, so that there are several before the patience ends.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before the second try; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// The longest pause: what a person waits without noticing.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Tries before the client says that it waits: they take a quarter of a second, the time in which
/// an instance is replaced.
const TRIES_UNTOLD: u32 = 3;

/// Tasks of one page, the most that the service gives.
const PAGE: u32 = 1000;

/// The longest answer: a page of texts of 1 MiB, each byte written as `\u00XX`, and some.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Told when the client begins to wait: for whom, and why.
pub(super) type Notice = Box<dyn Fn(&ServerUrl, &str)>;

/// The service, by way of whatever stands in front of it.
pub(super) struct Server {
    agent: ureq::Agent,
    url: ServerUrl,
    patience: Duration,
    /// Since when nobody answers; patience counts from here, so that many values do not each wait
    /// for a server that is gone.
    silent: Option<Instant>,
    notice: Notice,
    draws: fastrand::Rng,
    /// Begins every key of this run; nobody else has it.
    nonce: [u64; 2],
    /// Ends every key: which task of this run it adds.
    serial: u32,
}

/// A task as the service sends it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct TaskBody {
    pub(super) id: i64,
    pub(super) text: String,
    pub(super) done: bool,
    pub(super) created: String,
    pub(super) updated: String,
}

/// Some tasks, and after which the others come.
pub(super) struct Page {
    pub(super) tasks: Vec<TaskBody>,
    pub(super) next: Option<i64>,
}

/// A request that was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// What to do could not be read.
    Unread(Unread),
    /// What was read names no task.
    NotAnId,
    /// There is no such task.
    Missing,
    /// The service does not want to.
    Refused { status: u16, detail: String },
    /// Nobody answered in time. What was asked for may have been done.
    Unreachable { url: ServerUrl, reason: String },
    /// Somebody else answered.
    NotATask { reason: String },
}

impl Failure {
    /// The kind of it, in the words of `docs/task-client.md`.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Unread(_) => "unread",
            Self::NotAnId => "not_an_id",
            Self::Missing => "missing",
            Self::Refused { .. } => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::NotATask { .. } => "not_a_task",
        }
    }
}

/// One request, to be sent as often as needed.
struct Call {
    method: Method,
    path: String,
    /// The text that it carries.
    value: Option<String>,
    key: Option<String>,
}

/// What was answered.
struct Answer {
    status: StatusCode,
    has_next: bool,
    body: String,
    doubt: Doubt,
}

/// Whether an earlier try may have been done although nobody said so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    MayBeDone,
}

/// A try that should be repeated.
struct Miss {
    reason: String,
    doubt: Doubt,
    /// How long the server asks us to wait.
    wait: Duration,
}

/// How a try failed.
enum Failed {
    Passing(Miss),
    Final(Failure),
}

#[derive(Deserialize)]
struct Details {
    detail: String,
}

impl Server {
    /// A client of the service at `url`. `notice` is told when it begins to wait.
    pub(super) fn new(url: ServerUrl, patience: Duration, notice: Notice) -> io::Result<Self> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The server is what `--server` says; a proxy for the web does not come in between.
            .proxy(None)
            .timeout_global(Some(TRY_TIMEOUT.min(patience.max(PAUSE_FIRST))))
            .build();
        let nonce = [getrandom::u64()?, getrandom::u64()?];
        Ok(Self {
            agent: config.into(),
            url,
            patience,
            silent: None,
            notice,
            draws: fastrand::Rng::with_seed(nonce[0]),
            nonce,
            serial: 0,
        })
    }

    /// Adds a task, once.
    pub(super) fn add(&mut self, value: &str) -> Result<TaskBody, Failure> {
        self.serial += 1;
        let key = format!("{:016x}{:016x}-{}", self.nonce[0], self.nonce[1], self.serial);
        let call = Call {
            method: Method::POST,
            path: "/Tarefa/".to_owned(),
            value: Some(value.to_owned()),
            key: Some(key),
        };
        parse(&self.call(&call)?, StatusCode::CREATED)
    }

    /// The tasks after number `after`.
    pub(super) fn page(&mut self, after: i64) -> Result<Page, Failure> {
        let path = format!("/Tarefa/?limit={PAGE}&after={after}");
        let answer = self.call(&Call { method: Method::GET, path, value: None, key: None })?;
        let has_next = answer.has_next;
        let tasks: Vec<TaskBody> = parse(&answer, StatusCode::OK)?;
        let next = tasks.last().map(|task| task.id).filter(|_| has_next);
        // Otherwise the list would never end.
        if next.is_some_and(|next| next <= after) {
            let reason = format!("the page after {after} ends before it");
            return Err(Failure::NotATask { reason });
        }
        Ok(Page { tasks, next })
    }

    /// One task.
    pub(super) fn get(&mut self, id: i64) -> Result<TaskBody, Failure> {
        parse(&self.call(&Call::one(Method::GET, id, None))?, StatusCode::OK)
    }

    /// Replaces a task's text.
    pub(super) fn set(&mut self, id: i64, value: &str) -> Result<TaskBody, Failure> {
        parse(&self.call(&Call::one(Method::PUT, id, Some(value)))?, StatusCode::OK)
    }

    /// Removes a task.
    pub(super) fn remove(&mut self, id: i64) -> Result<(), Failure> {
        let answer = self.call(&Call::one(Method::DELETE, id, None))?;
        match (answer.status, answer.doubt) {
            // Gone: removed by an earlier try whose answer was lost.
            (StatusCode::NO_CONTENT, _) | (StatusCode::GONE, Doubt::MayBeDone) => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }

    /// Sends `call` until somebody answers it or the patience ends.
    fn call(&mut self, call: &Call) -> Result<Answer, Failure> {
        let began = clock::now();
        let mut pause = PAUSE_FIRST;
        let mut doubt = Doubt::None;
        let mut tries = 0;
        loop {
            let miss = match self.send(call) {
                Ok(answer) => {
                    self.silent = None;
                    return Ok(Answer { doubt, ..answer });
                }
                Err(Failed::Final(failure)) => return Err(failure),
                Err(Failed::Passing(miss)) => miss,
            };
            if miss.doubt == Doubt::MayBeDone {
                doubt = Doubt::MayBeDone;
            }
            let since = *self.silent.get_or_insert(began);
            let left = (since + self.patience).since(clock::now());
            if left.is_zero() {
                return Err(Failure::Unreachable { url: self.url.clone(), reason: miss.reason });
            }
            tries += 1;
            if tries == TRIES_UNTOLD {
                (self.notice)(&self.url, &miss.reason);
            }
            // The last try is at the deadline.
            sleep(self.jittered(pause).max(miss.wait).min(left));
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    /// One try.
    fn send(&self, call: &Call) -> Result<Answer, Failed> {
        let mut request =
            Request::builder().method(&call.method).uri(format!("{}{}", self.url, call.path));
        if let Some(key) = &call.key {
            request = request.header("Idempotency-Key", key);
        }
        let response = match &call.value {
            None => request.body(()).map_err(ureq::Error::from).and_then(|it| self.agent.run(it)),
            Some(value) => request
                .header(CONTENT_TYPE, "application/json")
                .body(serde_json::json!({ "text": value }).to_string())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
        };
        response.map_err(|error| missed(&error)).and_then(read)
    }

    /// Between a half and the whole of `pause`, so that many clients do not come back at once.
    fn jittered(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(0.5 + self.draws.f64() / 2.0)
    }
}

impl Call {
    fn one(method: Method, id: i64, value: Option<&str>) -> Self {
        Self { method, path: format!("/Tarefa/{id}"), value: value.map(str::to_owned), key: None }
    }
}

/// Takes the answer in, whole; one that breaks off is none.
fn read(mut response: Response<ureq::Body>) -> Result<Answer, Failed> {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let has_next = header(LINK).is_some_and(|link| link.contains("rel=\"next\""));
    let wait = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let doubt = match status {
        // In conflict is only an earlier try of the same request, which is still being carried out.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => {
            Doubt::None
        }
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Doubt::MayBeDone,
        _ => {
            let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
            let body = body.map_err(|error| missed(&error))?;
            return Ok(Answer { status, has_next, body, doubt: Doubt::None });
        }
    };
    Err(Failed::Passing(Miss { reason: status.to_string(), doubt, wait: wait.unwrap_or_default() }))
}

/// What a failed try means for the next.
fn missed(error: &ureq::Error) -> Failed {
    let doubt = match error {
        ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Doubt::None,
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => {
            Doubt::MayBeDone
        }
        // Not HTTP, or more of it than any answer of ours: trying again will not help.
        _ => return Failed::Final(Failure::NotATask { reason: error.to_string() }),
    };
    Failed::Passing(Miss { reason: error.to_string(), doubt, wait: Duration::ZERO })
}

fn parse<T: for<'a> Deserialize<'a>>(answer: &Answer, expected: StatusCode) -> Result<T, Failure> {
    if answer.status != expected {
        return Err(refusal(answer));
    }
    serde_json::from_str(&answer.body)
        .map_err(|error| Failure::NotATask { reason: error.to_string() })
}

/// Why the request was not done, in the service's words if they are its words.
fn refusal(answer: &Answer) -> Failure {
    let details = serde_json::from_str::<Details>(&answer.body);
    match (answer.status, details) {
        (StatusCode::NOT_FOUND | StatusCode::GONE, Ok(_)) => Failure::Missing,
        (status, Ok(details)) => {
            Failure::Refused { status: status.as_u16(), detail: details.detail }
        }
        (status, Err(_)) => Failure::NotATask { reason: status.to_string() },
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two tries has no event to await")]
fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests;

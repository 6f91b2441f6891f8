//! The event stream: what changes, as it changes, to whoever listens.
//!
//! One task writes the events, and each is handed to every reader over a queue of its own. A reader
//! that does not keep up is cut: it comes back, says which event it saw last, and is told what it
//! has missed, or that it has missed too much and has to look anew.

mod desk;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use self::desk::Desk;
use super::feed::Feed;
use super::problem::Problem;
use super::routes::Api;
use crate::admin::overview::{Facts, Overview};
use crate::clock;
use crate::incidents::{Incident, Record, Snapshot};
use crate::recorder::Recording;

/// Which event a reader saw last, when it comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How often the status is told although nothing changed: requests in flight and probes go on.
const TELL: Duration = Duration::from_secs(1);

/// Between two of them although much changed: nobody reads faster.
const PAUSE: Duration = Duration::from_millis(50);

/// A reader has to come back after so long, before its connection is too old and would be cut in
/// the middle of an event.
const STREAM_AGE_MAX: Duration = Duration::from_secs(540);

/// Proxies on the way close what is silent for longer than 30 s or 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When to try again if there are too many readers, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Ends the connection that a request came on.
#[derive(Clone, Debug, Default)]
pub(super) struct Hangup(pub(super) CancellationToken);

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Opened,
    Status,
    Incident,
    Traffic,
}

/// Something that readers are told.
#[derive(Clone, Debug)]
struct Event {
    id: u64,
    kind: Kind,
    data: Arc<str>,
}

/// An event on its way to a reader; nothing can be wrong with it.
type Told = Result<sse::Event, Infallible>;

/// Where events are written and readers come to.
#[derive(Clone, Debug)]
pub(super) struct Events(Arc<Mutex<Desk>>);

/// The first event that a reader is told.
#[derive(Serialize, ToSchema)]
pub(super) struct Opened {
    /// Whether all that happened since the event that the reader saw last follows. If not, it has
    /// to look anew: at `/v1/status`, `/v1/incidents` and `/v1/history`.
    resumed: bool,
}

impl Events {
    /// Numbers events from the calendar's milliseconds on: who comes back after a restart of `up`
    /// must not find the numbers that it has seen before.
    pub(super) fn new() -> Self {
        let first = u64::try_from(clock::wall().as_millis()).unwrap_or(0);
        Self(Arc::new(Mutex::new(Desk::new(first))))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes events until the process that they are about has ended.
    pub(super) async fn follow(
        &self,
        feed: &Feed,
        incidents: watch::Receiver<Snapshot>,
        recording: &Recording,
        facts: Facts,
    ) {
        tokio::join!(
            self.follow_status(feed, facts),
            self.follow_incidents(incidents),
            self.follow_traffic(recording),
        );
    }

    async fn follow_status(&self, feed: &Feed, facts: Facts) {
        let mut latest = feed.subscribe();
        let mut tells = interval(TELL);
        tells.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = latest.changed() => if changed.is_err() { return },
                _ = tells.tick() => {}
            }
            let now = latest.borrow_and_update().clone();
            // A large status takes a while to write; without a reader it is for nothing.
            if self.desk().has_readers() {
                let overview = Overview::new(now.revision, &now.status, facts, clock::now());
                self.write(Kind::Status, &overview);
            }
            sleep(PAUSE).await;
        }
    }

    async fn follow_incidents(&self, mut incidents: watch::Receiver<Snapshot>) {
        let mut told = Arc::clone(&incidents.borrow_and_update());
        while incidents.changed().await.is_ok() {
            let snapshot = Arc::clone(&incidents.borrow_and_update());
            let is_told = |incident: &&Arc<Incident>| {
                let found = told.binary_search_by_key(&incident.id, |before| before.id);
                found.is_ok_and(|index| Arc::ptr_eq(&told[index], incident))
            };
            for incident in snapshot.iter().filter(|incident| !is_told(incident)) {
                self.write(Kind::Incident, &Record::from(&**incident));
            }
            told = snapshot;
        }
    }

    async fn follow_traffic(&self, recording: &Recording) {
        let mut latest = recording.subscribe();
        while latest.changed().await.is_ok() {
            let glance = Arc::clone(&latest.borrow_and_update());
            self.write(Kind::Traffic, &*glance);
        }
    }

    fn write<T: Serialize>(&self, kind: Kind, about: &T) {
        match serde_json::to_string(about) {
            Ok(data) => self.desk().publish(kind, data.into()),
            Err(error) => tracing::debug!(%error, "an event cannot be written"),
        }
    }
}

/// Tells what changes, as it changes, as server-sent events.
///
/// The first event is `opened`. Then come `status` (what `/v1/status` answers: with every change,
/// and once a second), `incident` (one of `/v1/incidents`, whenever it changes) and `traffic` (what
/// `/v1/pace` answers, once a second). Who comes back with the header `Last-Event-ID` is told what
/// it has missed. A reader that does not keep up is cut, and so is every one after nine minutes.
#[utoipa::path(get, path = "/v1/events", tag = "fleet", params(
    ("last-event-id" = Option<u64>, Header, description = "The event that was seen last."),
), responses(
    (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
    (status = 503, description = "Too many read the events already."),
))]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Extension(hangup): Extension<Hangup>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Told>>, Problem> {
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let queue = api.events.desk().admit(seen, hangup.0).ok_or_else(too_many)?;
    let shutdown = api.shutdown.clone();
    let ends = async move {
        tokio::select! {
            () = sleep(STREAM_AGE_MAX) => {}
            () = shutdown.cancelled() => {}
        }
    };
    Ok(Sse::new(told(queue, ends)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The events of a queue, until it or the time ends.
fn told(queue: mpsc::Receiver<Event>, ends: impl Future<Output = ()>) -> impl Stream<Item = Told> {
    stream::unfold((queue, Box::pin(ends)), async |(mut queue, mut ends)| {
        let event = tokio::select! {
            biased;
            () = &mut ends => None,
            event = queue.recv() => event,
        }?;
        Some((Ok(event.into()), (queue, ends)))
    })
}

impl From<Event> for sse::Event {
    fn from(event: Event) -> Self {
        let kind = match event.kind {
            Kind::Opened => "opened",
            Kind::Status => "status",
            Kind::Incident => "incident",
            Kind::Traffic => "traffic",
        };
        Self::default().event(kind).id(event.id.to_string()).data(event.data)
    }
}

fn too_many() -> Problem {
    let detail = "as many read the events as may; try again in a few seconds";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(header::RETRY_AFTER, RETRY_AFTER)
}

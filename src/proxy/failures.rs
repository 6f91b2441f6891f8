//! Failed requests and connections in the log: the first of a kind at once, then how many more
//! there were in each second, until one has passed without. However many fail, the log stays
//! readable.

use std::net::IpAddr;

use tracing::field::display;

use super::error::{Error, Kind, Side};
use crate::http1::RequestId;

/// What failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// Who had sent it, if that is known.
    pub(super) client: Option<IpAddr>,
    /// Which request it was, unless the connection failed before there was one.
    pub(super) request_id: Option<&'a RequestId>,
}

/// What one thread has to say about failed requests.
#[derive(Debug)]
pub(super) struct Failures {
    thread: usize,
    /// One for each kind that has occurred: there are some twenty.
    kinds: Vec<Recurring>,
}

/// A kind of failure.
#[derive(Debug)]
struct Recurring {
    /// The first one of the series, of which the log has told.
    first: Error,
    /// Those after it that the log has not told of.
    more: u64,
    /// Whether the series goes on; the next one begins another.
    goes_on: bool,
}

impl Failures {
    pub(super) const fn new(thread: usize) -> Self {
        Self { thread, kinds: Vec::new() }
    }

    /// Takes down one failure.
    pub(super) fn note(&mut self, error: Error, subject: Subject<'_>) {
        let known = self.kinds.iter_mut().find(|each| each.first.name() == error.name());
        match known {
            Some(recurring) if recurring.goes_on => recurring.more += 1,
            Some(recurring) => {
                *recurring = Recurring::begun_with(error);
                self.tell_first(error, subject);
            }
            None => {
                self.kinds.push(Recurring::begun_with(error));
                self.tell_first(error, subject);
            }
        }
    }

    /// Tells of those that were noted since the last time. Called once a second.
    pub(super) fn tell_more(&mut self) {
        for recurring in &mut self.kinds {
            recurring.goes_on = recurring.more > 0;
            let (more, first) = (std::mem::take(&mut recurring.more), recurring.first);
            let (thread, side, error) = (self.thread, first.side, first.name());
            let what = plural(first);
            match Weight::of(first) {
                _ if more == 0 => {}
                Weight::Trouble => tracing::warn!(thread, %side, error, more, "{what} failed"),
                Weight::Notice => tracing::info!(thread, %side, error, more, "{what} failed"),
                Weight::Usual => tracing::debug!(thread, %side, error, more, "{what} failed"),
            }
        }
    }

    fn tell_first(&self, failed: Error, subject: Subject<'_>) {
        let Subject { client, request_id } = subject;
        let client = client.map(display);
        let request_id = request_id.map(|id| String::from_utf8_lossy(id.as_bytes()));
        let (what, request_id) = match &request_id {
            Some(id) => ("a request", Some(display(id))),
            None => ("a connection", None),
        };
        let (thread, side, error, kind) = (self.thread, failed.side, failed.name(), failed.kind);
        match Weight::of(failed) {
            Weight::Trouble => {
                tracing::warn!(thread, %side, error, client, request_id, "{what} failed: {kind}");
            }
            Weight::Notice => {
                tracing::info!(thread, %side, error, client, request_id, "{what} failed: {kind}");
            }
            Weight::Usual => {
                tracing::debug!(thread, %side, error, client, request_id, "{what} failed: {kind}");
            }
        }
    }
}

/// What failures of a kind befall.
const fn plural(error: Error) -> &'static str {
    match error.kind {
        Kind::Announcement(_) | Kind::NoAnnouncement | Kind::Crowd | Kind::Unaccepted => {
            "connections"
        }
        _ => "requests",
    }
}

impl Drop for Failures {
    fn drop(&mut self) {
        self.tell_more();
    }
}

impl Recurring {
    const fn begun_with(first: Error) -> Self {
        Self { first, more: 0, goes_on: true }
    }
}

/// How much a failure matters to the operator.
enum Weight {
    /// Something of theirs fails.
    Trouble,
    /// Somebody sends what is not allowed.
    Notice,
    /// People leave.
    Usual,
}

impl Weight {
    const fn of(error: Error) -> Self {
        match (error.kind, error.side) {
            (Kind::Gone, _) => Self::Usual,
            (_, Side::Client) => Self::Notice,
            (_, Side::Server | Side::Balancer) => Self::Trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::proxy::Failure;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce(&mut Failures, Subject<'_>)) -> Vec<String> {
        let (log, id) = (Log::default(), RequestId::from_draw(7));
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let client = Some(IpAddr::from([192, 0, 2, 1]));
            work(&mut Failures::new(0), Subject { client, request_id: Some(&id) });
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    const RESET: Error = Error::upstream(Kind::Endpoint(Failure::Reset));

    #[test]
    fn the_first_is_told_at_once_and_the_others_are_counted() {
        let lines = logged(|failures, id| {
            for _ in 0..1000 {
                failures.note(RESET, id);
            }
            failures.note(Error::downstream(Kind::SlowHead), id);
            failures.tell_more();
            failures.note(RESET, id);
            failures.tell_more();
        });
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines[0].starts_with("WARN") && lines[0].contains("closed the connection"));
        assert!(lines[0].contains("side=server error=\"connection_terminated\""), "{}", lines[0]);
        let who = "client=192.0.2.1 request_id=00000000000000000000000000000007";
        assert!(lines[0].contains(who), "{}", lines[0]);
        assert!(lines[1].starts_with("INFO") && lines[1].contains("side=client"), "{}", lines[1]);
        assert!(lines[2].contains("more=999"), "{}", lines[2]);
        assert!(lines[3].contains("more=1"), "{}", lines[3]);
    }

    #[test]
    fn after_a_quiet_second_the_next_one_is_the_first_again() {
        let lines = logged(|failures, id| {
            failures.note(RESET, id);
            failures.tell_more();
            failures.note(RESET, id);
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines.iter().all(|line| line.contains("a request failed: ")), "{lines:#?}");
    }

    #[test]
    fn what_was_not_told_is_told_at_the_end_and_people_may_leave() {
        let lines = logged(|failures, id| {
            failures.note(RESET, id);
            failures.note(RESET, id);
            failures.note(Error::downstream(Kind::Gone), id);
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[1].contains("more=1"), "{}", lines[1]);
    }

    #[test]
    fn a_connection_that_is_refused_has_an_address_and_no_request() {
        let lines = logged(|failures, subject| {
            let connection = Subject { request_id: None, ..subject };
            failures.note(Error::downstream(Kind::Crowd), connection);
            failures.note(Error::downstream(Kind::Crowd), connection);
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].contains("a connection failed: the client has as many"), "{}", lines[0]);
        assert!(lines[0].contains("client=192.0.2.1"), "{}", lines[0]);
        assert!(!lines[0].contains("request_id"), "{}", lines[0]);
        assert!(lines[1].contains("connections failed") && lines[1].contains("more=1"));
    }
}

//! Who is told what: the readers with their queues, and the events that one who comes back may have
//! missed.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use super::{Event, Kind, Opened};

/// Readers at a time: half of the connections, so that they never keep an operator out.
const READERS_MAX: usize = 64;

/// Events that a reader may be behind: about half a minute of them. A status is shared by all
/// queues, so that they hold 64 of them at most, however many readers there are.
const QUEUE_MAX: usize = 64;

/// Events that are kept for who comes back: a quarter of an hour of traffic, and the incidents in
/// between. They take less than a megabyte.
const KEPT_MAX: usize = 1024;

/// The readers, and what one of them may have missed.
#[derive(Debug)]
pub(super) struct Desk {
    /// The number of the newest event.
    last: u64,
    /// The number of the newest event that is no longer kept.
    forgotten: u64,
    /// Those that are no status: of that only the newest counts.
    kept: VecDeque<Event>,
    status: Option<Event>,
    readers: Vec<Reader>,
}

#[derive(Debug)]
struct Reader {
    queue: mpsc::Sender<Event>,
    /// Ends its connection, which may be stuck.
    hangup: CancellationToken,
}

impl Desk {
    pub(super) fn new(first: u64) -> Self {
        Self {
            last: first,
            forgotten: first,
            kept: VecDeque::new(),
            status: None,
            readers: Vec::new(),
        }
    }

    pub(super) fn has_readers(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Lets one read from now on, and before that what it has missed since it saw that event.
    /// `None`: there are too many already.
    pub(super) fn admit(
        &mut self,
        seen: Option<u64>,
        hangup: CancellationToken,
    ) -> Option<mpsc::Receiver<Event>> {
        self.readers.retain(|reader| !reader.queue.is_closed());
        if self.readers.len() >= READERS_MAX {
            return None;
        }
        let first = self.first_of(seen);
        let (queue, events) = mpsc::channel(QUEUE_MAX + first.len());
        for event in first {
            // There is room for all of them.
            let _ = queue.try_send(event);
        }
        self.readers.push(Reader { queue, hangup });
        Some(events)
    }

    /// What one is told first.
    fn first_of(&self, seen: Option<u64>) -> Vec<Event> {
        let seen = seen.filter(|seen| (self.forgotten..=self.last).contains(seen));
        let opened = |id, resumed| {
            let data = serde_json::to_string(&Opened { resumed }).unwrap_or_default();
            Event { id, kind: Kind::Opened, data: data.into() }
        };
        let Some(seen) = seen else { return vec![opened(self.last, false)] };
        let missed = self.kept.iter().chain(&self.status).filter(|event| event.id > seen);
        let mut events = vec![opened(seen, true)];
        events.extend(missed.cloned());
        events.sort_by_key(|event| event.id);
        events
    }

    /// Tells all readers; those that are too far behind are cut.
    pub(super) fn publish(&mut self, kind: Kind, data: Arc<str>) {
        self.last += 1;
        let event = Event { id: self.last, kind, data };
        self.readers.retain(|reader| match reader.queue.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                tracing::debug!("a reader of events is too slow and is cut");
                reader.hangup.cancel();
                false
            }
        });
        match kind {
            Kind::Status => self.status = Some(event),
            Kind::Opened | Kind::Incident | Kind::Traffic => self.keep(event),
        }
    }

    fn keep(&mut self, event: Event) {
        self.kept.push_back(event);
        if self.kept.len() > KEPT_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten = oldest.id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(events: usize) -> Desk {
        let mut desk = Desk::new(100);
        for _ in 0..events {
            desk.publish(Kind::Traffic, "{}".into());
        }
        desk
    }

    fn admit(desk: &mut Desk, seen: Option<u64>) -> mpsc::Receiver<Event> {
        desk.admit(seen, CancellationToken::new()).unwrap()
    }

    /// What a reader finds in its queue now.
    fn read(queue: &mut mpsc::Receiver<Event>) -> Vec<(u64, String)> {
        let events = std::iter::from_fn(|| queue.try_recv().ok());
        events.map(|event| (event.id, event.data.to_string())).collect()
    }

    #[test]
    fn who_comes_anew_is_told_so_and_then_what_happens() {
        let mut desk = desk(3);
        let mut queue = admit(&mut desk, None);
        desk.publish(Kind::Incident, "a".into());
        let expected = [(103, "{\"resumed\":false}".to_owned()), (104, "a".to_owned())];
        assert_eq!(read(&mut queue), expected);
    }

    #[test]
    fn who_comes_back_is_told_what_was_missed_and_of_the_status_only_the_newest() {
        let mut desk = desk(1);
        for data in ["old", "older", "new"] {
            desk.publish(Kind::Status, data.into());
            desk.publish(Kind::Incident, "i".into());
        }
        let told = read(&mut admit(&mut desk, Some(103)));
        let data: Vec<&str> = told.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(data, ["{\"resumed\":true}", "i", "new", "i"]);
        assert!(told.is_sorted_by_key(|(id, _)| *id), "{told:?}");
    }

    #[test]
    fn who_was_away_for_too_long_or_knows_another_server_has_to_look_anew() {
        let mut desk = desk(KEPT_MAX + 5);
        for (seen, resumed) in [(0, false), (104, false), (105, true), (999, true), (9999, false)] {
            let told = read(&mut admit(&mut desk, Some(seen)));
            assert_eq!(told[0].1, format!("{{\"resumed\":{resumed}}}"), "{seen}");
        }
    }

    #[test]
    fn who_does_not_keep_up_is_cut_and_the_others_are_not() {
        let (mut desk, hangup) = (desk(0), CancellationToken::new());
        let mut slow = desk.admit(None, hangup.clone()).unwrap();
        let mut quick = admit(&mut desk, None);
        // The one event with which it began has a place of its own.
        for _ in 0..QUEUE_MAX {
            desk.publish(Kind::Traffic, "{}".into());
            assert_eq!(read(&mut quick).last().map(|(id, _)| *id), Some(desk.last));
        }
        assert!(!hangup.is_cancelled());
        desk.publish(Kind::Traffic, "{}".into());
        assert!(hangup.is_cancelled());
        assert_eq!(read(&mut slow).len(), QUEUE_MAX + 1);
        assert!(slow.is_closed() && !quick.is_closed());
    }

    #[test]
    fn there_are_only_so_many_readers_and_one_that_leaves_makes_room() {
        let mut desk = desk(0);
        let mut queues: Vec<_> = (0..READERS_MAX).map(|_| admit(&mut desk, None)).collect();
        assert!(desk.admit(None, CancellationToken::new()).is_none());
        queues.pop();
        assert!(desk.admit(None, CancellationToken::new()).is_some());
    }
}

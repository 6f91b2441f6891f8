//! The event stream over the wire.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::Value;

use super::system::{DEADLINE, Place, System, pid_in, signal};

/// A reader of events.
struct Reader {
    lines: BufReader<TcpStream>,
}

/// One event.
#[derive(Debug)]
struct Event {
    id: u64,
    kind: String,
    data: Value,
}

impl Reader {
    fn open(system: &System, seen: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(system.admin).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let seen = seen.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        write!(stream, "GET /v1/events HTTP/1.1\r\nhost: {}\r\n{seen}\r\n", system.admin).unwrap();
        Self { lines: BufReader::new(stream) }
    }

    /// The next event of this kind.
    fn next(&mut self, kind: &str) -> Event {
        loop {
            let event = self.event();
            if event.kind == kind {
                return event;
            }
        }
    }

    fn event(&mut self) -> Event {
        let (mut id, mut kind) = (0, String::new());
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the stream has ended");
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => id = value.parse().unwrap(),
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("data", value)) => {
                    let data = serde_json::from_str(value).unwrap();
                    // The number may come before or after.
                    return Event { id, kind, data };
                }
                _ => {}
            }
        }
    }
}

#[test]
fn what_happens_is_told_as_it_happens() {
    let place = Place::new();
    let system = System::up(&place);
    let mut reader = Reader::open(&system, None);
    assert_eq!(reader.event().data["resumed"], false);
    assert_eq!(reader.next("status").data["instances"]["serving"], 3);
    assert!(reader.next("traffic").data["slots"]["instance-0"].is_object());
    signal(pid_in(&system.status(), "instance-0"), Signal::KILL);
    let opened = reader.next("incident");
    assert_eq!(
        (&opened.data["slot"], &opened.data["outcome"]),
        (&"instance-0".into(), &"open".into())
    );
    while reader.next("incident").data["outcome"] != "repaired" {}
}

#[test]
fn who_comes_back_is_told_what_was_missed() {
    let place = Place::new();
    let system = System::up(&place);
    let mut reader = Reader::open(&system, None);
    let seen = reader.next("status").id;
    drop(reader);
    signal(pid_in(&system.await_complete(), "instance-2"), Signal::KILL);
    system.await_status("replaced", |status| {
        let row = status.slots.iter().find(|row| row.slot == "instance-2");
        row.is_some_and(|row| {
            row.state == "serving"
                && row.occupant.as_ref().is_some_and(|occupant| occupant.generation == 2)
        })
    });
    let mut reader = Reader::open(&system, Some(seen));
    assert_eq!(reader.event().data["resumed"], true);
    let incident = reader.next("incident");
    assert!(incident.id > seen);
    assert_eq!(
        (&incident.data["slot"], &incident.data["outcome"]),
        (&"instance-2".into(), &"open".into())
    );

    let mut stranger = Reader::open(&system, Some(1));
    assert_eq!(stranger.event().data["resumed"], false);
}

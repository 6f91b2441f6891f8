//! Files that are torn, full, unreadable or not ours.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::fleet::{Group, InstanceId, Slot};
use crate::incidents::{Cause, Outcome, Steps, Who};

fn incident(id: u64, launches: u32) -> Incident {
    Incident {
        id: IncidentId(id),
        slot: Slot { group: Group::Backend, index: 0 },
        cause: Cause::Refused,
        evidence: vec!["refuses connections".to_owned()],
        lost: Who { id: InstanceId::new("backend-0-1-1"), label: "pid 4242".to_owned() },
        successor: None,
        detected: Duration::from_millis(1_700_000_000_123),
        steps: Steps::default(),
        launches,
        outcome: Outcome::Open,
    }
}

fn snapshot(incidents: &[Incident]) -> Snapshot {
    Arc::new(incidents.iter().cloned().map(Arc::new).collect())
}

fn place() -> (TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(&dir.path().join("state")).unwrap();
    (dir, state)
}

#[test]
fn the_last_line_of_an_incident_counts() {
    let (_dir, state) = place();
    let (mut annals, kept) = Annals::open(&state);
    assert_eq!(kept, []);
    let first = snapshot(&[incident(1, 0)]);
    annals.write(&first);
    annals.write(&snapshot(&[incident(1, 1), incident(2, 0)]));
    let (again, kept) = Annals::open(&state);
    assert_eq!((again.lines, kept), (3, vec![incident(1, 1), incident(2, 0)]));
    assert_eq!(state.incidents().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_did_not_change_is_not_written_again() {
    let (_dir, state) = place();
    let (mut annals, _) = Annals::open(&state);
    let written = snapshot(&[incident(1, 0)]);
    annals.write(&written);
    let mut next: Vec<Arc<Incident>> = written.to_vec();
    next.push(Arc::new(incident(2, 0)));
    annals.write(&Arc::new(next));
    assert_eq!(fs::read_to_string(state.incidents()).unwrap().lines().count(), 2);
}

#[test]
fn a_torn_last_line_costs_that_line_only() {
    let (_dir, state) = place();
    let (mut annals, _) = Annals::open(&state);
    annals.write(&snapshot(&[incident(1, 0)]));
    let whole = fs::read_to_string(state.incidents()).unwrap();
    fs::write(state.incidents(), format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
    let (mut annals, kept) = Annals::open(&state);
    assert_eq!(kept, [incident(1, 0)]);
    annals.write(&snapshot(&[incident(1, 0), incident(2, 0)]));
    let (annals, kept) = Annals::open(&state);
    assert_eq!((kept.len(), annals.health), (2, Health::Whole));
    assert!(!fs::read_to_string(state.incidents()).unwrap().contains("\n\n"));
}

#[test]
fn what_cannot_be_understood_is_kept_aside() {
    let (_dir, state) = place();
    let (mut annals, _) = Annals::open(&state);
    annals.write(&snapshot(&[incident(1, 0)]));
    let whole = fs::read(state.incidents()).unwrap();
    let odd = [&b"\xff\xfe nonsense\n{\"id\":2}\n"[..], &whole].concat();
    fs::write(state.incidents(), &odd).unwrap();
    let (_, kept) = Annals::open(&state);
    assert_eq!(kept, [incident(1, 0)]);
    let aside = state.path().join("incidents.jsonl.corrupt");
    assert_eq!(fs::read(aside).unwrap(), odd);
    assert_eq!(fs::read(state.incidents()).unwrap(), whole);
}

#[test]
fn a_file_that_is_none_is_survived_and_written_as_soon_as_it_can_be() {
    let (_dir, state) = place();
    fs::create_dir(state.incidents()).unwrap();
    let (mut annals, kept) = Annals::open(&state);
    assert_eq!(kept, []);
    annals.write(&snapshot(&[incident(1, 0)]));
    assert_eq!(annals.health, Health::Torn);
    fs::remove_dir(state.incidents()).unwrap();
    annals.write(&snapshot(&[incident(1, 0), incident(2, 0)]));
    assert_eq!(annals.health, Health::Whole);
    assert_eq!(Annals::open(&state).1.len(), 2);
}

#[test]
fn a_full_disk_costs_nothing_but_the_lines() {
    let (_dir, state) = place();
    let (mut annals, _) = Annals::open(&state);
    // The device that is always full.
    std::os::unix::fs::symlink("/dev/full", state.incidents()).unwrap();
    annals.write(&snapshot(&[incident(1, 0)]));
    assert_eq!(annals.health, Health::Torn);
    // Written anew, the name means a file of its own.
    annals.write(&snapshot(&[incident(1, 0)]));
    assert_eq!((annals.health, Annals::open(&state).1), (Health::Whole, vec![incident(1, 0)]));
}

#[test]
fn the_file_is_bounded() {
    let (_dir, state) = place();
    let (mut annals, _) = Annals::open(&state);
    for launches in 0..LINES_MAX + 10 {
        annals.write(&snapshot(&[incident(1, u32::try_from(launches).unwrap())]));
    }
    let lines = fs::read_to_string(state.incidents()).unwrap().lines().count();
    assert!(lines <= 10, "{lines}");
}

#[tokio::test]
async fn the_last_state_is_on_the_disk_when_the_controller_has_ended() {
    let (_dir, state) = place();
    let (annals, _) = Annals::open(&state);
    let (sender, receiver) = watch::channel(Snapshot::default());
    sender.send_replace(snapshot(&[incident(1, 3)]));
    drop(sender);
    annals.follow(receiver).await;
    assert_eq!(Annals::open(&state).1, [incident(1, 3)]);
}

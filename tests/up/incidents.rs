//! What failed is told with every step of its repair, across restarts, and apart from orders.

use cloudaps::admin::Timeline;
use cloudaps::incidents::{Record, StepRecord};
use rustix::process::Signal;

use super::system::{DEADLINE, Place, System, pid_in, signal};

fn timeline(place: &Place, flags: &[&str]) -> Timeline {
    let output = place.operate(&[&["incidents", "--json"], flags].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Kills who is in the slot, and waits until another one serves there.
fn kill(system: &System, slot: &str) -> u32 {
    let killed = pid_in(&system.await_complete(), slot);
    signal(killed, Signal::KILL);
    system.await_status("replaced", |status| {
        let row = status.slots.iter().find(|row| row.slot == slot && row.state == "serving");
        let occupant = row.and_then(|row| row.occupant.as_ref());
        occupant.is_some_and(|of| of.pid != Some(killed))
    });
    killed
}

/// The steps of a repair that was watched from its beginning to its end.
fn steps(record: &Record) -> Vec<f64> {
    let steps = &record.steps_ms;
    let steps = [
        &steps.ejected,
        &steps.launch_sent,
        &steps.running,
        &steps.port_open,
        &steps.first_2xx,
        &steps.serving,
    ];
    let at = |step: &Option<StepRecord>| match step {
        Some(StepRecord::At(millis)) => *millis,
        other => panic!("{other:?} in {record:#?}"),
    };
    steps.map(at).to_vec()
}

#[test]
fn a_kill_is_told_with_every_step_in_order() {
    let place = Place::new();
    let system = System::up(&place);
    let nothing = String::from_utf8(place.operate(&["incidents"]).stdout).unwrap();
    assert!(nothing.contains("nothing has failed"), "{nothing}");
    for (number, slot) in (1..).zip(["instance-1", "backend-0"]) {
        let killed = kill(&system, slot);
        let told = timeline(&place, &["--last", "1"]);
        let [record] = &told.incidents[..] else { panic!("{told:#?}") };
        assert_eq!((record.id, record.slot.as_str()), (number, slot));
        assert_eq!(record.backend, slot == "backend-0");
        assert_eq!((record.cause.as_str(), record.outcome.as_str()), ("gone", "repaired"));
        assert_eq!(record.lost.label, format!("pid {killed}"));
        assert!(record.evidence.iter().any(|text| text.contains("SIGKILL")), "{record:#?}");
        let steps = steps(record);
        assert!(steps.is_sorted(), "{record:#?}");
        assert_eq!(record.over_ms, steps.last().copied());
        assert_eq!((record.launches, told.repairs.unwrap().count), (1, 1));
    }
    let table = String::from_utf8(place.operate(&["incidents"]).stdout).unwrap();
    for text in ["instance-1", "backend-0", "SIGKILL", "2 repairs", "p50", "p99"] {
        assert!(table.contains(text), "`{text}` is not in:\n{table}");
    }
    assert!(system.stop().success());
}

#[test]
fn incidents_outlive_the_up_that_saw_them_and_a_file_that_was_cut() {
    let place = Place::new();
    let system = System::up(&place);
    kill(&system, "instance-0");
    let before = timeline(&place, &[]);
    let file = place.state().join("incidents.jsonl");
    // It is written after it is told of.
    let began = std::time::Instant::now();
    while !std::fs::read_to_string(&file).unwrap_or_default().contains("repaired") {
        assert!(began.elapsed() < DEADLINE, "nothing was written");
        std::thread::yield_now();
    }
    system.kill();
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{whole}{{\"id\":7")).unwrap();

    let system = System::up(&place);
    system.await_complete();
    assert_eq!(timeline(&place, &[]), before);
    kill(&system, "instance-2");
    let after = timeline(&place, &[]);
    assert_eq!((&after.incidents[0], after.incidents[1].id), (&before.incidents[0], 2));
    assert!(system.stop().success());
}

#[test]
fn what_the_operator_ordered_is_told_apart_from_a_failure() {
    let place = Place::new();
    let system = System::up(&place);
    let before = pid_in(&system.await_complete(), "instance-1");
    assert!(place.operate(&["replace", "instance-1"]).status.success());
    system.await_status("replaced", |status| {
        let occupants = status.slots.iter().filter_map(|row| row.occupant.as_ref());
        status.instances.serving == 3 && !occupants.into_iter().any(|of| of.pid == Some(before))
    });
    kill(&system, "instance-2");
    let told = timeline(&place, &[]);
    let words = told.incidents.iter().map(|of| (of.cause.as_str(), of.outcome.as_str()));
    assert_eq!(words.collect::<Vec<_>>(), [("ordered", "ordered"), ("gone", "repaired")]);
    assert_eq!(told.repairs.unwrap().count, 1, "an order is no repair");
    assert!(system.stop().success());
}

#[test]
fn an_unreadable_file_does_not_keep_anything_from_healing() {
    let place = Place::new();
    std::fs::create_dir_all(place.state().join("incidents.jsonl")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(place.state(), mode).unwrap();
    let system = System::up(&place);
    assert!(system.said().contains("incidents.jsonl cannot be read"), "{}", system.said());
    kill(&system, "instance-0");
    system.await_text("kept in memory only");
    assert_eq!(timeline(&place, &[]).incidents.len(), 1);
    assert!(system.stop().success());
}

#[test]
fn a_number_that_cannot_be_shown_is_refused_with_those_that_can() {
    let place = Place::new();
    let system = System::up(&place);
    let refused = place.operate(&["incidents", "--last", "0"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("1 to 1000"), "{said}");
    let url = format!("http://{}/v1/incidents?last=1001", system.admin);
    let answer = ureq::get(url).config().http_status_as_error(false).build().call();
    assert_eq!(answer.unwrap().status(), 400);
    assert!(system.stop().success());
}

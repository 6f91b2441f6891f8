//! The traffic of the last seconds is told as it was, and each slot's part of it.

use cloudaps::metrics::HistoryView;
use cloudaps::recorder::Glance;
use rustix::process::Signal;

use super::system::{Place, System, pid_in, signal};
use super::traffic::Client;

fn sum(column: &[u32]) -> u32 {
    column.iter().sum()
}

#[test]
fn every_request_is_in_the_history_and_in_the_pace_of_the_slot_that_answered() {
    let place = Place::new();
    let system = System::up(&place);
    let mut client = Client::new(system.balancer);
    for _ in 0..60 {
        assert_eq!(client.send("GET", "/", "").unwrap().status, 200);
    }
    assert_eq!(client.send("GET", "/Tarefa/none", "").unwrap().status, 404);
    let told: HistoryView =
        system.await_answer("/v1/history", |told: &HistoryView| sum(&told.seconds.requests) == 61);
    let seconds = told.seconds;
    assert_eq!((seconds.step_seconds, told.minutes.step_seconds), (1, 60));
    assert_eq!((sum(&seconds.answers_2xx), sum(&seconds.answers_4xx)), (60, 1), "{seconds:?}");
    assert_eq!((sum(&seconds.answers_5xx), sum(&seconds.ejections)), (0, 0));
    assert_eq!(seconds.p99_ms.len(), seconds.requests.len());
    assert!(seconds.p50_ms.iter().flatten().all(|millis| *millis > 0.0), "{seconds:?}");

    let glance: Glance = system.await_answer("/v1/pace", |glance: &Glance| {
        glance.slots.values().any(|pace| pace.answers_per_second > 0.0)
    });
    let slots: Vec<&str> = glance.slots.keys().map(String::as_str).collect();
    assert_eq!(slots, ["instance-0", "instance-1", "instance-2"]);
    assert!(glance.second.is_some());
}

#[test]
fn a_slot_keeps_its_pace_through_its_instances() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let killed = pid_in(&before, "instance-0");
    signal(killed, Signal::KILL);
    system.await_status("replaced", |status| {
        let is_whole = status.slots.iter().all(|row| row.state == "serving");
        is_whole && pid_in(status, "instance-0") != killed
    });
    let mut client = Client::new(system.balancer);
    let glance: Glance = system.await_answer("/v1/pace", |glance: &Glance| {
        assert_eq!(client.send("GET", "/", "").unwrap().status, 200);
        let works = |pace: &cloudaps::metrics::Pace| pace.answers_per_second > 0.0;
        glance.slots.len() == 3 && glance.slots.values().all(works)
    });
    assert_eq!(glance.slots.len(), 3, "{glance:?}");
}

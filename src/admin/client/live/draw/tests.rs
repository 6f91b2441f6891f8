//! What stands where, on screens of several sizes.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::json;

use super::super::super::failure::Failure;
use super::super::scene::{Heard, Scene};
use super::*;

const HEARD_AT: Instant = Instant::at(Duration::from_secs(100));

fn at(seconds: u64) -> Instant {
    Instant::at(Duration::from_secs(seconds))
}

/// What the API says of a fleet with a slot that serves, one that drains and one that is empty.
fn heard() -> Heard {
    let occupant = |pid: u32, reason: Option<&str>| {
        json!({
            "id": "a", "label": format!("pid {pid}"), "pid": pid, "address": "127.0.0.1:20001",
            "backend": null, "reason": reason, "since_seconds": 65.0,
            "launched_at": "2026-01-01T00:00:00Z", "in_flight": 7,
        })
    };
    let overview = json!({
        "revision": 1, "version": "0", "operation": "active", "ownership": "owned",
        "balancer": "127.0.0.1:5000", "admin": "127.0.0.1:5001",
        "instances": { "desired": 3, "serving": 1 }, "backend": { "desired": 0, "serving": 0 },
        "slots": [
            { "slot": "instance-0", "state": "serving", "occupant": occupant(4242, None) },
            { "slot": "instance-1", "state": "draining", "occupant": occupant(7, Some("ordered")) },
            { "slot": "instance-2", "state": "empty", "occupant": null },
        ],
        "holds": [{ "kind": "frozen", "text": "launches are frozen for 10 s" }],
    });
    let pace = |rate: f64| {
        let (errors, p50, p99) = (0.5, 0.25, 12.0);
        json!({
            "answers_per_second": rate, "errors_per_second": errors, "p50_ms": p50, "p99_ms": p99,
        })
    };
    let second = json!({
        "begins_at": 0.0, "requests": 1234, "answers_2xx": 1200, "answers_3xx": 0,
        "answers_4xx": 0, "answers_5xx": 34, "retries": 5, "held": 0, "ejections": 1,
        "p50_ms": 0.31, "p99_ms": null,
    });
    let counts: Vec<u32> = (0..300).collect();
    let zeros = vec![0; 300];
    let period = json!({
        "step_seconds": 1, "begins_at": 0.0, "requests": counts, "answers_2xx": zeros,
        "answers_3xx": zeros, "answers_4xx": zeros, "answers_5xx": zeros, "retries": zeros,
        "held": zeros, "ejections": zeros, "p50_ms": vec![None::<f64>; 300],
        "p99_ms": vec![None::<f64>; 300],
    });
    let incident = json!({
        "id": 1, "slot": "instance-1", "backend": false, "cause": "gone",
        "evidence": ["gone: signal: 9 (SIGKILL)"], "lost": { "id": "b", "label": "pid 6" },
        "successor": null, "detected_at": "2026-01-01T00:00:00.5Z", "steps_ms": {},
        "launches": 1, "outcome": "repaired", "over_ms": 18.0,
    });
    let of = |value: serde_json::Value| value.to_string();
    Heard {
        overview: serde_json::from_str(&of(overview)).unwrap(),
        glance: serde_json::from_str(&of(json!({
            "second": second, "slots": { "instance-0": pace(411.3), "instance-1": pace(0.0) },
        })))
        .unwrap(),
        history: serde_json::from_str(&of(json!({ "seconds": period, "minutes": period })))
            .unwrap(),
        timeline: serde_json::from_str(&of(json!({ "incidents": [incident], "repairs": null })))
            .unwrap(),
    }
}

fn drawn(scene: &Scene, colours: Colours, (width, height): (u16, u16), now: Instant) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, scene, colours, now)).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width);
    rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>()).collect()
}

#[test]
fn the_whole_fleet_is_on_the_screen() {
    let scene = Scene::new(heard(), HEARD_AT);
    let lines = lines(&drawn(&scene, Colours::Unwanted, (120, 24), HEARD_AT));
    let line = |start: &str| {
        let found = lines.iter().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line begins with `{start}`:\n{}", lines.join("\n")))
    };
    assert!(lines[0].starts_with("1 of 3 instances serve · balancer http://127.0.0.1:5000"));
    let traffic = line("1234 requests/s");
    for part in ["p50 0.31ms", "p99 -", "34 5xx", "5 retried", "1 ejected"] {
        assert!(traffic.contains(part), "{traffic}");
    }
    assert!(!traffic.contains("held"), "{traffic}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(line("instance-0")),
        [
            "instance-0",
            "serving",
            "127.0.0.1:20001",
            "pid",
            "4242",
            "1m05s",
            "7",
            "411.3",
            "0.5",
            "0.25ms",
            "12ms"
        ]
    );
    assert_eq!(words(line("instance-1")).last().unwrap(), "ordered");
    assert_eq!(words(line("instance-2"))[1], "empty");
    line("waiting: launches are frozen for 10 s");
    assert!(line("2026-01-01 00:00:00").contains("gone, repaired after 18ms"));
    assert!(lines.last().unwrap().starts_with("q quits"));
    // The chart shows the newest seconds, which were the busiest.
    assert!(lines.iter().any(|line| line.ends_with('█')), "{}", lines.join("\n"));
}

#[test]
fn a_small_screen_shows_what_fits() {
    let scene = Scene::new(heard(), HEARD_AT);
    for size in [(80, 24), (40, 10), (10, 3), (1, 1)] {
        drawn(&scene, Colours::Wanted, size, HEARD_AT);
    }
    let lines = lines(&drawn(&scene, Colours::Unwanted, (40, 12), HEARD_AT));
    let slot = lines.iter().find(|line| line.starts_with("instance-0"));
    let slot = slot.unwrap_or_else(|| panic!("{}", lines.join("\n")));
    assert_eq!(slot.trim_end(), "instance-0   serving     411.3    0.5");
}

#[test]
fn who_wants_no_colours_gets_none() {
    let scene = Scene::new(heard(), HEARD_AT);
    let count = |colours| {
        let buffer = drawn(&scene, colours, (120, 24), HEARD_AT);
        buffer.content.iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert_eq!(count(Colours::Unwanted), 0);
    assert!(count(Colours::Wanted) > 0);
}

#[test]
fn what_is_old_says_so_until_there_is_an_answer_again() {
    let mut scene = Scene::new(heard(), HEARD_AT);
    scene.take(Err(Failure::Last(0)), at(101));
    let foot =
        |scene: &Scene, now| lines(&drawn(scene, Colours::Unwanted, (120, 24), now)).pop().unwrap();
    assert!(foot(&scene, at(101)).starts_with("q quits"), "a second is no reason to worry");
    assert!(foot(&scene, at(109)).starts_with("this is 9 s old: "));
    scene.take(Ok(heard()), at(110));
    assert!(foot(&scene, at(110)).starts_with("q quits"));
}

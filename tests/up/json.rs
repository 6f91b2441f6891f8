//! What `--json` prints is what `docs/json.md` promises: every field, with its type, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::system::{Place, System, pid_in, run, signal};

/// The types that the page allows, by field.
type Promise = BTreeMap<String, BTreeSet<String>>;

/// The table under the heading that begins like this.
fn promised(heading: &str) -> Promise {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
    let page = fs::read_to_string(path).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("no section begins with {heading}"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (field, rest) = row.split_once("` | ").unwrap();
        let types = rest.split(" | ").next().unwrap().split(", ").map(str::to_owned);
        (field.to_owned(), types.collect())
    })
    .collect()
}

/// Every field of a value, as the page names it, with its type.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<(String, &'static str)>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !path.is_empty() {
        found.insert((path.to_owned(), kind));
    }
    match value {
        Value::Array(elements) => {
            elements.iter().for_each(|each| fields(each, &format!("{path}[]"), found));
        }
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                fields(member, &format!("{path}{dot}{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether what was printed is what the page promises, and nothing of that is missing.
fn assert_kept(heading: &str, printed: &[u8]) {
    let text = String::from_utf8_lossy(printed);
    let promise = promised(heading);
    let mut found = BTreeSet::new();
    for value in serde_json::Deserializer::from_slice(printed).into_iter::<Value>() {
        let value = value.unwrap_or_else(|error| panic!("{heading}: {error}: {text}"));
        fields(&value, "", &mut found);
    }
    let any = |path: &str| path.rsplit_once('.').map(|(parent, _)| format!("{parent}.*"));
    for (path, kind) in &found {
        let types = promise.get(path).or_else(|| promise.get(&any(path)?));
        match types {
            Some(types) => assert!(types.contains(*kind), "{heading}: `{path}` is a {kind}"),
            // What only holds other fields is told by them.
            None => {
                let inside = |field: &String| {
                    let rest = field.strip_prefix(path.as_str());
                    rest.is_some_and(|rest| rest.starts_with(['.', '[']))
                };
                assert!(promise.keys().any(inside), "{heading}: `{path}` is not promised");
            }
        }
    }
    for path in promise.keys() {
        let is_there =
            found.iter().any(|(field, _)| field == path || any(field).as_ref() == Some(path));
        assert!(is_there, "{heading}: `{path}` is promised and not there:\n{text}");
    }
}

#[test]
fn the_operators_verbs_print_what_is_promised() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    let killed = pid_in(&before, "instance-1");
    signal(killed, Signal::KILL);
    system.await_status("replaced", |status| {
        status.slots.iter().all(|row| row.state == "serving")
            && pid_in(status, "instance-1") != killed
    });
    // Who is paused launches nothing, so that there is something to wait for.
    let verbs: [&[&str]; 5] =
        [&["replace", "0"], &["scale", "3"], &["pause"], &["scale", "4"], &["drain", "1"]];
    for verb in verbs {
        let output = place.operate(&[verb, &["--json"]].concat());
        assert!(output.status.success(), "{verb:?}: {output:?}");
        assert_kept("`cloudaps scale`", &output.stdout);
    }
    system.await_status("waiting", |status| {
        !status.holds.is_empty() && status.slots.iter().any(|row| row.state == "empty")
    });
    assert_kept("`cloudaps status", &place.operate(&["status", "--json"]).stdout);
    assert_kept("`cloudaps incidents", &place.operate(&["incidents", "--json"]).stdout);
    for verb in [&["resume", "--json"], &["down", "--json"]] {
        assert_kept("`cloudaps scale`", &place.operate(verb).stdout);
    }
    assert!(system.wait().success());
}

#[test]
fn the_client_of_the_tasks_prints_what_is_promised() {
    let place = Place::new();
    let system = System::up(&place);
    let server = format!("http://{}", system.balancer);
    for (heading, words) in [
        ("`cloudaps task add", &["add", "one", "two"][..]),
        ("`cloudaps task list", &["list"]),
        ("`cloudaps task get", &["get", "1"]),
        ("`cloudaps task get", &["set", "1", "three"]),
        ("`cloudaps task rm", &["rm", "1"]),
    ] {
        let output = run(&[&["task", "--json", "--server", &server], words].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert_kept(heading, &output.stdout);
    }
}

#[test]
fn a_checked_file_is_printed_with_its_defaults() {
    let place = Place::new();
    let path = place.write("cloudaps.toml", "instances = 5\n[probe]\ninterval = \"2s\"\n");
    let output = run(&["check", "--json", "-c", path.to_str().unwrap()]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["instances"], 5);
    assert_eq!(printed["probe"]["interval"], "2s");
    assert!(printed["proxy"]["retries"].is_number(), "{printed}");
}

//! What people read and load is held to the metrics that exist.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::families::{ALL, Kind};

const DOCUMENTATION: &str = "docs/metrics.md";
const ALERTS: &str = "deploy/alerts.yml";
const DASHBOARD: &str = "deploy/grafana.json";

fn read(path: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every word that has to be the name of a metric.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    words.filter(|word| word.starts_with("cloudaps_") || word.starts_with("process_")).collect()
}

fn existing() -> BTreeSet<String> {
    ALL.iter().flat_map(|family| family.sample_names()).collect()
}

#[test]
fn every_metric_is_documented_with_its_type_and_meaning_and_no_other_is() {
    let text = read(DOCUMENTATION);
    let mut documented = BTreeSet::new();
    for family in ALL {
        let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
        let name = format!("{}{suffix}", family.name);
        let beginning = format!("| `{name}` | {} | ", family.kind.name());
        let end = format!(" | {} |", family.help);
        let rows = text.lines().filter(|line| line.starts_with(&beginning) && line.ends_with(&end));
        assert_eq!(rows.count(), 1, "{DOCUMENTATION} needs `{beginning}UNIT | LABELS{end}`");
        documented.insert(name);
    }
    let unknown: Vec<&str> =
        names(&text).into_iter().filter(|name| !documented.contains(*name)).collect();
    assert!(unknown.is_empty(), "{DOCUMENTATION} tells of metrics that are none: {unknown:?}");
}

#[test]
fn the_dashboard_and_the_alerts_ask_only_for_metrics_that_exist() {
    let existing = existing();
    for path in [ALERTS, DASHBOARD] {
        let text = read(path);
        let asked = names(&text);
        assert!(asked.len() > 10, "{path}: {asked:?}");
        let unknown: Vec<&&str> = asked.iter().filter(|name| !existing.contains(**name)).collect();
        assert!(unknown.is_empty(), "{path} asks for metrics that are none: {unknown:?}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_can_load() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{} shows nothing", panel["title"]);
        for target in targets {
            assert!(!names(target["expr"].as_str().unwrap()).is_empty(), "{target}");
        }
    }
}

#[test]
fn promtool_understands_the_alerts() {
    let root = env!("CARGO_MANIFEST_DIR");
    let arguments = ["check", "rules", &format!("{root}/{ALERTS}")];
    let Ok(judged) = Command::new("promtool").args(arguments).output() else {
        return eprintln!("skipped: there is no promtool (Debian's package `prometheus`)");
    };
    assert!(judged.status.success(), "{judged:?}");
}

//! A cloud leaves nothing behind, however it ends.

use std::fs;

use super::cloud::{Cloud, eventually};

/// Command lines of all processes here that contain `text`.
fn running(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(text)).collect()
}

/// A machine that runs something that nobody else does.
fn with_machine(mark: &str) -> Option<Cloud> {
    let cloud = Cloud::start()?;
    cloud.launch(&format!("#!/bin/sh\nexec sleep {mark}\n"), &[]);
    eventually("it runs", || (!running(mark).is_empty()).then_some(()));
    Some(cloud)
}

#[test]
fn a_cloud_that_ends_ends_its_machines() {
    let Some(cloud) = with_machine("86399.1") else { return };
    drop(cloud);
    assert_eq!(running("86399.1"), [""; 0]);
}

#[test]
fn a_cloud_that_is_killed_ends_its_machines() {
    let Some(mut cloud) = with_machine("86399.2") else { return };
    cloud.kill();
    eventually("they are gone", || running("86399.2").is_empty().then_some(()));
}

#[test]
fn two_clouds_know_nothing_of_each_other() {
    let (Some(one), Some(other)) = (Cloud::start(), Cloud::start()) else { return };
    one.launch("#!/bin/sh\n", &[]);
    assert_eq!(one.account()["instances"].len(), 1);
    assert_eq!(other.account()["instances"].len(), 0);
}

//! From nothing to the first answer through the balancer's address, and back to nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cloud::{Host, eventually};
use crate::laptop::Laptop;

/// Whose credentials the laptop has.
const OWNER: &str = "AKIAIOSFODNN7EXAMPLE";

/// The program without what only a debugger reads, which is most of it.
fn program(laptop: &Laptop) -> PathBuf {
    let path = laptop.path("cloudaps");
    let program = Path::new(env!("CARGO_BIN_EXE_cloudaps"));
    let stripped = Command::new("strip").arg("-o").arg(&path).arg(program).status();
    if stripped.is_ok_and(|status| status.success()) { path } else { program.to_owned() }
}

fn settings(laptop: &Laptop) -> String {
    format!("[ec2]\nfleet = \"shop\"\n[ec2.install]\nbinary = \"{}\"\n", program(laptop).display())
}

/// Runs the task client on the laptop.
fn task(laptop: &Laptop, server: &str, words: &[&str]) -> String {
    let mut command = laptop.cloud.command(Host::Laptop, env!("CARGO_BIN_EXE_cloudaps"));
    let output = command.arg("task").args(["--server", server]).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn line<'a>(text: &'a str, begin: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(begin));
    found.unwrap_or_else(|| panic!("no line begins with `{begin}` in:\n{text}")).trim()
}

#[test]
fn from_nothing_to_serving_through_every_change_and_back_to_nothing() {
    let Some(laptop) = Laptop::new("") else { return };
    laptop.configure(&settings(&laptop));
    let before = laptop.cloud.account();

    let installed = laptop.run(&["install"]).ended_with(0);
    let text = installed.stdout();
    assert_eq!(installed.outcome(), "Done: 11 added, 0 changed, 0 destroyed.", "{text}");
    for label in ["dashboard", "instance-0", "instance-1", "instance-2", "backend-0"] {
        line(&text, label);
    }
    let server = line(&text, "balancer     http").split('/').nth(2).unwrap().to_owned();
    let server = format!("http://{server}");

    // Tasks go through all forwarders to one store.
    for number in 0..9 {
        task(&laptop, &server, &["add", &format!("task {number}")]);
    }
    assert_eq!(task(&laptop, &server, &["list"]).matches("task ").count(), 9);

    // The bucket holds the program and the secret, no configuration; and everything is in sync.
    let account = laptop.cloud.account();
    let (_, bucket) = account["buckets"].iter().next().unwrap();
    assert_eq!(bucket["keys"].as_array().unwrap().len(), 2, "{bucket}");
    let plan = laptop.run(&["plan"]).ended_with(0);
    assert!(plan.outcome().starts_with("No changes."), "{}", plan.stdout());
    laptop.run(&["install"]).ended_with(0);

    // Whoever ends an instance behind the balancer's back has it replaced.
    let machines = laptop.cloud.machines();
    let victim = machines
        .iter()
        .find(|one| one.tags.get("cloudaps:slot").is_some_and(|slot| slot == "instance-1"));
    laptop.cloud.terminate(&victim.unwrap().id);
    eventually("instance-1 is replaced", || {
        let machines = laptop.cloud.machines();
        let mut heirs = machines.into_iter().filter(|one| {
            one.state == "running"
                && one.tags.get("cloudaps:slot").is_some_and(|slot| slot == "instance-1")
        });
        heirs.next()
    });
    assert_eq!(task(&laptop, &server, &["list"]).matches("task ").count(), 9);

    // Another configuration replaces the balancer, which adopts everybody else.
    let others = |laptop: &Laptop| {
        let machines = laptop.cloud.machines().into_iter();
        let others =
            machines.filter(|one| one.state == "running" && one.tags.contains_key("cloudaps:slot"));
        let mut ids: Vec<String> = others.map(|one| one.id).collect();
        ids.sort();
        ids
    };
    let fleet = others(&laptop);
    laptop.configure(&format!("[proxy]\nretry_percent = 30\n{}", settings(&laptop)));
    let plan = laptop.run(&["plan"]).ended_with(2).stdout();
    assert!(plan.contains("  -/+ machine balancer\n"), "{plan}");
    laptop.run(&["install"]).ended_with(0);
    assert_eq!(others(&laptop), fleet, "nobody else was replaced");
    assert_eq!(task(&laptop, &server, &["list"]).matches("task ").count(), 9);

    laptop.run(&["destroy", "--yes"]).ended_with(0);
    assert_eq!(laptop.cloud.account(), before);
    assert_eq!(calls_without_permission(&laptop), BTreeSet::new());
}

/// The calls from the laptop that the policy for it does not name.
fn calls_without_permission(laptop: &Laptop) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    let output = command.args(["plan", "--policy"]).output().unwrap();
    let policy = String::from_utf8(output.stdout).unwrap();
    let calls = laptop.cloud.calls().calls.into_iter();
    // Whom AWS takes one for, everybody may ask; and S3 has other names for permissions.
    let named = calls.filter(|call| call.key == OWNER && ["ec2", "iam"].contains(&&*call.service));
    let actions = named.map(|call| format!("{}:{}", call.service, call.action));
    actions.filter(|action| !policy.contains(&format!("\"{action}\""))).collect()
}

//! From nothing to the first answer through the balancer's address, and back to nothing.

use std::collections::BTreeSet;
use std::process::Command;

use cloudaps::boot::{CONTROL_PORT, TRAFFIC_PORT};

use crate::cloud::{Host, Machine, Setting, eventually, stripped_program};
use crate::laptop::Laptop;

/// Whose credentials the laptop has.
const OWNER: &str = "AKIAIOSFODNN7EXAMPLE";

fn settings() -> String {
    let program = stripped_program();
    format!("[ec2]\nfleet = \"shop\"\n[ec2.install]\nbinary = \"{}\"\n", program.display())
}

/// Runs the task client on the laptop.
pub(crate) fn task(laptop: &Laptop, server: &str, words: &[&str]) -> String {
    let mut command = laptop.cloud.command(Host::Laptop, env!("CARGO_BIN_EXE_cloudaps"));
    let output = command.arg("task").args(["--server", server]).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn line<'a>(text: &'a str, begin: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(begin));
    found.unwrap_or_else(|| panic!("no line begins with `{begin}` in:\n{text}")).trim()
}

/// Where the installation said that the balancer is.
pub(crate) fn address(text: &str) -> String {
    let host = line(text, "balancer     http").split('/').nth(2).unwrap();
    format!("http://{host}")
}

/// The running machine of a slot, or the balancer's.
fn running(laptop: &Laptop, name: &str) -> Option<Machine> {
    let is_named = |one: &Machine| {
        ["cloudaps:slot", "cloudaps:part"]
            .iter()
            .any(|key| one.tags.get(*key).is_some_and(|value| value == name))
    };
    let machines = laptop.cloud.machines().into_iter();
    machines.into_iter().find(|one| one.state == "running" && is_named(one))
}

#[track_caller]
fn machine(laptop: &Laptop, name: &str) -> Machine {
    running(laptop, name).unwrap_or_else(|| panic!("no machine {name} runs"))
}

/// Whether the laptop can connect to a port of a machine at its public address.
fn is_reached(laptop: &Laptop, machine: &Machine, port: u16) -> bool {
    let [address] = machine.public_addresses.as_slice() else { panic!("{machine:?}") };
    let mut command = laptop.cloud.command(Host::Laptop, "timeout");
    command.args(["1", "bash", "-c", &format!("exec 3<>/dev/tcp/{address}/{port}")]);
    command.output().unwrap().status.success()
}

#[test]
fn from_nothing_to_serving_through_every_change_and_back_to_nothing() {
    let Some(laptop) = Laptop::new("") else { return };
    laptop.configure(&settings());
    laptop.cloud.set(Setting::Firewalls);
    let before = laptop.cloud.account();

    let installed = laptop.run(&["install"]).ended_with(0);
    let text = installed.stdout();
    assert_eq!(installed.outcome(), "Done: 11 added, 0 changed, 0 destroyed.", "{text}");
    for label in ["dashboard", "instance-0", "instance-1", "instance-2", "backend-0"] {
        line(&text, label);
    }
    let server = address(&text);

    // Tasks go through all forwarders to one store.
    for number in 0..9 {
        task(&laptop, &server, &["add", &format!("task {number}")]);
    }
    assert_eq!(task(&laptop, &server, &["list"]).matches("task ").count(), 9);

    // The world reaches the balancer's port, and nothing else.
    assert!(is_reached(&laptop, &machine(&laptop, "balancer"), 5000));
    for (name, port) in
        [("instance-0", TRAFFIC_PORT), ("instance-0", CONTROL_PORT), ("backend-0", TRAFFIC_PORT)]
    {
        assert!(!is_reached(&laptop, &machine(&laptop, name), port), "{name} at {port}");
    }

    // The bucket holds the program and the secret, no configuration; and everything is in sync.
    let account = laptop.cloud.account();
    let (_, bucket) = account["buckets"].iter().next().unwrap();
    assert_eq!(bucket["keys"].as_array().unwrap().len(), 2, "{bucket}");
    let plan = laptop.run(&["plan"]).ended_with(0);
    assert!(plan.outcome().starts_with("No changes."), "{}", plan.stdout());
    laptop.run(&["install"]).ended_with(0);

    // Whoever ends an instance behind the balancer's back has it replaced.
    let victim = machine(&laptop, "instance-1").id;
    laptop.cloud.terminate(&victim);
    eventually("instance-1 is replaced", || {
        running(&laptop, "instance-1").filter(|heir| heir.id != victim)
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
    laptop.configure(&format!("[proxy]\nretry_percent = 30\n{}", settings()));
    let plan = laptop.run(&["plan"]).ended_with(2).stdout();
    assert!(plan.contains("  -/+ machine balancer\n"), "{plan}");
    laptop.run(&["install"]).ended_with(0);
    assert_eq!(others(&laptop), fleet, "nobody else was replaced");
    assert_eq!(task(&laptop, &server, &["list"]).matches("task ").count(), 9);

    // What is asked to stay outlives everything else; the next installation begins with it.
    laptop.run(&["destroy", "--yes", "--keep-data"]).ended_with(0);
    let mut left = laptop.cloud.account();
    assert_eq!(left["volumes"].len(), before["volumes"].len() + 1);
    left.insert("volumes".to_owned(), before["volumes"].clone());
    assert_eq!(left, before);
    let again = laptop.run(&["install"]).ended_with(0);
    assert_eq!(again.outcome(), "Done: 10 added, 0 changed, 0 destroyed.");
    assert_eq!(task(&laptop, &address(&again.stdout()), &["list"]).matches("task ").count(), 9);

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

//! An account that throttles, loses its answers, shows late what is there, or has no room.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cloud::{Fault, Setting};
use crate::interrupted::{DESTROY, INSTALL, WAITING, with_everything};
use crate::laptop::{Laptop, STUB, shape};

/// Each of these calls is throttled once, and then done without an answer once. What is made is
/// seen late.
fn trouble(laptop: &Laptop, actions: &[&str]) {
    for action in actions.iter().collect::<BTreeSet<_>>() {
        let (code, status) = throttling(action);
        laptop.cloud.add(&Fault::error(action, code, status).times(1));
        laptop.cloud.add(&Fault::lost(action).skip(1).times(1));
    }
    for setting in [
        Setting::HiddenFor(Duration::from_secs(2)),
        Setting::Behind(Duration::from_secs(2)),
        Setting::ProfilesUnknownFor(Duration::from_secs(3)),
    ] {
        laptop.cloud.set(setting);
    }
}

/// How the service of an action says that it was called too often.
fn throttling(action: &str) -> (&'static str, u16) {
    let is_of = |names: &[&str]| names.iter().any(|name| action.contains(name));
    match action {
        _ if is_of(&["Bucket", "Object"]) => ("SlowDown", 503),
        _ if is_of(&["Role", "InstanceProfile"]) => ("Throttling", 400),
        _ => ("RequestLimitExceeded", 503),
    }
}

#[test]
fn in_an_account_that_throttles_and_loses_answers_the_end_is_the_same() {
    let (Some(laptop), Some(reference)) = (with_everything(), with_everything()) else { return };
    let before = laptop.cloud.account();
    reference.kill_when_it_says(&["install"], WAITING);
    trouble(&laptop, &INSTALL);
    laptop.kill_when_it_says(&["install"], WAITING);
    assert_eq!(shape(&laptop.cloud.account()), shape(&reference.cloud.account()));
    laptop.cloud.remove_faults();
    trouble(&laptop, &DESTROY);
    laptop.run(&["destroy", "--yes"]).ended_with(0);
    assert_eq!(laptop.cloud.account(), before);
    let calls = laptop.cloud.calls().calls;
    let outcomes = |wanted: &str| {
        let met = calls.iter().filter(|call| call.outcome.as_deref() == Some(wanted));
        met.map(|call| call.action.as_str()).collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<&str> = INSTALL.into_iter().chain(DESTROY).collect();
    assert_eq!(outcomes("lost"), all);
    assert!(outcomes("Throttling").contains("CreateRole"));
}

#[test]
fn where_one_type_is_sold_out_the_next_one_is_taken_and_without_one_it_is_said() {
    let settings = |types: &str| {
        format!(
            "[ec2]\nfleet = \"shop\"\ninstance_types = [{types}]\n\
             [ec2.install]\nbinary = \"{STUB}\"\n"
        )
    };
    let Some(laptop) = Laptop::new(&settings("\"t3.micro\"")) else { return };
    laptop.cloud.add(&Fault::no_capacity().of_type("t3.micro"));
    let refusal = laptop.run(&["install"]).ended_with(1).stderr();
    for words in
        ["launch the balancer", "InsufficientInstanceCapacity", "`instance_types` in `[ec2]`"]
    {
        assert!(refusal.contains(words), "`{words}` is not in:\n{refusal}");
    }
    laptop.configure(&settings("\"t3.micro\", \"t3.small\""));
    laptop.kill_when_it_says(&["install"], WAITING);
    let account = laptop.cloud.account();
    let types: Vec<_> = account["instances"].values().map(|one| one["type"].clone()).collect();
    assert_eq!(types, ["t3.small"]);
    laptop.run(&["destroy", "--yes"]).ended_with(0);
}

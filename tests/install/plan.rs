//! What `plan` says, and that it changes nothing.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::laptop::{Laptop, settings};

#[test]
fn a_plan_for_an_empty_account_names_everything_and_makes_nothing() {
    let prices = "[ec2.prices]\naddress = 0.005\nmachines = { \"t3.micro\" = 0.0104 }\n";
    let Some(laptop) = Laptop::new(&settings(prices)) else { return };
    let before = laptop.cloud.account();
    let plan = laptop.run(&["plan"]).ended_with(2);
    let text = plan.stdout();
    for words in [
        "Fleet shop in us-east-1\n",
        "  + bucket cloudaps-shop-",
        "  + role cloudaps-shop-us-east-1\n",
        "  + instance profile cloudaps-shop-us-east-1\n",
        "  + security group cloudaps-shop-balancer\n        tcp 5000 from 0.0.0.0/0\n",
        "  + volume tasks\n        8 GiB in us-east-1a, for the tasks\n",
        "  + address balancer\n",
        "  + machine balancer\n        t3.micro\n",
        "the balancer keeps 3 instances and 1 backends",
        "5 t3.micro 0.0520, 5 public addresses 0.0250",
        "without a price in `ec2.prices`: GiB of disk",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert_eq!(plan.outcome(), "Plan: 11 to add, 0 to change, 0 to destroy.");
    assert_eq!(laptop.cloud.account(), before);
    let calls = laptop.cloud.calls().counts;
    let reads = |action: &String| {
        let (_, verb) = action.split_once(':').unwrap();
        ["Describe", "Get", "List"].iter().any(|read| verb.starts_with(read))
    };
    assert!(calls.keys().all(reads), "{calls:?}");
}

#[test]
fn a_dry_run_asks_about_the_calls_of_ec2_and_makes_nothing() {
    let Some(laptop) = Laptop::new(&settings("")) else { return };
    let before = laptop.cloud.account();
    let text = laptop.run(&["install", "--dry-run"]).ended_with(2).stdout();
    for words in [
        "  allowed    get an address\n",
        "  allowed    make the security group of the backend\n",
        "  allowed    launch the balancer\n",
        "  not asked  make the role: there is no dry run of it\n",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert_eq!(laptop.cloud.account(), before);
}

#[test]
fn the_policies_are_printed_without_a_cloud_and_stand_in_the_guide() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/aws.md")).unwrap();
    let blocks = guide.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let shown: Vec<Value> = blocks.map(|text| serde_json::from_str(text).unwrap()).collect();
    let printed = [&["plan", "--policy"][..], &["plan", "--policy", "balancer"]].map(|words| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    });
    assert_eq!(shown, printed, "docs/aws.md and `cloudaps plan --policy [balancer]`");
}

//! What cannot be done is refused before anything is made, with what to do about it.

use crate::laptop::{Laptop, STUB, settings};

#[track_caller]
fn refused(laptop: &Laptop, settings: &str, code: i32, words: &[&str]) {
    laptop.configure(settings);
    let before = laptop.cloud.account();
    let refusal = laptop.run(&["install"]).ended_with(code).stderr();
    for word in words {
        assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
    }
    assert_eq!(laptop.cloud.account(), before);
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_key_and_what_is_allowed() {
    let Some(laptop) = Laptop::new("") else { return };
    let binary = format!("binary = \"{STUB}\"\n");
    for (settings, words) in [
        (
            "[ec2]\nsecurity_groups = { instances = [\"sg-1\"] }\n",
            ["security_groups", "leave it out"],
        ),
        ("[ec2]\nprofile = \"mine\"\n", ["ec2.profile", "ec2.install.profile"]),
        ("[ec2.install]\nbinary = \"/etc/passwd\"\n", ["/etc/passwd", "no program for Linux"]),
        ("[ec2.install]\nssh_from = [\"192.0.2.0/24\"]\n", ["ssh_from", "ssh_key"]),
        ("[backend]\nstore = \"sqlite:///x.db\"\n", ["backend.store", "postgres://"]),
    ] {
        refused(&laptop, settings, 64, &words);
    }
    let no_key = format!("[ec2.install]\n{binary}ssh_key = \"/nowhere/id.pub\"\n");
    refused(&laptop, &no_key, 1, &["/nowhere/id.pub", "ssh-keygen"]);
    let no_subnet = format!("[ec2]\nsubnets = [\"subnet-1\"]\n[ec2.install]\n{binary}");
    refused(&laptop, &no_subnet, 1, &["InvalidSubnetID.NotFound", "describe-subnets"]);
}

#[test]
fn what_has_our_names_and_is_not_ours_stands_in_the_way() {
    let Some(laptop) = Laptop::new(&settings("")) else { return };
    let role = [
        ("Action", "CreateRole"),
        ("RoleName", "cloudaps-shop-us-east-1"),
        ("AssumeRolePolicyDocument", "{}"),
    ];
    laptop.call("iam", &role);
    let plan = laptop.run(&["plan"]).ended_with(1).stdout();
    assert!(
        plan.contains("Stop:    role cloudaps-shop-us-east-1 exists and does not belong"),
        "{plan}"
    );
    let before = laptop.cloud.account();
    let refusal = laptop.run(&["install"]).ended_with(1).stderr();
    assert!(refusal.contains("something is in the way"), "{refusal}");
    laptop.run(&["destroy", "--yes"]).ended_with(0);
    assert_eq!(laptop.cloud.account(), before);
}

#[test]
fn nobody_is_asked_where_nobody_could_answer() {
    let Some(laptop) = Laptop::new(&settings("")) else { return };
    laptop.kill_when_it_says(&["install"], "get an address");
    let before = laptop.cloud.account();
    let refusal = laptop.run(&["destroy"]).ended_with(64).stderr();
    assert!(refusal.contains("--yes"), "{refusal}");
    assert_eq!(laptop.cloud.account(), before);
}

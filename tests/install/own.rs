//! A profile and a program of the user's own: neither is made, and both are left.

use std::process::Command;

use crate::cloud::TRUST;
use crate::laptop::Laptop;
use crate::whole::{address, task};

/// Makes an instance profile by hand that allows what `plan --policy balancer` says.
fn make_profile(laptop: &Laptop, name: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    command.args(["plan", "--policy", "balancer", "-c"]).arg(laptop.path("cloudaps.toml"));
    let policy = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let (role, profile) = (("RoleName", name), ("InstanceProfileName", name));
    for form in [
        [("Action", "CreateRole"), role, ("AssumeRolePolicyDocument", TRUST)].as_slice(),
        &[("Action", "PutRolePolicy"), role, ("PolicyName", "p"), ("PolicyDocument", &policy)],
        &[("Action", "CreateInstanceProfile"), profile],
        &[("Action", "AddRoleToInstanceProfile"), role, profile],
    ] {
        laptop.call("iam", form);
    }
}

#[test]
fn a_profile_and_a_program_that_exist_are_used_and_left() {
    let Some(laptop) = Laptop::new("") else { return };
    let program = laptop.cloud.program();
    laptop.configure(&format!(
        "[ec2]\nfleet = \"shop\"\nartifact = {{ url = \"{}\", sha256 = \"{}\" }}\n\
         [ec2.install]\nprofile = \"ours\"\n",
        program.url, program.sha256
    ));
    make_profile(&laptop, "ours");
    let before = laptop.cloud.account();

    let installed = laptop.run(&["install"]).ended_with(0);
    assert_eq!(installed.outcome(), "Done: 8 added, 0 changed, 0 destroyed.");
    let account = laptop.cloud.account();
    for kind in ["roles", "instance_profiles", "policies"] {
        assert_eq!(account[kind], before[kind], "{kind}");
    }
    let (_, bucket) = account["buckets"].iter().next().unwrap();
    assert_eq!(bucket["keys"], serde_json::json!(["control.token"]), "no program is kept");
    let server = address(&installed.stdout());
    task(&laptop, &server, &["add", "one"]);
    assert_eq!(task(&laptop, &server, &["list"]).matches("one").count(), 1);
    laptop.run(&["plan"]).ended_with(0);

    laptop.run(&["destroy", "--yes"]).ended_with(0);
    assert_eq!(laptop.cloud.account(), before);
}

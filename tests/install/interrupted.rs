//! `kill -9` at every kind of call that changes something: before it is done, and after it was done
//! and before that was heard.

use crate::cloud::{Fault, eventually};
use crate::laptop::{Laptop, STUB, shape};

/// The calls of `install`, in the order in which they are made.
pub(crate) const INSTALL: [&str; 15] = [
    "CreateBucket",
    "CreateRole",
    "CreateInstanceProfile",
    "ImportKeyPair",
    "CreateSecurityGroup",
    "AllocateAddress",
    "PutBucketTagging",
    "PutRolePolicy",
    "AddRoleToInstanceProfile",
    "AuthorizeSecurityGroupIngress",
    "CreateVolume",
    // The program, then the configuration.
    "PutObject",
    "PutObject",
    "RunInstances",
    "AssociateAddress",
];

/// The calls of `destroy`.
pub(crate) const DESTROY: [&str; 12] = [
    "TerminateInstances",
    "DeleteKeyPair",
    "DeleteObject",
    "RemoveRoleFromInstanceProfile",
    "DeleteInstanceProfile",
    "DeleteRolePolicy",
    "DeleteRole",
    "ReleaseAddress",
    "DeleteVolume",
    "DeleteSecurityGroup",
    "DeleteSecurityGroup",
    // It waits for the last object, and so for whatever is called beside that.
    "DeleteBucket",
];

/// What an installation says when all is made.
pub(crate) const WAITING: &str = "waiting for the balancer to answer";

/// A fleet with all that can be made. Nothing of it ever serves.
fn settings(laptop: &Laptop) -> String {
    let key = laptop.path("id.pub");
    std::fs::write(&key, include_str!("../fixtures/id_ed25519.pub")).unwrap();
    format!(
        "[ec2]\nfleet = \"shop\"\n[ec2.install]\nbinary = \"{STUB}\"\nssh_key = \"{}\"\n\
         ssh_from = [\"192.0.2.0/24\"]\n",
        key.display()
    )
}

/// A laptop with that configuration.
pub(crate) fn with_everything() -> Option<Laptop> {
    let laptop = Laptop::new("")?;
    laptop.configure(&settings(&laptop));
    Some(laptop)
}

fn kill_at_each(laptop: &Laptop, words: &[&str], actions: &[&str]) {
    for (index, action) in actions.iter().enumerate() {
        let later: Vec<&str> =
            actions[index + 1..].iter().copied().filter(|later| later != action).collect();
        // For whoever reads why it failed.
        eprintln!("killed at {action}");
        laptop.kill_at(words, &Fault::hang(action).times(1), &later);
        laptop.kill_at(words, &Fault::hang_after(action).times(1), &later);
    }
}

#[test]
fn an_install_that_is_killed_at_any_call_is_continued_by_the_next() {
    let (Some(laptop), Some(reference)) = (with_everything(), with_everything()) else { return };
    reference.kill_when_it_says(&["install"], WAITING);
    kill_at_each(&laptop, &["install"], &INSTALL);
    laptop.kill_when_it_says(&["install"], WAITING);
    assert_eq!(shape(&laptop.cloud.account()), shape(&reference.cloud.account()));
}

#[test]
fn a_destroy_that_is_killed_at_any_call_is_continued_and_leaves_the_account_as_it_was() {
    let Some(laptop) = with_everything() else { return };
    // Somebody else's: among it a machine with a tag that is like ours, and a group of a like name.
    let tags = [("cloudaps:fleet", "shop-2"), ("cloudaps:slot", "instance-0")];
    let theirs = laptop.cloud.launch("", &tags);
    eventually("their machine is up", || laptop.cloud.machine(&theirs).is_up.then_some(()));
    let group = [
        ("Action", "CreateSecurityGroup"),
        ("GroupName", "cloudaps-shop"),
        ("GroupDescription", "somebody else's"),
    ];
    laptop.call("ec2", &group);
    laptop.call("ec2", &[("Action", "AllocateAddress"), ("Domain", "vpc")]);
    let before = laptop.cloud.account();
    laptop.kill_when_it_says(&["install"], WAITING);
    assert_ne!(laptop.cloud.account(), before);
    kill_at_each(&laptop, &["destroy", "--yes"], &DESTROY);
    laptop.run(&["destroy", "--yes"]).ended_with(0);
    assert_eq!(laptop.cloud.account(), before);
    assert_eq!(
        laptop.run(&["destroy", "--yes"]).ended_with(0).outcome(),
        "No changes. Everything is as the configuration says."
    );
}

//! AWS has no machine, no patience, or no answer.

use std::collections::BTreeSet;

use crate::cloud::{self, Cloud, Fault};
use crate::fleet::{Fleet, await_successor};

#[test]
fn what_one_zone_does_not_have_is_taken_in_another() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        cloud.add(&Fault::no_capacity().in_zone("us-east-1b"));
        let _system = fleet.up();
        assert_eq!(fleet.machines().len(), 4);
        let refused = outcomes(cloud).filter(|outcome| outcome.contains("Insufficient")).count();
        assert_eq!(refused, 1, "the zone is not asked again for three minutes");
    });
}

#[test]
fn a_throttled_launch_is_made_later_and_once() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        cloud.add(&Fault::error("RunInstances", "RequestLimitExceeded", 503).times(2));
        let victim = fleet.machine("instance-0").id;
        cloud.terminate(&victim);
        await_successor(&system, "instance-0", &victim);
        assert_eq!(outcomes(cloud).filter(|outcome| outcome == "RequestLimitExceeded").count(), 2);
        assert_eq!(ever_launched(cloud).len(), 5);
    });
}

#[test]
fn a_launch_whose_answer_was_lost_makes_one_machine() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        cloud.add(&Fault::lost("RunInstances").times(1));
        let victim = fleet.machine("instance-2").id;
        cloud.terminate(&victim);
        await_successor(&system, "instance-2", &victim);
        assert!(outcomes(cloud).any(|outcome| outcome == "lost"));
        assert_eq!(ever_launched(cloud).len(), 5);
    });
}

/// How the launches ended.
fn outcomes(cloud: &Cloud) -> impl Iterator<Item = String> {
    let launches = cloud.calls().calls.into_iter().filter(|call| call.action == "RunInstances");
    launches.filter_map(|call| call.outcome)
}

/// Every machine that there ever was.
fn ever_launched(cloud: &Cloud) -> BTreeSet<String> {
    cloud.machines().into_iter().map(|machine| machine.id).collect()
}

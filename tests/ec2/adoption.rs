//! The balancer goes and comes back, and the machines are who they were.

use std::collections::BTreeMap;

use crate::cloud;
use crate::fleet::{Fleet, await_successor, store, stored};

#[test]
fn a_killed_balancer_is_succeeded_by_one_that_adopts_the_same_machines() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let first = fleet.up();
        store(&first, "kept");
        let before = ids(&fleet);
        first.kill();
        let second = fleet.up();
        assert_eq!(ids(&fleet), before);
        assert!(stored(&second).contains("kept"));

        // What it adopted, it heals like its own.
        let victim = before["instance-1"].clone();
        cloud.terminate(&victim);
        await_successor(&second, "instance-1", &victim);
    });
}

#[test]
fn a_signal_leaves_the_machines_and_down_ends_them() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let first = fleet.up();
        let before = ids(&fleet);
        assert!(first.stop().success());
        assert_eq!(ids(&fleet), before);

        let second = fleet.up();
        let down = fleet.place.operate(&["down"]);
        assert!(down.status.success(), "{down:?}");
        assert!(second.wait().success());
        assert_eq!(ids(&fleet), BTreeMap::new());
    });
}

#[test]
fn down_ends_what_a_killed_balancer_left_on_the_cloud() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        fleet.up().kill();
        assert_eq!(ids(&fleet).len(), 4);
        let down = fleet.down();
        assert!(down.status.success(), "{down:?}");
        assert_eq!(ids(&fleet), BTreeMap::new());
    });
}

fn ids(fleet: &Fleet) -> BTreeMap<String, String> {
    fleet.machines().into_iter().map(|(slot, machine)| (slot, machine.id)).collect()
}

//! What the backend keeps outlives its machine.

use crate::cloud::{self, Cloud};
use crate::fleet::{Fleet, await_successor, store, stored};

#[test]
fn tasks_outlive_the_machine_of_the_backend() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        for text in ["one", "two", "three"] {
            store(&system, text);
        }
        let volume = volume_of(cloud);
        let victim = fleet.machine("backend-0").id;
        cloud.terminate(&victim);
        await_successor(&system, "backend-0", &victim);
        let kept = stored(&system);
        assert!(["one", "two", "three"].iter().all(|text| kept.contains(text)), "{kept}");
        assert_eq!(volume_of(cloud), volume, "there is one volume, and it stays");
        store(&system, "four");
    });
}

/// The volumes that carry the fleet's tag.
fn volume_of(cloud: &Cloud) -> Vec<String> {
    let account = cloud.account();
    let ours = account["volumes"].iter().filter(|(_, volume)| {
        let tags = &volume["tags"];
        tags["cloudaps:data"] == "backend"
    });
    ours.map(|(id, _)| id.clone()).collect()
}

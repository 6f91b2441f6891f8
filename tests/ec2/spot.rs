//! A machine that AWS takes back is replaced before it is gone.

use std::time::Duration;

use crate::cloud;
use crate::fleet::{Fleet, await_successor};
use crate::traffic::Load;

#[test]
fn a_spot_machine_that_is_about_to_be_taken_is_succeeded_first() {
    cloud::inside(|cloud| {
        let fleet = Fleet::with_ec2(cloud, "", "spot = true");
        let system = fleet.up();
        let victim = fleet.machine("instance-1").id;
        let load = Load::start(system.balancer, "/Tarefa/", 4);
        load.await_answers(100);
        cloud.interrupt(&victim, Duration::from_secs(120));
        let healed = await_successor(&system, "instance-1", &victim);
        assert!(healed.slots.iter().all(|row| row.state == "serving"));
        load.await_answers(100);
        load.stop().assert_nothing_lost();
        assert!(system.said().contains("about to be taken"), "{}", system.said());
    });
}

//! Machines fail in all their ways, and clients notice none of it.

use crate::cloud::{self, Cloud};
use crate::fleet::{Fleet, await_successor, store, stored};
use crate::system::System;
use crate::traffic::Load;

/// Connections that ask all the time.
const CONNECTIONS: usize = 4;
/// Answers that show that traffic flows.
const SOME: u64 = 200;

/// Breaks the machine in `slot` while clients ask, and waits until another one serves there.
fn break_under_load(fleet: &Fleet, system: &System, slot: &str, fault: impl Fn(&Cloud, &str)) {
    let victim = fleet.machine(slot).id;
    let load = Load::start(system.balancer, "/Tarefa/", CONNECTIONS);
    load.await_answers(SOME);
    fault(fleet.cloud, &victim);
    await_successor(system, slot, &victim);
    load.await_answers(SOME);
    load.stop().assert_nothing_lost();
    // For whoever asks with `--no-capture` how long each step took.
    let told = fleet.place.operate(&["incidents", "--last", "1"]);
    println!("{}", String::from_utf8_lossy(&told.stdout));
}

#[test]
fn a_machine_that_is_terminated_behind_its_back_is_replaced_and_no_get_is_lost() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        store(&system, "kept");
        break_under_load(&fleet, &system, "instance-0", Cloud::terminate);
        assert!(stored(&system).contains("kept"));
    });
}

#[test]
fn a_machine_that_is_stopped_is_replaced_and_ended() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let victim = fleet.machine("instance-1").id;
        break_under_load(&fleet, &system, "instance-1", Cloud::stop);
        cloud::eventually("a stopped machine is ended, for its disk is to be paid", || {
            (cloud.machine(&victim).state == "terminated").then_some(())
        });
    });
}

#[test]
fn a_machine_that_is_cut_off_is_replaced_and_no_get_is_lost() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        break_under_load(&fleet, &system, "instance-2", Cloud::cut);
    });
}

#[test]
fn a_machine_that_loses_its_power_is_replaced_and_no_get_is_lost() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        break_under_load(&fleet, &system, "instance-0", Cloud::crash);
    });
}

#[test]
fn a_killed_process_comes_back_as_who_it_was_or_is_replaced() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let load = Load::start(system.balancer, "/Tarefa/", CONNECTIONS);
        load.await_answers(SOME);
        let victim = fleet.machine("instance-0").id;
        cloud.signal(&victim, "forward", "KILL");
        load.await_answers(SOME);
        system.await_complete();
        load.await_answers(SOME);
        load.stop().assert_nothing_lost();
    });
}

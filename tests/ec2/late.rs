//! AWS tells late, tells old things, or does not answer: nothing is launched twice for that, and
//! nothing that runs is given up.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cloud::{self, Cloud, Fault, Setting};
use crate::fleet::{Fleet, await_successor, store, stored};
use crate::system::System;
use crate::traffic::Load;

/// Connections that ask all the time.
const CONNECTIONS: usize = 4;
/// Answers that show that traffic flows.
const SOME: u64 = 200;

/// The zones of `us-east-1`, each of which has a subnet.
const ZONES: u64 = 6;

/// How late AWS is here.
const LATE: Duration = Duration::from_secs(2);

#[test]
fn a_fleet_heals_while_listings_are_old_and_hide_what_is_new() {
    cloud::inside(|cloud| {
        cloud.set(Setting::HiddenFor(LATE));
        cloud.set(Setting::Behind(LATE));
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let victim = fleet.machine("instance-0").id;
        let load = Load::start(system.balancer, "/Tarefa/", CONNECTIONS);
        load.await_answers(SOME);
        cloud.terminate(&victim);
        await_successor(&system, "instance-0", &victim);
        load.await_answers(SOME);
        load.stop().assert_nothing_lost();
        assert_eq!(ever_launched(cloud).len(), 5);
    });
}

#[test]
fn listings_that_are_refused_are_no_empty_fleet() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let before = ever_launched(cloud);
        let error = Fault::error("DescribeInstances", "RequestLimitExceeded", 503);
        let fault = cloud.add(&error);
        let load = Load::start(system.balancer, "/Tarefa/", CONNECTIONS);
        cloud.await_hits(fault, 2);
        load.await_answers(SOME);
        cloud.remove_faults();
        load.stop().assert_nothing_lost();
        system.await_complete();
        assert_eq!(ever_launched(cloud), before);
        assert_eq!(fleet.machines().len(), 4);
    });
}

#[test]
fn where_there_is_no_room_at_all_the_others_go_on() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let fault = cloud.add(&Fault::no_capacity());
        let victim = fleet.machine("instance-1").id;
        let load = Load::start(system.balancer, "/Tarefa/", CONNECTIONS);
        cloud.terminate(&victim);
        cloud.await_hits(fault, ZONES);
        load.await_answers(SOME);
        load.stop().assert_nothing_lost();
        assert_eq!(fleet.machines().len(), 3);
        let asked = refused_offerings(cloud);
        let different: BTreeSet<_> = asked.iter().collect();
        assert_eq!(different.len(), asked.len(), "one is asked again: {asked:?}");
    });
}

#[test]
fn a_launch_that_nobody_heard_of_is_adopted_by_the_next_balancer() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let fault = cloud.add(&Fault::hang_after("RunInstances").times(1));
        let victim = fleet.machine("instance-2").id;
        cloud.terminate(&victim);
        cloud.await_hits(fault, 1);
        cloud::eventually("the call was carried out", || {
            (ever_launched(cloud).len() == 5).then_some(())
        });
        system.kill();
        cloud.remove_faults();
        let _system = fleet.up();
        assert_eq!(fleet.machines().len(), 4);
        assert_eq!(ever_launched(cloud).len(), 5);
    });
}

#[test]
fn tasks_outlive_a_backend_that_is_cut_off_and_does_not_know_it() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        lose_backend(&fleet, &system, Cloud::cut);
    });
}

#[test]
fn tasks_outlive_a_backend_that_loses_its_power() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        lose_backend(&fleet, &system, Cloud::crash);
    });
}

/// What was stored before the backend's machine was lost is there afterwards.
fn lose_backend(fleet: &Fleet, system: &System, fault: impl Fn(&Cloud, &str)) {
    store(system, "before");
    let victim = fleet.machine("backend-0").id;
    fault(fleet.cloud, &victim);
    await_successor(system, "backend-0", &victim);
    assert!(stored(system).contains("before"));
}

#[test]
fn one_repair_launches_once_and_asks_little() {
    cloud::inside(|cloud| {
        let fleet = Fleet::new(cloud, "");
        let system = fleet.up();
        let victim = fleet.machine("instance-0").id;
        cloud.forget_calls();
        cloud.terminate(&victim);
        await_successor(&system, "instance-0", &victim);
        let calls = cloud.calls();
        println!("calls of one repair: {:?}", calls.counts);
        assert_eq!(calls.count("ec2:RunInstances"), 1, "{:?}", calls.counts);
        let known = ["ec2:RunInstances", "ec2:DescribeInstances", "ec2:TerminateInstances"];
        let others: Vec<_> =
            calls.counts.keys().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "{others:?}");
    });
}

/// Type and subnet of every launch that there was no room for.
fn refused_offerings(cloud: &Cloud) -> Vec<(String, String)> {
    let calls = cloud.calls().calls.into_iter();
    let refused =
        calls.filter(|call| call.outcome.as_deref() == Some("InsufficientInstanceCapacity"));
    let named = |call: &cloud::Call, end: &str| {
        let mut found = call.parameters.iter();
        found.find(|(key, _)| key.ends_with(end)).map(|(_, value)| value.clone()).unwrap()
    };
    refused.map(|call| (named(&call, "InstanceType"), named(&call, "SubnetId"))).collect()
}

/// Every machine that there ever was.
fn ever_launched(cloud: &Cloud) -> BTreeSet<String> {
    cloud.machines().into_iter().map(|machine| machine.id).collect()
}

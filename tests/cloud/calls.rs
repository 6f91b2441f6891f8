//! What the API does with calls, and what can go wrong with them.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::cloud::{Fault, Setting, eventually};
use super::customer::{inside, is_in_state, launch, launched, refused, runtime, up};

const NOTHING: &str = "#!/bin/sh\n";

#[test]
fn a_client_token_never_makes_two_instances() {
    inside(async |cloud, client| {
        let request = || launch(&client, NOTHING).client_token("one");
        let id = launched(request()).await;
        assert_eq!(launched(request()).await, id);
        let other = launch(&client, "#!/bin/sh\n:\n").client_token("one");
        assert_eq!(refused(other.send().await), "IdempotentParameterMismatch");
        cloud.terminate(&id);
        assert_eq!(refused(request().send().await), "IdempotentInstanceTerminated");
        assert_ne!(launched(launch(&client, NOTHING).client_token("two")).await, id);
    });
}

#[test]
fn a_lost_answer_is_one_of_a_call_that_was_carried_out() {
    inside(async |cloud, client| {
        cloud.add(&Fault::lost("RunInstances").times(1));
        let request = || launch(&client, NOTHING).client_token("lost");
        assert_eq!(refused(request().send().await), "no answer");
        assert_eq!(cloud.account()["instances"].len(), 1);
        let id = launched(request()).await;
        assert!(cloud.account()["instances"].contains_key(&id));
        assert_eq!(cloud.account()["instances"].len(), 1);
    });
}

#[test]
fn errors_strike_the_calls_that_they_are_meant_for() {
    inside(async |cloud, client| {
        let error = Fault::error("DescribeInstances", "InternalError", 500).skip(1).times(1);
        let fault = cloud.add(&error);
        client.describe_instances().send().await.unwrap();
        client.describe_volumes().send().await.unwrap();
        assert_eq!(refused(client.describe_instances().send().await), "InternalError");
        cloud.await_hits(fault, 1);
        client.describe_instances().send().await.unwrap();
        let calls = cloud.calls();
        assert_eq!(calls.count("ec2:DescribeInstances"), 3);
        let outcomes: Vec<_> = calls.calls.iter().map(|call| call.outcome.as_deref()).collect();
        assert_eq!(outcomes, [Some("ok"), Some("ok"), Some("InternalError"), Some("ok")]);
    });
}

#[test]
fn a_call_that_hangs_is_not_carried_out_and_one_that_hangs_after_is() {
    inside(async |cloud, client| {
        for (fault, count) in [(Fault::hang("RunInstances"), 0), (Fault::hang_after("*"), 1)] {
            let fault = cloud.add(&fault.times(1));
            let request = launch(&client, NOTHING);
            let call = thread::spawn(|| refused(runtime().block_on(request.send())));
            cloud.await_hits(fault, 1);
            eventually("as many as there should be", || {
                (cloud.account()["instances"].len() == count).then_some(())
            });
            cloud.remove_faults();
            assert_eq!(call.join().unwrap(), "no answer");
            assert_eq!(cloud.account()["instances"].len(), count);
        }
    });
}

#[test]
fn a_call_that_is_under_way_can_be_waited_for_when_its_caller_is_gone() {
    inside(async |cloud, client| {
        let fault = cloud.add(&Fault::delay("RunInstances", Duration::from_millis(300)));
        let request = launch(&client, NOTHING);
        let (stays, leaves) = oneshot::channel::<()>();
        let caller = thread::spawn(|| {
            runtime().block_on(async {
                tokio::select! {
                    answer = request.send() => panic!("it was answered: {answer:?}"),
                    _ = leaves => {}
                }
            });
        });
        cloud.await_hits(fault, 1);
        drop(stays);
        caller.join().unwrap();
        cloud.settle();
        assert_eq!(cloud.account()["instances"].len(), 1);
    });
}

#[test]
fn a_delay_takes_its_time() {
    inside(async |cloud, client| {
        cloud.add(&Fault::delay("DescribeVolumes", Duration::from_millis(300)));
        let began = cloud.calls().now;
        client.describe_volumes().send().await.unwrap();
        assert!(cloud.calls().now >= began + 0.3);
    });
}

#[test]
fn buckets_have_the_numbers_of_aws() {
    inside(async |cloud, client| {
        let dry = || launch(&client, NOTHING).dry_run(true);
        for _ in 0..5 {
            assert_eq!(refused(dry().send().await), "DryRunOperation");
        }
        // Two a second come back.
        let mut codes = Vec::new();
        for _ in 0..5 {
            codes.push(refused(dry().send().await));
        }
        assert!(codes.contains(&"RequestLimitExceeded".to_owned()), "{codes:?}");
        client.describe_instances().send().await.unwrap();
        cloud.set(Setting::Unlimited);
        assert_eq!(refused(dry().send().await), "DryRunOperation");
    });
}

#[test]
fn a_young_instance_is_hidden_from_all_calls() {
    inside(async |cloud, client| {
        cloud.set(Setting::HiddenFor(Duration::from_secs(1)));
        let id = launched(launch(&client, NOTHING)).await;
        let by_id = || client.describe_instances().instance_ids(&id);
        assert_eq!(refused(by_id().send().await), "InvalidInstanceID.NotFound");
        let end = client.terminate_instances().instance_ids(&id);
        assert_eq!(refused(end.send().await), "InvalidInstanceID.NotFound");
        let all = client.describe_instances().send().await.unwrap();
        assert!(all.reservations().is_empty());
        // The machine does not wait for that, and this test for no bucket.
        cloud.set(Setting::Unlimited);
        up(cloud, &id);
        while by_id().send().await.is_err() {}
    });
}

#[test]
fn listings_may_tell_old_states() {
    inside(async |cloud, client| {
        let id = launched(launch(&client, NOTHING)).await;
        up(cloud, &id);
        cloud.set(Setting::Behind(Duration::from_secs(2)));
        // What is asked for until then is more than a bucket holds.
        cloud.set(Setting::Unlimited);
        client.terminate_instances().instance_ids(&id).send().await.unwrap();
        is_in_state(cloud, &id, "terminated");
        let state = async || {
            let answer = client.describe_instances().instance_ids(&id).send().await.unwrap();
            let instance = &answer.reservations()[0].instances()[0];
            instance.state().unwrap().name().unwrap().as_str().to_owned()
        };
        let old = state().await;
        assert!(["pending", "running"].contains(&old.as_str()), "{old}");
        while state().await != "terminated" {}
    });
}

#[test]
fn calls_of_other_services_are_counted_too() {
    inside(async |cloud, _| {
        let access = cloudaps::aws::Access::open(None).await.unwrap();
        access.iam().list_roles().send().await.unwrap();
        eventually("it is counted", || (cloud.calls().count("iam:ListRoles") == 1).then_some(()));
    });
}

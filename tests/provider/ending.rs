//! How instances are ended.

use std::time::Duration;

use cloudaps::provider::Provider as _;
use rustix::process::{Pid, Signal};

use super::world::{World, eventually, lives, pid, signal, state};

#[tokio::test]
async fn a_process_that_ends_on_sigterm_may_clean_up_first() {
    let mut world =
        World::running("trap 'echo bye; exit 0' TERM; echo ready; while :; do wait; done");
    let instance = world.launch(0).await;
    world.said(&instance, "ready").await;
    world.terminate(&instance.id).await;
    world.said(&instance, "bye").await;
    assert_eq!(world.gone(&instance.id).await, "exit status: 0");
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_after_the_grace() {
    let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut world = World::with(script, |config| config.grace = Duration::from_millis(100));
    let instance = world.launch(0).await;
    world.said(&instance, "ready").await;
    world.terminate(&instance.id).await;
    assert!(!lives(pid(&instance)));
    assert_eq!(world.gone(&instance.id).await, "signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_stopped_process_is_killed_without_being_woken() {
    // With this grace, waiting for it first would miss the deadline.
    let script = "trap 'echo woken' TERM CONT; echo ready; while :; do sleep 1; done";
    let mut world = World::with(script, |config| config.grace = Duration::from_secs(3600));
    let instance = world.launch(0).await;
    world.said(&instance, "ready").await;
    signal(pid(&instance), Signal::STOP);
    eventually("the stop", || (state(pid(&instance)) == Some('T')).then_some(())).await;
    world.terminate(&instance.id).await;
    assert!(!lives(pid(&instance)));
    assert_eq!(world.gone(&instance.id).await, "signal: 9 (SIGKILL)");
    let log = std::fs::read_to_string(world.log(&instance.id)).unwrap();
    assert!(!log.contains("woken"), "{log}");
}

#[tokio::test]
async fn grandchildren_are_gone_when_terminate_returns() {
    // The grandchild ignores SIGTERM, and its parent ends before it.
    let script = "(trap '' TERM; echo ready; while :; do sleep 1; done) & echo child=$!; wait";
    let world = World::running(script);
    let instance = world.launch(0).await;
    let child = world.said(&instance, "child=").await;
    let child = Pid::from_raw(child.parse().unwrap()).unwrap();
    world.said(&instance, "ready").await;
    world.terminate(&instance.id).await;
    assert!(!lives(pid(&instance)));
    assert!(!lives(child));
}

#[tokio::test]
async fn grandchildren_of_an_adopted_process_are_gone_when_terminate_returns() {
    let script = "(trap '' TERM; echo ready; while :; do sleep 1; done) & echo child=$!; wait";
    let mut world = World::running(script);
    let instance = world.launch(0).await;
    let child = world.said(&instance, "child=").await;
    let child = Pid::from_raw(child.parse().unwrap()).unwrap();
    world.said(&instance, "ready").await;
    world.reopen().await;
    signal(pid(&instance), Signal::KILL);
    world.gone(&instance.id).await;
    world.terminate(&instance.id).await;
    assert!(!lives(child));
}

#[tokio::test]
async fn an_instance_may_be_terminated_twice_at_once() {
    let world = World::running("exec sleep 60");
    let instance = world.launch(0).await;
    let (one, other) = tokio::join!(
        world.provider.terminate(&instance.id),
        world.provider.terminate(&instance.id)
    );
    one.unwrap();
    other.unwrap();
    assert_eq!(world.list().await, []);
}

#[tokio::test]
async fn everything_can_be_killed_at_once() {
    let mut world = World::running("trap '' TERM; echo ready; while :; do sleep 1; done");
    let one = world.launch(0).await;
    let other = world.launch(1).await;
    world.provider.kill_all();
    world.gone(&one.id).await;
    assert!(!lives(pid(&one)));
    eventually("the end of the other", || (!lives(pid(&other))).then_some(())).await;
    assert_eq!(world.records().len(), 2, "the next controller has to hear of them");
}

//! The instances' output.

use std::fs;
use std::time::Duration;

use cloudaps::provider::process::LogBounds;

use super::world::{World, eventually, launch};

#[tokio::test]
async fn a_log_stays_bounded_while_its_instance_writes_on() {
    let bounds = LogBounds { bytes: 10_000, kept: 1, every: Duration::from_millis(10) };
    // Ten numbered lines, then a moment: about 100 kB a second.
    let script =
        "i=0; while :; do i=$((i+1)); echo line $i; [ $((i % 10)) = 0 ] && sleep 0.001; done";
    let world = World::with(script, |config| config.log = bounds);
    let instance = world.launch(0).await;
    let copy = world.log(&instance.id).with_extension("log.1");
    let copied = || fs::read_to_string(&copy).ok().filter(|text| text.len() == 10_000);
    let first = eventually("a copy of the log", copied).await;
    let second = eventually("another", || copied().filter(|text| *text != first)).await;
    assert!(number(&second) > number(&first), "the log does not go on");
    let length = || fs::metadata(world.log(&instance.id)).unwrap().len();
    eventually("a cut log", || (length() < bounds.bytes).then_some(())).await;
}

#[tokio::test]
async fn logs_of_ended_instances_stay_up_to_a_number() {
    let bounds = LogBounds { kept: 2, ..LogBounds::default() };
    let world = World::with("echo hello; exec sleep 60", |config| config.log = bounds);
    let living = world.launch(9).await;
    world.said(&living, "hello").await;
    let mut ended = Vec::new();
    for serial in 0..4 {
        let instance = world.launch(serial).await;
        world.said(&instance, "hello").await;
        world.terminate(&instance.id).await;
        ended.push(instance);
    }
    let kept: Vec<bool> = ended.iter().map(|instance| world.log(&instance.id).exists()).collect();
    assert_eq!(kept, [false, false, true, true]);
    assert!(world.log(&living.id).exists(), "{}", launch(9).token);
}

/// The number on the second line, the first that is sure to be whole.
fn number(text: &str) -> u64 {
    text.lines().nth(1).unwrap().strip_prefix("line ").unwrap().parse().unwrap()
}

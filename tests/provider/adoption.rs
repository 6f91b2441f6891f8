//! What the next controller finds.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::slice;

use cloudaps::fleet::{Instance, InstanceId, Vitals};
use cloudaps::provider::Provider as _;
use cloudaps::state_dir::{Error, StateDir};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::world::{
    World, config, eventually, is_gone, launch, lives, lock, open, pid, shell, signal,
};

/// Tells this test binary to play the controller that is killed.
const CONTROLLER_VARIABLE: &str = "CLOUDAPS_TEST_CONTROLLER_STATE";
const CONTROLLER_TEST: &str = "provider::adoption::the_controller_of_another_test";
/// A shell with a child, whose number it tells.
const PARENT: &str = "sleep 60 & echo $!; wait";

#[tokio::test]
async fn the_next_controller_has_the_same_instances_and_hears_of_their_end() {
    let mut world = World::running("exec sleep 60");
    let (one, other) = (world.launch(0).await, world.launch(1).await);
    world.reopen().await;
    assert_eq!(world.list().await, [one.clone(), other.clone()]);
    assert!(lives(pid(&one)) && lives(pid(&other)));
    assert_eq!(world.launch(1).await, other, "an adopted token made another instance");

    signal(pid(&one), Signal::KILL);
    world.gone(&one.id).await;
    assert!(is_gone(&world.list().await[0]));
    world.terminate(&one.id).await;
    world.terminate(&other.id).await;
    assert!(!lives(pid(&other)));
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn instances_outlive_a_controller_that_is_killed_and_are_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut controller, pids) = start_controller(dir.path().to_str().unwrap());
    assert!(matches!(
        StateDir::open(dir.path()).unwrap().lock().unwrap_err(),
        Error::Locked { pid: Some(pid), .. } if pid == controller.id()
    ));
    controller.kill().unwrap();
    controller.wait().unwrap();

    let (provider, mut notices) = open(&config(&lock(&dir), shell(PARENT)));
    let listed = provider.list().await.unwrap();
    assert_eq!(listed.iter().map(pid).collect::<Vec<_>>(), pids);
    assert!(listed.iter().all(|instance| instance.vitals == Vitals::Running));
    assert!(listed.iter().all(|instance| lives(pid(instance))));
    provider.terminate(&listed[0].id).await.unwrap();
    assert!(!lives(pids[0]) && lives(pids[1]));

    signal(pids[1], Signal::KILL);
    let gone = eventually("the notice", || {
        notices.try_recv().ok().filter(|notice| format!("{notice:?}").contains("adopted"))
    });
    gone.await;
    let log = dir.path().join(format!("logs/{}.log", listed[1].id));
    let child = fs::read_to_string(log).unwrap().trim().parse().unwrap();
    provider.terminate(&listed[1].id).await.unwrap();
    assert!(!lives(Pid::from_raw(child).unwrap()), "what an adopted process left behind lives");
    assert_eq!(provider.list().await.unwrap(), []);
}

/// Runs only inside another test, as a process that can be killed.
#[tokio::test]
#[ignore = "it is the controller of another test"]
async fn the_controller_of_another_test() {
    #[expect(clippy::disallowed_methods, reason = "the test binary has no command line of ours")]
    let Ok(path) = std::env::var(CONTROLLER_VARIABLE) else { return };
    let state = StateDir::open(path.as_ref()).unwrap();
    let lock = std::sync::Arc::new(state.lock().unwrap());
    let (provider, _notices) = open(&config(&lock, shell(PARENT)));
    let one = provider.launch(&launch(0)).await.unwrap();
    let other = provider.launch(&launch(1)).await.unwrap();
    let log = state.logs().join(format!("{}.log", other.id));
    eventually("the number of the child", || {
        fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n'))
    })
    .await;
    println!("\nlaunched {} {}", pid(&one).as_raw_pid(), pid(&other).as_raw_pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_process_whose_controller_was_killed_before_it_wrote_the_pid_is_adopted() {
    let mut world = World::running("sleep 61 & exec sleep 60");
    let instance = world.launch(0).await;
    world.edit_record(&instance.id, |record| record["process"] = Value::Null);
    world.reopen().await;
    assert_eq!(world.list().await, slice::from_ref(&instance));
    let record = fs::read_to_string(world.record(&instance.id)).unwrap();
    assert!(record.contains(&pid(&instance).as_raw_pid().to_string()), "{record}");
    world.terminate(&instance.id).await;
    assert!(!lives(pid(&instance)));
}

#[tokio::test]
async fn a_process_is_found_while_it_starts_one_program_after_the_other() {
    // The kernel shows no environment of a process from the moment that it begins with the next
    // program until that runs: for this one that is a good part of the time.
    let again = "N=$((N+1)); [ $N -lt 20000 ] && exec sh -c \"$AGAIN\"; exec sleep 60";
    let mut world = World::running(&format!("export N=0 AGAIN='{again}'; eval \"$AGAIN\""));
    let instance = world.launch(0).await;
    for _ in 0..30 {
        world.edit_record(&instance.id, |record| record["process"] = Value::Null);
        world.reopen().await;
        assert_eq!(world.list().await, slice::from_ref(&instance));
    }
    world.terminate(&instance.id).await;
    assert!(!lives(pid(&instance)));
}

#[tokio::test]
async fn an_intent_that_became_no_process_is_dropped() {
    let mut world = World::running("exec sleep 60");
    let instance = world.launch(0).await;
    world.terminate(&instance.id).await;
    write_record(&world, &instance, &Value::Null);
    world.reopen().await;
    assert_eq!(world.list().await, []);
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn a_process_with_the_same_token_and_another_owner_is_not_touched() {
    let theirs = World::running("exec sleep 60");
    let their_instance = theirs.launch(0).await;
    let mut ours = World::running("exec sleep 60");
    write_record(&ours, &their_instance, &Value::Null);
    ours.reopen().await;
    assert_eq!(ours.list().await, []);
    assert!(lives(pid(&their_instance)));
}

#[tokio::test]
async fn an_instance_that_died_meanwhile_is_listed_as_gone_until_it_is_terminated() {
    let script = "sleep 60 & echo child=$!; wait";
    let mut world = World::running(script);
    let instance = world.launch(0).await;
    let child = world.said(&instance, "child=").await;
    let child = Pid::from_raw(child.parse().unwrap()).unwrap();
    world.provider.close().await;
    signal(pid(&instance), Signal::KILL);
    eventually("its end", || (!lives(pid(&instance))).then_some(())).await;

    world.reopen().await;
    assert!(is_gone(&world.list().await[0]));
    assert!(lives(child), "opening has to end nothing");
    world.terminate(&instance.id).await;
    assert!(!lives(child), "what it left behind is ours too");
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn a_stranger_with_the_number_of_a_dead_instance_is_not_touched() {
    let mut world = World::running("exec sleep 60");
    let instance = world.launch(0).await;
    world.terminate(&instance.id).await;
    let mut stranger = Stranger::start();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let process = json!({ "pid": stranger.0.id(), "started": 1, "boot": boot.trim() });
    write_record(&world, &instance, &process);

    world.reopen().await;
    assert!(is_gone(&world.list().await[0]));
    world.provider.kill_all();
    world.terminate(&instance.id).await;
    assert_eq!(world.list().await, []);
    assert_eq!(stranger.0.try_wait().unwrap(), None, "the stranger was killed");
}

#[tokio::test]
async fn a_process_of_another_boot_is_not_touched() {
    let mut world = World::running("exec sleep 60");
    let instance = world.launch(0).await;
    world.edit_record(&instance.id, |record| record["process"]["boot"] = json!("another"));
    let kept = pid(&instance);
    world.reopen().await;
    let vitals = world.list().await.remove(0).vitals;
    assert!(matches!(vitals, Vitals::Gone(how) if how.contains("restarted")));
    assert!(lives(kept));
    // It still carries the tag, so here it is known to be ours in the end.
    world.terminate(&instance.id).await;
    assert!(!lives(kept));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_hides_no_other() {
    let mut world = World::running("exec sleep 60");
    let instance = world.launch(0).await;
    fs::write(world.record(&InstanceId::new("torn")), "{\"token\":").unwrap();
    let hostile = InstanceId::new("hostile");
    fs::copy(world.record(&instance.id), world.record(&hostile)).unwrap();
    world.edit_record(&hostile, |record| {
        record["token"] = json!("hostile");
        record["process"]["pid"] = json!(1);
    });
    world.reopen().await;
    assert_eq!(world.list().await, slice::from_ref(&instance));
    let own = format!("{}.json", instance.id);
    assert_eq!(world.records(), ["hostile.json.corrupt", &own, "torn.json.corrupt"]);
}

/// Writes a record as the controller before us would have left it.
fn write_record(world: &World, instance: &Instance, process: &Value) {
    let record = json!({
        "token": instance.id.as_str(), "slot": instance.slot.to_string(),
        "address": instance.address, "control": null, "command": ["sleep"],
        "launched_ms": 1_700_000_000_000_u64, "process": process,
    });
    fs::write(world.record(&instance.id), record.to_string()).unwrap();
}

/// A process that is none of ours, in a group of its own.
struct Stranger(Child);

impl Stranger {
    fn start() -> Self {
        Self(Command::new("sleep").arg("60").process_group(0).spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this binary as a controller; returns it and the pids of its instances.
fn start_controller(state: &str) -> (Child, Vec<Pid>) {
    let mut controller = Command::new(std::env::current_exe().unwrap())
        .args([CONTROLLER_TEST, "--exact", "--ignored", "--nocapture"])
        .env(CONTROLLER_VARIABLE, state)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(controller.stdout.take().unwrap()).lines();
    let pids = lines
        .map_while(Result::ok)
        .find_map(|line| {
            let numbers = line.strip_prefix("launched ")?.split(' ');
            Some(numbers.map(|number| Pid::from_raw(number.parse().unwrap()).unwrap()).collect())
        })
        .expect("the controller says what it launched");
    (controller, pids)
}

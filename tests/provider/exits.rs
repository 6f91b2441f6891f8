//! How instances start, or fail to, and how they end on their own.

use cloudaps::fleet::{Group, InstanceId, Launch, LaunchToken, Slot, Vitals};
use cloudaps::provider::process::{OpenError, Provider, Workload};
use cloudaps::provider::{Fault, Provider as _};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, getpgid};
use std::fs;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::world::{
    DEADLINE, World, config, eventually, launch, lives, lock, pid, signal, within_the_deadline,
};

#[tokio::test]
async fn a_kill_is_noticed_and_the_instance_is_listed_as_gone_until_it_is_terminated() {
    let mut world = World::running("exec sleep 60");
    let instance = world.launch(0).await;
    signal(pid(&instance), Signal::KILL);
    assert_eq!(world.gone(&instance.id).await, "signal: 9 (SIGKILL)");

    let listed = world.list().await;
    assert_eq!(listed[0].vitals, Vitals::Gone("signal: 9 (SIGKILL)".to_owned()));
    let again = world.launch(0).await;
    assert_eq!(again, listed[0], "a token that is spent made another instance");
    world.terminate(&instance.id).await;
    assert_eq!(world.list().await, []);
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn an_exit_status_is_told_in_words() {
    let mut world = World::running("exit 3");
    let instance = world.launch(0).await;
    assert_eq!(world.gone(&instance.id).await, "exit status: 3");
}

#[tokio::test]
async fn what_a_dead_process_leaves_in_its_group_dies_at_once() {
    let mut world = World::running("sleep 60 & echo child=$!; wait");
    let instance = world.launch(0).await;
    let child = world.said(&instance, "child=").await;
    let child = Pid::from_raw(child.parse().unwrap()).unwrap();
    signal(pid(&instance), Signal::KILL);
    world.gone(&instance.id).await;
    eventually("the end of the grandchild", || (!lives(child)).then_some(())).await;
}

#[tokio::test]
async fn an_intent_is_recorded_before_the_process_is_made() {
    let world = World::running("exec sleep 60");
    let launch = launch(0);
    let id = InstanceId::new(launch.token.as_str());
    // The launch cannot open its log, and so cannot go on, until somebody reads from the pipe.
    let log = world.log(&id);
    mkfifoat(CWD, &log, Mode::RUSR | Mode::WUSR).unwrap();
    let watching = async {
        let read = || fs::read_to_string(world.record(&id)).ok();
        let intent = within_the_deadline(read).await;
        // Opened for both, it never blocks; whatever was found, the launch has to go on.
        (intent, fs::File::options().read(true).write(true).open(&log).unwrap())
    };
    let (launched, (intent, _pipe)) = tokio::join!(world.provider.launch(&launch), watching);
    let intent = intent.unwrap();
    assert!(intent.contains(launch.token.as_str()) && intent.contains("\"process\": null"));
    let pid = pid(&launched.unwrap()).as_raw_pid().to_string();
    assert!(fs::read_to_string(world.record(&id)).unwrap().contains(&pid));
}

#[tokio::test]
async fn an_instance_leads_a_group_of_its_own() {
    let world = World::running("exec sleep 60");
    let pid = pid(&world.launch(0).await);
    assert_eq!(getpgid(Some(pid)).unwrap(), pid, "Ctrl-C would reach it");
}

#[tokio::test]
async fn an_instance_knows_its_name_and_not_the_secret_of_the_forwarders() {
    let world =
        World::running("echo i=$CLOUDAPS_INSTANCE; echo c=$CLOUDAPS_CONTROL_TOKEN.; exec sleep 60");
    let instance = world.launch(0).await;
    assert_eq!(world.said(&instance, "i=").await, instance.id.as_str());
    assert_eq!(world.said(&instance, "c=").await, ".");
}

#[tokio::test]
async fn a_forwarder_is_given_the_secret_and_a_control_address_of_its_own() {
    // A script stands in for the binary, and tells what it was given.
    let world = World::with("unused", |config| {
        let script = config.lock.dir().path().join("forwarder");
        let text = "#!/bin/sh\necho args=\"$@\"\necho c=$CLOUDAPS_CONTROL_TOKEN\nexec sleep 60\n";
        fs::write(&script, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&script, mode).unwrap();
        config.program = Some(script);
        config.instances = Workload::Forwarder { config: None, threads: 1, traces: None };
    });
    let instance = world.launch(0).await;
    let (address, control) =
        (instance.address.clone().unwrap().ip().unwrap(), instance.control.unwrap());
    assert_ne!(address, control);
    let args = format!("forward --listen {address} --control {control} --threads 1");
    assert_eq!(world.said(&instance, "args=").await, args);
    assert_eq!(world.said(&instance, "c=").await, world.config.control_token.as_str());
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named_and_leaves_no_record() {
    let world = World::with("unused", |config| {
        let words = ["/no/such/server", "{port}"];
        config.instances = Workload::Command(words.map(str::to_owned).into());
    });
    let error = world.provider.launch(&launch(0)).await.unwrap_err();
    assert_eq!(error.fault, Fault::Denied);
    assert!(error.to_string().contains("`/no/such/server`"), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
    assert!(world.records().is_empty());
    assert_eq!(world.list().await, []);
}

#[tokio::test]
async fn a_token_that_would_leave_the_directory_is_refused() {
    let world = World::running("exec sleep 60");
    for text in ["../evil", "", ".hidden", "a/b", "a b", &"x".repeat(65)] {
        let launch = Launch { token: LaunchToken::recorded(text), ..launch(0) };
        let error = world.provider.launch(&launch).await.unwrap_err();
        assert_eq!(error.fault, Fault::Denied, "{text}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn a_group_without_a_command_is_refused() {
    let world = World::running("exec sleep 60");
    let slot = Slot { group: Group::Backend, index: 0 };
    let error = world.provider.launch(&Launch { slot, ..launch(0) }).await.unwrap_err();
    assert_eq!(error.fault, Fault::Denied);
    assert!(error.to_string().contains("backend"), "{error}");
}

#[tokio::test]
async fn a_command_without_a_port_is_refused_when_the_provider_opens() {
    let dir = tempfile::tempdir().unwrap();
    let command = Workload::Command(vec!["sleep".to_owned(), "60".to_owned()]);
    let opened = Provider::open(config(&lock(&dir), command), mpsc::channel(1).0);
    assert!(matches!(opened, Err(OpenError::Workload(_))));
}

#[tokio::test]
async fn a_launch_that_nobody_waits_for_any_more_is_listed() {
    let world = World::running("exec sleep 60");
    let launch = launch(0);
    // Polled once, it has begun; dropped then, as by a timeout.
    tokio::select! {
        biased;
        _ = world.provider.launch(&launch) => {}
        () = std::future::ready(()) => {}
    }
    let listed = async {
        loop {
            if let Some(instance) = world.list().await.pop() {
                return instance;
            }
            tokio::task::yield_now().await;
        }
    };
    let instance = timeout(DEADLINE, listed).await.unwrap();
    assert_eq!(instance.token, Some(launch.token));
}

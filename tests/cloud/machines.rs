//! What a machine is, and what becomes of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::cloud::{Setting, eventually};
use super::customer::{SERVER, ask, inside, is_in_state, launch, launched, refused, serving, up};

#[test]
fn an_instance_serves_at_the_address_that_the_api_reports() {
    inside(async |_, client| {
        let id = launched(launch(&client, SERVER)).await;
        let answer = client.describe_instances().instance_ids(&id).send().await.unwrap();
        let address = answer.reservations()[0].instances()[0].private_ip_address().unwrap();
        assert!(address.starts_with("172.31."), "{address}");
        let said = eventually("the server answers", || ask(address));
        assert_eq!(said, format!("from ip-{} as nobody", address.replace('.', "-")));
    });
}

#[test]
fn an_instance_is_pending_before_it_runs() {
    inside(async |cloud, client| {
        cloud.set(Setting::Pending(Duration::from_secs(1)));
        let id = launched(launch(&client, SERVER)).await;
        let describe = client.describe_instances().instance_ids(&id);
        let answer = describe.send().await.unwrap();
        let state = answer.reservations()[0].instances()[0].state().unwrap().name().unwrap();
        assert_eq!(state.as_str(), "pending");
        is_in_state(cloud, &id, "running");
    });
}

#[test]
fn machines_share_no_files_with_each_other_or_with_the_host() {
    inside(async |cloud, client| {
        let write = "#!/bin/sh\nfor file in /usr/local/bin/mark /etc/systemd/system/mark \
                     /var/lib/mark /run/mark; do echo here >$file; done\n";
        let first = launched(launch(&client, write)).await;
        let second = launched(launch(&client, "#!/bin/sh\n")).await;
        up(cloud, &first);
        up(cloud, &second);
        let look = ["cat", "/usr/local/bin/mark", "/run/mark"];
        eventually("it is written", || (cloud.run(&first, &look).status == 0).then_some(()));
        let look = ["ls", "/usr/local/bin/mark", "/var/lib/mark", "/run/mark"];
        assert_eq!(cloud.run(&second, &look).stdout, "");
        for file in &look[1..] {
            assert!(!Path::new(file).exists(), "{file} is on the host");
        }
        assert!(fs::metadata("/etc/systemd/system/mark").is_err());
    });
}

#[test]
fn a_service_that_is_killed_is_started_again() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        let before = cloud.machine(&machine.id).processes;
        cloud.signal(&machine.id, "IO::Socket", "KILL");
        eventually("another process serves", || {
            let now = cloud.machine(&machine.id).processes;
            let is_new = now.keys().any(|process| !before.contains_key(process));
            (is_new && ask(&machine.address).is_some()).then_some(())
        });
        assert!(cloud.console(&machine.id).contains("ended with -9"));
    });
}

#[test]
fn who_is_cut_off_is_silent_and_answers_again_when_that_is_mended() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        cloud.cut(&machine.id);
        assert_eq!(ask(&machine.address), None);
        assert_eq!(cloud.machine(&machine.id).state, "running");
        cloud.mend(&machine.id);
        eventually("it answers again", || ask(&machine.address));
    });
}

#[test]
fn who_is_terminated_goes_and_its_address_is_given_again() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        let answer = client.terminate_instances().instance_ids(&machine.id).send().await.unwrap();
        let change = &answer.terminating_instances()[0];
        assert_eq!(change.current_state().unwrap().name().unwrap().as_str(), "shutting-down");
        is_in_state(cloud, &machine.id, "terminated");
        assert_eq!(ask(&machine.address), None);
        let describe = client.describe_instances().instance_ids(&machine.id);
        let answer = describe.send().await.unwrap();
        assert_eq!(answer.reservations()[0].instances()[0].private_ip_address(), None);

        let next = serving(cloud, &client).await;
        assert_eq!(next.address, machine.address);
        assert_ne!(next.id, machine.id);
    });
}

#[test]
fn who_is_stopped_keeps_address_and_disk_and_boots_only_once() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        client.stop_instances().instance_ids(&machine.id).send().await.unwrap();
        is_in_state(cloud, &machine.id, "stopped");
        assert_eq!(ask(&machine.address), None);
        client.start_instances().instance_ids(&machine.id).send().await.unwrap();
        is_in_state(cloud, &machine.id, "running");
        eventually("the service that was enabled serves", || ask(&machine.address));
        let boots = cloud.run(&machine.id, &["cat", "/var/lib/boots"]);
        assert_eq!(boots.stdout, "boots: root\n");
    });
}

#[test]
fn a_crash_is_something_that_the_api_does_not_know() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        cloud.crash(&machine.id);
        assert_eq!(ask(&machine.address), None);
        let describe = client.describe_instances().instance_ids(&machine.id);
        let answer = describe.send().await.unwrap();
        let state = answer.reservations()[0].instances()[0].state().unwrap().name().unwrap();
        assert_eq!(state.as_str(), "running");
    });
}

#[test]
fn a_machine_that_powers_itself_off_is_stopped() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        cloud.run(&machine.id, &["systemctl", "poweroff"]);
        is_in_state(cloud, &machine.id, "stopped");
        assert_eq!(ask(&machine.address), None);
    });
}

#[test]
fn a_machine_runs_the_binary_under_test() {
    inside(async |cloud, client| {
        let program = cloud.program();
        let (url, sum) = (&program.url, &program.sha256);
        let user_data = format!(
            "#!/bin/sh -e\ncd /usr/local/bin\ncurl -sfo cloudaps {url}\n\
             echo '{sum}  cloudaps' | sha256sum -c\nchmod +x cloudaps\ncloudaps --version\n"
        );
        let id = launched(launch(&client, &user_data)).await;
        let version = format!("cloudaps {}", env!("CARGO_PKG_VERSION"));
        eventually("it says its version", || cloud.console(&id).contains(&version).then_some(()));
    });
}

#[test]
fn a_security_group_that_is_in_use_is_not_deleted() {
    inside(async |cloud, client| {
        let request = client.create_security_group().group_name("mine").description("Mine.");
        let answer = request.send().await.unwrap();
        let group = answer.group_id().unwrap();
        let id = launched(launch(&client, SERVER).security_group_ids(group)).await;
        let delete = async || client.delete_security_group().group_id(group).send().await;
        assert_eq!(refused(delete().await), "DependencyViolation");
        cloud.terminate(&id);
        is_in_state(cloud, &id, "terminated");
        delete().await.unwrap();
    });
}

#[test]
fn what_is_refused_by_aws_is_refused_here() {
    inside(async |_, client| {
        let start = client.start_instances().instance_ids("i-0123456789abcdef0");
        assert_eq!(refused(start.send().await), "InvalidInstanceID.NotFound");
        let dry = launch(&client, SERVER).dry_run(true);
        assert_eq!(refused(dry.send().await), "DryRunOperation");
    });
}

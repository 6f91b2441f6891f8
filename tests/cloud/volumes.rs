//! Volumes: bytes that outlive the machine that wrote them.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::VolumeType;

use super::cloud::{Cloud, eventually};
use super::customer::{inside, is_in_state, launch, launched, refused, up};

const NOTHING: &str = "#!/bin/sh\n";
const MOUNT: &str =
    "mkdir -p /data && mount /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_* /data";

async fn volume(client: &Client, zone: &str) -> String {
    let request = client.create_volume().availability_zone(zone).size(1);
    let answer = request.volume_type(VolumeType::Gp3).send().await.unwrap();
    answer.volume_id().unwrap().to_owned()
}

async fn attach(cloud: &Cloud, client: &Client, volume: &str, instance: &str) {
    let request = client.attach_volume().volume_id(volume).instance_id(instance);
    let answer = request.device("/dev/sdf").send().await.unwrap();
    assert_eq!(answer.state().unwrap().as_str(), "attaching");
    is_attached(cloud, volume, Some("attached"));
}

fn is_attached(cloud: &Cloud, volume: &str, state: Option<&str>) {
    eventually(&format!("{volume} is {state:?}"), || {
        (cloud.account()["volumes"][volume]["attachment"].as_str() == state).then_some(())
    });
}

#[track_caller]
fn shell(cloud: &Cloud, id: &str, script: &str) -> String {
    let output = cloud.run(id, &["sh", "-c", script]);
    assert_eq!(output.status, 0, "{script}: {output:?}");
    output.stdout
}

#[test]
fn what_was_written_is_there_on_the_next_machine() {
    inside(async |cloud, client| {
        let first = launched(launch(&client, NOTHING)).await;
        let second = launched(launch(&client, NOTHING)).await;
        up(cloud, &first);
        up(cloud, &second);
        let volume = volume(&client, "us-east-1a").await;
        attach(cloud, &client, &volume, &first).await;
        shell(cloud, &first, "mkfs.ext4 -q /dev/nvme1n1");
        shell(cloud, &first, &format!("{MOUNT} && echo kept >/data/file && sync"));
        client.terminate_instances().instance_ids(&first).send().await.unwrap();
        is_in_state(cloud, &first, "terminated");
        is_attached(cloud, &volume, None);
        attach(cloud, &client, &volume, &second).await;
        assert_eq!(shell(cloud, &second, &format!("{MOUNT} && cat /data/file")), "kept\n");
    });
}

#[test]
fn what_is_mounted_stays_detaching() {
    inside(async |cloud, client| {
        let id = launched(launch(&client, NOTHING)).await;
        up(cloud, &id);
        let volume = volume(&client, "us-east-1a").await;
        attach(cloud, &client, &volume, &id).await;
        shell(cloud, &id, &format!("mkfs.ext4 -q /dev/nvme1n1 && {MOUNT}"));
        client.detach_volume().volume_id(&volume).send().await.unwrap();
        is_attached(cloud, &volume, Some("detaching"));
        let again = client.delete_volume().volume_id(&volume).send().await;
        assert_eq!(refused(again), "VolumeInUse");
        shell(cloud, &id, "umount /data");
        is_attached(cloud, &volume, None);
        assert_ne!(cloud.run(&id, &["ls", "/dev/nvme1n1"]).status, 0);
        client.delete_volume().volume_id(&volume).send().await.unwrap();
    });
}

#[test]
fn a_client_token_never_makes_two_volumes() {
    inside(async |cloud, client| {
        let make = async |size: i32| {
            let request = client.create_volume().availability_zone("us-east-1a").size(size);
            request.client_token("one").send().await
        };
        let (first, again) = (make(1).await.unwrap(), make(1).await.unwrap());
        assert_eq!(first.volume_id(), again.volume_id());
        assert_eq!(refused(make(2).await), "IdempotentParameterMismatch");
        assert_eq!(cloud.account()["volumes"].len(), 1);
    });
}

#[test]
fn a_volume_has_one_zone_and_one_instance() {
    inside(async |cloud, client| {
        let id = launched(launch(&client, NOTHING)).await;
        up(cloud, &id);
        let far = volume(&client, "us-east-1b").await;
        let request = client.attach_volume().instance_id(&id).device("/dev/sdf");
        let far = request.clone().volume_id(far).send().await;
        assert_eq!(refused(far), "InvalidVolume.ZoneMismatch");
        let near = volume(&client, "us-east-1a").await;
        attach(cloud, &client, &near, &id).await;
        let again = request.volume_id(near).send().await;
        assert_eq!(refused(again), "VolumeInUse");
    });
}

//! Who reaches whom, by which address.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::DomainType;

use super::cloud::{Cloud, Host, eventually};
use super::customer::{ask, inside, serving};

/// What the server at `address` says to a program on the laptop.
fn ask_from_laptop(cloud: &Cloud, address: &str) -> Option<String> {
    let script = format!("exec 3<>/dev/tcp/{address}/8080 && timeout 1 cat <&3");
    let output = cloud.command(Host::Laptop, "bash").args(["-c", &script]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

async fn associate(client: &Client, allocation: &str, instance: &str) {
    let request = client.associate_address().allocation_id(allocation).instance_id(instance);
    request.allow_reassociation(true).send().await.unwrap();
}

#[test]
fn the_world_reaches_public_addresses_only() {
    inside(async |cloud, client| {
        let machine = serving(cloud, &client).await;
        let public = eventually("it has a public address", || {
            cloud.machine(&machine.id).public_addresses.pop()
        });
        let said = ask(&machine.address).unwrap();
        assert_eq!(ask_from_laptop(cloud, &public), Some(said));
        assert_eq!(ask_from_laptop(cloud, &machine.address), None);
    });
}

#[test]
fn an_elastic_address_moves_from_one_machine_to_another() {
    inside(async |cloud, client| {
        let (one, other) = (serving(cloud, &client).await, serving(cloud, &client).await);
        let request = client.allocate_address().domain(DomainType::Vpc);
        let answer = request.send().await.unwrap();
        let (elastic, id) = (answer.public_ip().unwrap(), answer.allocation_id().unwrap());
        assert!(elastic.starts_with("198.51.100."), "{elastic}");
        for machine in [&one, &other, &one] {
            associate(&client, id, &machine.id).await;
            assert_eq!(ask_from_laptop(cloud, elastic), ask(&machine.address));
        }
        cloud.terminate(&one.id);
        eventually("it belongs to nobody", || {
            cloud.account()["addresses"][id]["instance"].is_null().then_some(())
        });
        client.release_address().allocation_id(id).send().await.unwrap();
        assert!(cloud.account()["addresses"].is_empty());
    });
}

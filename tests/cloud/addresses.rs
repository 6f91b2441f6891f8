//! Who reaches whom, by which address.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{DomainType, IpPermission, IpRange, UserIdGroupPair};

use super::cloud::{Cloud, Host, Setting, eventually};
use super::customer::{SERVER, ask, inside, launch, launched, serving, up};

/// What bash does to ask the server at `address`.
fn connect(address: &str) -> String {
    format!("exec 3<>/dev/tcp/{address}/8080 && timeout 1 cat <&3")
}

/// What the server at `address` says to a program on the laptop.
fn ask_from_laptop(cloud: &Cloud, address: &str) -> Option<String> {
    let script = connect(address);
    let words = ["2", "bash", "-c", &script];
    let output = cloud.command(Host::Laptop, "timeout").args(words).output().unwrap();
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
fn security_groups_let_in_whom_they_allow() {
    inside(async |cloud, client| {
        let request = client.create_security_group().group_name("web").description("Web.");
        let answer = request.send().await.unwrap();
        let group = answer.group_id().unwrap();
        let request = launch(&client, SERVER).security_group_ids(group);
        let id = launched(request).await;
        let machine = up(cloud, &id);
        eventually("the server answers", || ask(&machine.address));
        cloud.set(Setting::Firewalls);
        assert_eq!(ask(&machine.address), None);

        let allow = client.authorize_security_group_ingress().group_id(group);
        let rule = IpPermission::builder().ip_protocol("tcp").from_port(8080).to_port(8080);
        let range = |cidr: &str| IpRange::builder().cidr_ip(cidr).build();
        let from_balancer = rule.clone().ip_ranges(range("172.31.255.10/32")).build();
        allow.clone().ip_permissions(from_balancer).send().await.unwrap();
        assert!(ask(&machine.address).is_some());
        let public = cloud.machine(&id).public_addresses.pop().unwrap();
        assert_eq!(ask_from_laptop(cloud, &public), None);

        let peer = launched(launch(&client, SERVER)).await;
        up(cloud, &peer);
        let script = connect(&machine.address);
        let ask_from_peer = ["timeout", "2", "bash", "-c", &script];
        assert_ne!(cloud.run(&peer, &ask_from_peer).status, 0);
        let groups = UserIdGroupPair::builder().group_id(default_group(&client).await).build();
        let from_group = rule.user_id_group_pairs(groups).build();
        allow.ip_permissions(from_group).send().await.unwrap();
        let said = cloud.run(&peer, &ask_from_peer);
        assert!(said.stdout.starts_with("from ip-"), "{said:?}");
    });
}

/// The group that an instance is in if none is named.
async fn default_group(client: &Client) -> String {
    let answer = client.describe_security_groups().group_names("default").send().await.unwrap();
    answer.security_groups()[0].group_id().unwrap().to_owned()
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

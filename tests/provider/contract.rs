//! Processes keep the contract of every provider, and given servers what they can keep of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use cloudaps::fleet::{Capacity, InstanceId, Vitals};
use cloudaps::provider::fixed;
use cloudaps::provider::process::Workload;
use cloudaps::provider::{Fault, Provider};

use super::world::{World, eventually, launch};
use crate::support::contract::keeps_the_contract;

#[tokio::test]
async fn processes_of_a_shell_keep_the_contract() {
    keeps_the_contract(&World::running("exec sleep 60").provider).await;
}

#[tokio::test]
async fn processes_of_a_users_server_keep_the_contract() {
    let world = World::with("unused", |config| config.instances = python());
    keeps_the_contract(&world.provider).await;
}

#[tokio::test]
async fn a_users_server_serves_at_the_address_that_it_was_given() {
    let world = World::with("unused", |config| config.instances = python());
    let instance = world.launch(0).await;
    let address = instance.address.unwrap().ip().unwrap();
    assert!((20_000..32_000).contains(&address.port()), "{address}");
    let answer = eventually("an answer of the server", || ask(address)).await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    world.terminate(&instance.id).await;
    assert_eq!(ask(address), None, "it still serves");
}

#[tokio::test]
async fn two_launches_of_one_token_at_once_make_one_instance() {
    let world = World::running("exec sleep 60");
    let launch = launch(0);
    let (one, other) = tokio::join!(world.provider.launch(&launch), world.provider.launch(&launch));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(world.list().await.len(), 1);
}

#[tokio::test]
async fn given_servers_are_listed_and_never_launched_or_ended() {
    let servers = [server("127.0.0.1:81", 100), server("unix:/a.sock", 250)];
    let provider = fixed::Provider::new(&servers).unwrap();
    let listed = provider.list().await.unwrap();
    let as_listed = listed
        .iter()
        .map(|one| fixed::Server { address: one.address.clone().unwrap(), capacity: one.capacity });
    assert_eq!(as_listed.collect::<Vec<_>>(), servers);
    assert_eq!(listed.iter().map(|one| one.slot.index).collect::<Vec<_>>(), [0, 1]);
    assert!(listed.iter().all(|one| one.token.is_none() && one.vitals == Vitals::Running));
    assert_eq!(listed[0].id, InstanceId::new("127.0.0.1:81"));

    let launched = provider.launch(&launch(0)).await.unwrap_err();
    let ended = provider.terminate(&listed[0].id).await.unwrap_err();
    for error in [launched, ended] {
        assert_eq!(error.fault, Fault::Denied);
        assert!(error.to_string().contains("provider static owns no machine"), "{error}");
    }
}

#[test]
fn a_server_that_is_given_twice_is_refused_by_name() {
    let servers = [server("127.0.0.1:80", 100), server("127.0.0.1:80", 200)];
    let error = fixed::Provider::new(&servers).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:80"), "{error}");
}

fn server(address: &str, percent: u32) -> fixed::Server {
    fixed::Server { address: address.parse().unwrap(), capacity: Capacity::of_percent(percent) }
}

fn python() -> Workload {
    let words = ["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1"];
    Workload::Command(words.map(str::to_owned).into())
}

fn ask(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

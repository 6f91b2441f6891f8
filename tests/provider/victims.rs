//! What can be done to the ports of a running instance from outside.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use cloudaps::fleet::Instance;
use cloudaps::provider::process::{Victims, Workload};
use cloudaps::state_dir::StateDir;

use super::world::{DEADLINE, World, eventually};

/// An instance that listens: the task service.
async fn listening() -> (World, Instance, SocketAddr) {
    let world = World::with("", |config| {
        let store = config.lock.dir().path().join("tasks.db");
        let store = format!("sqlite://{}", store.display());
        let program = env!("CARGO_BIN_EXE_cloudaps");
        let words = [program, "tasks", "--listen", "{address}", "--store", &store];
        config.instances = Workload::Command(words.map(str::to_owned).into());
    });
    let instance = world.launch(0).await;
    let address = instance.address.as_ref().unwrap().ip().unwrap();
    eventually("it listens", || TcpStream::connect(address).ok()).await;
    (world, instance, address)
}

fn victims(world: &World) -> Victims {
    Victims::of(&StateDir::existing(world.config.lock.dir().path()).unwrap()).unwrap()
}

/// Longer than a connection on this machine takes, shorter than anybody waits for a test.
fn connect(address: SocketAddr) -> Result<TcpStream, ErrorKind> {
    TcpStream::connect_timeout(&address, Duration::from_millis(300)).map_err(|error| error.kind())
}

fn status(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_blocked_port_is_silent_until_it_is_unblocked() {
    let (world, instance, address) = listening().await;
    let [victim] = &victims(&world).alive().unwrap()[..] else { panic!("one instance") };
    assert_eq!(*victim.instance(), instance.id);
    let kept = connect(address).unwrap();
    victim.block().unwrap();
    assert_eq!(connect(address).unwrap_err(), ErrorKind::TimedOut);
    assert_eq!(status(kept), "HTTP/1.1 200 OK", "what is connected is not blocked");
    victim.unblock().unwrap();
    victim.unblock().unwrap();
    assert_eq!(status(connect(address).unwrap()), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_refused_port_is_refused_while_the_process_lives() {
    let (world, _, address) = listening().await;
    let [victim] = &victims(&world).alive().unwrap()[..] else { panic!("one instance") };
    victim.reach().unwrap();
    assert!(connect(address).is_ok(), "looking has changed nothing");
    victim.refuse().unwrap();
    assert_eq!(connect(address).unwrap_err(), ErrorKind::ConnectionRefused);
    assert!(victim.is_alive().unwrap());
}

//! Behind another proxy: what the file says about it reaches the balancer, and only it.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::system::{DEADLINE, Place, System};

/// What comes back for `said`, to the end of the connection; nothing if it was reset.
fn answer(system: &System, said: &str) -> String {
    let mut stream = TcpStream::connect(system.balancer).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn the_balancer_wants_the_proxy_header_and_its_forwarders_do_not() {
    let place = Place::new();
    let networks = "[\"127.0.0.0/8\"]";
    let text = format!(
        "[proxy]\nproxy_protocol_from = {networks}\ntrusted_proxies = {networks}\n\
         connections_per_client = 1\n"
    );
    let config = place.write("cloudaps.toml", &text);
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    system.await_complete();
    let get = "GET /healthcheck/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(answer(&system, get), "");
    // Each its own client: one that has its answer may still be counted for a moment.
    for host in 1..=3 {
        let announced = format!("PROXY TCP4 192.0.2.{host} 127.0.0.1 56324 5000\r\n{get}");
        let answer = answer(&system, &announced);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let told = system.await_text("proxy_header_invalid");
    assert!(told.contains("client=127.0.0.1"), "{told}");
    assert!(system.stop().success());
}

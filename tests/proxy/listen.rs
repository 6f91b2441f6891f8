//! Taking the port.

use std::net::{SocketAddr, TcpListener};

use cloudaps::proxy::{Engine, Settings};

use super::world::{Origin, Proxy, settings, status};

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Engine::bind(address, settings()).unwrap_err();
    assert!(error.is_taken());
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}

#[test]
fn an_engine_does_not_join_another_one_on_its_port() {
    let settings = Settings { threads: 2, ..settings() };
    let first = Engine::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings.clone()).unwrap();
    let error = Engine::bind(first.local_addr(), settings).unwrap_err();
    assert!(error.is_taken());
    drop(first);
}

#[test]
fn every_thread_serves_the_one_port() {
    let origin = Origin::new();
    let settings = Settings { threads: 4, ..settings() };
    let proxy = Proxy::start(settings, &[origin.address()]);
    let serving = std::thread::spawn(move || {
        for _ in 0..40 {
            origin
                .accept()
                .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    for _ in 0..40 {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&client.answer().0), 200);
        assert_eq!(client.rest(), "");
    }
    serving.join().unwrap();
    assert_eq!(proxy.counters().answers[2], 40);
}

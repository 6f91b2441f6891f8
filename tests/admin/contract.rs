//! schemathesis holds the server to its own OpenAPI document.

use std::fs;
use std::net::TcpListener;
use std::thread;

use super::schemathesis::assert_document_is_kept;
use super::system::{Place, System};

/// Not asked for: they end what answers, or never end themselves.
const LEFT_OUT: [&str; 2] = ["/v1/down", "/v1/events"];

#[test]
fn the_server_does_what_its_document_says_and_nothing_else() {
    let place = Place::new();
    // Servers that exist: whatever is ordered, nothing is launched.
    let servers: Vec<String> = (0..2).map(|_| serve()).collect();
    let system = System::up_with(
        &place,
        &["--provider", "static", "--endpoint", &servers[0], "--endpoint", &servers[1]],
    );
    let token = fs::read_to_string(place.state().join("admin.token")).unwrap();
    let authorization = format!("Authorization: Bearer {}", token.trim());
    let mut arguments = vec!["--max-examples", "5", "--header", &authorization];
    arguments.extend(LEFT_OUT.iter().flat_map(|path| ["--exclude-path", path]));
    let document = format!("http://{}/v1/openapi.json", system.admin);
    assert_document_is_kept(&document, &arguments, &place.state());
}

/// A server that answers every request well.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            use std::io::{Read, Write};
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

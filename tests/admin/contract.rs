//! schemathesis holds the server to its own OpenAPI document.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use super::system::{Place, System};
use super::tools::tool;

/// Checks that say that a server should have answered, or answered otherwise, than it says.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,\
                      negative_data_rejection,missing_required_header,unsupported_method,\
                      ignored_auth";

/// Not asked for: they end what answers, or never end themselves.
const LEFT_OUT: [&str; 2] = ["/v1/down", "/v1/events"];

#[test]
fn the_server_does_what_its_document_says_and_nothing_else() {
    let Some(schemathesis) = tool("schemathesis/bin/schemathesis") else { return };
    let place = Place::new();
    // Servers that exist: whatever is ordered, nothing is launched.
    let servers: Vec<String> = (0..2).map(|_| serve()).collect();
    let system = System::up_with(
        &place,
        &["--provider", "static", "--endpoint", &servers[0], "--endpoint", &servers[1]],
    );
    let token = fs::read_to_string(place.state().join("admin.token")).unwrap();
    let mut command = Command::new(schemathesis);
    command.arg("run").arg(format!("http://{}/v1/openapi.json", system.admin));
    command.args(["--checks", CHECKS, "--max-examples", "5", "--seed", "1", "--no-color"]);
    command.args(["--phases", "coverage,fuzzing", "--generation-database", "none"]);
    command.arg("--header").arg(format!("Authorization: Bearer {}", token.trim()));
    for path in LEFT_OUT {
        command.args(["--exclude-path", path]);
    }
    let done = command.current_dir(place.state()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("Tested:") && !said.contains("Tested: 0"), "{said}");
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

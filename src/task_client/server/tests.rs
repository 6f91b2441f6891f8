//! The client's retries, against a service that plays a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use super::*;

/// What the service at the other end does with one request.
#[derive(Clone, Copy)]
enum Script {
    /// Reads it and hangs up.
    HangUp,
    /// Answers with this status and body.
    Answer(&'static str, &'static str),
}

use Script::{Answer as Say, HangUp};

const TASK: &str = r#"{"id":7,"text":"x","done":false,"created":"2026-01-02T03:04:05.678Z",
    "updated":"2026-01-02T03:04:05.678Z"}"#;
const PROBLEM: &str = r#"{"title":"t","status":404,"detail":"there is no task 7"}"#;

/// A service that plays `scripts`, one per connection, and tells what it was sent.
fn service(scripts: &'static [Script]) -> (ServerUrl, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let play =
        move || scripts.iter().map(|script| serve(listener.accept().unwrap().0, *script)).collect();
    (url, thread::spawn(play))
}

fn serve(stream: TcpStream, script: Script) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "{request}");
    }
    let length = header(&request, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if let Say(status, body) = script {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}");
        write!(reader.get_mut(), "{head}\r\n\r\n{body}").unwrap();
    }
    request + std::str::from_utf8(&body).unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let line = |line: &'a str| line.split_once(": ").filter(|it| it.0.eq_ignore_ascii_case(name));
    request.lines().find_map(line).map(|(_, value)| value)
}

fn client(url: ServerUrl) -> Server {
    Server::new(url, Duration::from_secs(10), Box::new(|_, _| {})).unwrap()
}

#[test]
fn an_addition_is_tried_again_with_the_same_key() {
    let (url, service) = service(&[
        HangUp,
        Say("502 Bad Gateway", ""),
        Say("503 Service Unavailable", ""),
        Say("504 Gateway Timeout", ""),
        Say("201 Created", TASK),
    ]);
    assert_eq!(client(url).add("x").unwrap().id, 7);
    let requests = service.join().unwrap();
    let key = header(&requests[0], "idempotency-key").unwrap();
    assert!(key.len() > 32, "{key}");
    assert!(requests.iter().all(|request| header(request, "idempotency-key") == Some(key)));
    assert!(requests.iter().all(|request| request.ends_with("\r\n\r\n{\"text\":\"x\"}")));
}

#[test]
fn two_additions_have_two_keys() {
    let (url, service) = service(&[Say("201 Created", TASK), Say("201 Created", TASK)]);
    let mut client = client(url);
    client.add("x").unwrap();
    client.add("x").unwrap();
    let requests = service.join().unwrap();
    assert_ne!(header(&requests[0], "idempotency-key"), header(&requests[1], "idempotency-key"));
}

#[test]
fn a_removal_whose_answer_was_lost_counts_when_the_task_is_gone() {
    let (url, service) = service(&[HangUp, Say("410 Gone", PROBLEM)]);
    client(url).remove(7).unwrap();
    service.join().unwrap();
}

#[test]
fn a_removal_that_was_never_begun_does_not_count() {
    let (url, service) =
        service(&[Say("503 Service Unavailable", ""), Say("404 Not Found", PROBLEM)]);
    assert!(matches!(client(url).remove(7), Err(Failure::Missing)));
    service.join().unwrap();
}

#[test]
fn patience_ends_and_the_next_request_is_tried_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: ServerUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    // Nobody listens there now.
    drop(listener);
    let notices = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = std::rc::Rc::clone(&notices);
    let notice = move |_: &ServerUrl, _: &str| count.set(count.get() + 1);
    let mut client = Server::new(url, Duration::from_secs(1), Box::new(notice)).unwrap();
    assert!(matches!(client.get(1), Err(Failure::Unreachable { .. })));
    assert!(matches!(client.get(2), Err(Failure::Unreachable { .. })));
    assert_eq!(notices.get(), 1);
}

#[test]
fn an_answer_of_somebody_else_is_told_from_a_missing_task() {
    let (url, service) = service(&[
        Say("404 Not Found", "<html>no such page</html>"),
        Say("200 OK", "hello"),
        Say("301 Moved Permanently", ""),
        Say("404 Not Found", PROBLEM),
        Say("422 Unprocessable Content", PROBLEM),
    ]);
    let mut client = client(url);
    for _ in 0..3 {
        assert!(matches!(client.get(7), Err(Failure::NotATask { .. })));
    }
    assert!(matches!(client.get(7), Err(Failure::Missing)));
    assert!(matches!(client.set(7, ""), Err(Failure::Refused { status: 422, .. })));
    service.join().unwrap();
}

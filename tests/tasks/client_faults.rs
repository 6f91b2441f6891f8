//! The client, with a server that fails in every way it can.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{cloudaps, run, stderr, stdout};

const TASK: &str = r#"{"id":7,"text":"x","done":false,"created":"2026-01-02T03:04:05.678Z",
    "updated":"2026-01-02T03:04:05.678Z"}"#;

/// The most that a client may take of an answer, with what the system keeps on the way.
const TAKEN_MAX: usize = 64 * 1024 * 1024;

/// A server that does to each request what `answer` says, given how many came before; and the
/// requests that it was sent.
fn server(answer: impl Fn(usize, &mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let Some(request) = request(&mut stream) else { continue };
            // The test may be over.
            let _ = sender.send(request);
            answer(number, stream.get_mut());
        }
    });
    (url, requests)
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let line = |line: &'a str| line.split_once(": ").filter(|it| it.0.eq_ignore_ascii_case(name));
    request.lines().find_map(line).map(|(_, value)| value)
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}");
    // The client may have gone.
    let _ = write!(stream, "{head}content-length: {length}\r\n\r\n{body}");
}

fn client(url: &str, arguments: &[&str]) -> Output {
    run(cloudaps(&["task", "--json", "--timeout", "1s", "--server", url]).args(arguments))
}

/// The code of the only failure that was printed.
fn code(output: &Output) -> String {
    let printed: Value = serde_json::from_str(stdout(output)).unwrap();
    let failure = printed.as_array().map_or(&printed, |array| &array[0]);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    failure["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_that_closes_every_connection_is_given_up() {
    let (url, requests) = server(|_, _| {});
    let output = client(&url, &["add", "x"]);
    assert_eq!(code(&output), "unreachable");
    assert!(stderr(&output).contains("no answer from"), "{}", stderr(&output));
    let requests: Vec<String> = requests.try_iter().collect();
    let key = header(&requests[0], "idempotency-key").unwrap();
    assert!(requests.len() > 1, "it was tried once");
    assert!(requests.iter().all(|request| header(request, "idempotency-key") == Some(key)));
}

#[test]
fn nobody_at_the_address_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(code(&client(&url, &["get", "7"])), "unreachable");
}

#[test]
fn a_server_that_recovers_is_waited_for() {
    for busy in ["503 Service Unavailable", "429 Too Many Requests", "502 Bad Gateway"] {
        let (url, requests) = server(move |number, stream| match number {
            0 => say(stream, busy, "retry-after: 0\r\n", ""),
            _ => say(stream, "201 Created", "", TASK),
        });
        let output = client(&url, &["add", "x"]);
        assert!(output.status.success(), "{busy}: {}", stderr(&output));
        assert_eq!(requests.try_iter().count(), 2, "{busy}");
    }
}

#[test]
fn a_day_is_not_waited_for_although_the_server_asks_for_it() {
    let (url, _) =
        server(|_, stream| say(stream, "503 Service Unavailable", "retry-after: 86400\r\n", ""));
    assert_eq!(code(&client(&url, &["list"])), "unreachable");
}

#[test]
fn an_answer_that_never_ends_is_given_up() {
    let (url, _) = server(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    assert_eq!(code(&client(&url, &["get", "7"])), "unreachable");
}

#[test]
fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let (sender, sent) = channel();
    let (url, _) = server(move |_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n[");
        let (blanks, mut count) = (vec![b' '; 64 * 1024], 0);
        while stream.write_all(&blanks).is_ok() {
            count += blanks.len();
        }
        let _ = sender.send(count);
    });
    assert_eq!(code(&client(&url, &["list"])), "not_a_task");
    let sent = sent.recv_timeout(crate::support::DEADLINE).expect("the client hangs up");
    assert!(sent < TAKEN_MAX, "it took {sent} bytes");
}

#[test]
fn what_is_no_task_is_told_and_not_asked_for_again() {
    for (status, body) in [
        ("200 OK", "hello"),
        ("200 OK", "[]"),
        ("200 OK", r#"{"id":"7"}"#),
        ("301 Moved Permanently", ""),
        ("404 Not Found", "<html>"),
        ("500 Internal Server Error", "Traceback"),
    ] {
        let (url, requests) = server(move |_, stream| say(stream, status, "", body));
        assert_eq!(code(&client(&url, &["get", "7"])), "not_a_task", "{status} {body}");
        assert_eq!(requests.try_iter().count(), 1, "{status} {body}");
    }
    let (url, _) = server(|_, stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
    });
    assert_eq!(code(&client(&url, &["get", "7"])), "not_a_task");
}

#[test]
fn the_services_own_words_are_repeated() {
    let problem = json!({ "title": "t", "status": 422, "detail": "the text is empty" });
    let problem = problem.to_string();
    let (url, requests) =
        server(move |_, stream| say(stream, "422 Unprocessable Content", "", &problem));
    let output = client(&url, &["set", "7", ""]);
    assert_eq!(code(&output), "refused");
    assert!(stderr(&output).contains("(422): the text is empty"), "{}", stderr(&output));
    assert_eq!(requests.try_iter().count(), 1);
}

#[test]
fn a_list_that_goes_round_in_circles_ends() {
    let (url, _) = server(|_, stream| {
        let next = "link: </Tarefa/?limit=1000&after=0>; rel=\"next\"\r\n";
        say(stream, "200 OK", next, &format!("[{TASK}]"));
    });
    let output = client(&url, &["list"]);
    let printed: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(printed.as_array().unwrap().last().unwrap()["code"], "not_a_task");
    assert_eq!(output.status.code(), Some(1));
}

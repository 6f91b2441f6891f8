//! The access log: a line for each request, whatever becomes of it and of the file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudaps::pool::Standing;
use cloudaps::proxy::{AccessLog, Hold, Inbound, LogFormat, Settings, Timeouts};
use serde_json::Value;
use tempfile::TempDir;

use super::world::{GET, OK, Origin, POST, Proxy, Wire, first_exchange, settings, status, until};

/// A folder with an access log, and the engine that writes it.
struct Logging {
    dir: TempDir,
    proxy: Proxy,
}

impl Logging {
    fn start(settings: Settings, addresses: &[SocketAddr]) -> Self {
        Self::start_with(settings, addresses, LogFormat::Json)
    }

    fn start_with(settings: Settings, addresses: &[SocketAddr], format: LogFormat) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = AccessLog::open(&dir.path().join("access.log"), format).unwrap();
        Self { dir, proxy: Proxy::start_logging(settings, addresses, log) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("access.log")
    }

    /// The lines, once there are so many.
    fn lines(&self, count: usize) -> Vec<Value> {
        until("the lines are written", || count_lines(&self.path()) >= count);
        let lines = json_lines(&self.path());
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// The one line.
    fn line(&self) -> Value {
        self.lines(1).remove(0)
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// How many lines have come to their end.
fn count_lines(path: &Path) -> usize {
    text(path).matches('\n').count()
}

fn json_lines(path: &Path) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    text(path).lines().map(parse).collect()
}

/// The values of these fields, as an array; a missing one is null.
fn values<const N: usize>(line: &Value, names: [&str; N]) -> Value {
    names.map(|name| line.get(name).cloned().unwrap_or_default()).to_vec().into()
}

#[test]
fn a_line_names_the_trace_that_its_request_belongs_to() {
    let origin = Origin::new();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("Traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    for (headers, expected) in [
        (parent.clone(), serde_json::json!(trace)),
        (parent.repeat(2), serde_json::json!(null)),
        ("Traceparent: 00-1-2-3\r\n".to_owned(), serde_json::json!(null)),
    ] {
        let logging = Logging::start(settings(), &[origin.address()]);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let _ends = first_exchange(&logging.proxy, &origin, &request);
        assert_eq!(logging.line()["trace_id"], expected, "{headers}");
    }
}

#[test]
fn a_line_says_who_asked_what_of_whom_and_what_came_of_it() {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let request = "POST /a/b?c=\"d\" HTTP/1.1\r\nHost: example.org:81\r\n\
                   User-Agent: curl/8 \"x\"\r\nReferer: http://a/\\\r\n\
                   X-Request-Id: id-1\r\nContent-Length: 5\r\n\r\nhello";
    let _ends = first_exchange(&logging.proxy, &origin, request);
    let line = logging.line();
    let names = ["id", "client", "peer", "method", "target", "version", "host", "user_agent"];
    let expected = serde_json::json!([
        "id-1",
        "127.0.0.1",
        null,
        "POST",
        "/a/b?c=\"d\"",
        "1.1",
        "example.org:81",
        "curl/8 \"x\""
    ]);
    assert_eq!(values(&line, names), expected);
    let names = ["referer", "status", "received", "sent", "hold_us", "tries", "reused", "endpoint"];
    let expected = serde_json::json!(["http://a/\\", 200, 5, 2, null, 1, false, "#0"]);
    assert_eq!(values(&line, names), expected);
    assert_eq!(line["address"], origin.address().to_string());
    assert_eq!(values(&line, ["error", "side", "line"]), serde_json::json!([null, null, null]));
    let [connect, first, total] =
        ["connect_us", "first_byte_us", "total_us"].map(|name| line[name].as_u64().unwrap());
    assert!(connect <= first && first <= total, "{line}");
    let time = humantime::parse_rfc3339(line["time"].as_str().unwrap()).unwrap();
    let age = time.elapsed().unwrap();
    assert!(age < Duration::from_secs(60), "{line}");
    let mode = fs::metadata(logging.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "others may read it");
}

#[test]
fn the_next_request_on_the_same_connections_has_a_line_of_its_own() {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let (mut client, mut server) = first_exchange(&logging.proxy, &origin, POST);
    client.send("HEAD /two HTTP/1.1\r\nHost: a\r\n\r\n");
    server.head();
    server.send("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n");
    client.head();
    let lines = logging.lines(2);
    let names = ["method", "target", "status", "received", "sent", "reused", "connect_us"];
    let expected = serde_json::json!(["HEAD", "/two", 404, 0, 0, true, null]);
    assert_eq!(values(&lines[1], names), expected);
    assert_ne!(lines[0]["id"], lines[1]["id"]);
}

#[test]
fn chunks_are_counted_without_their_frames_and_an_absolute_uri_has_a_path() {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let mut client = logging.proxy.client();
    client.send("PUT http://b?q HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    let mut server = origin.accept();
    server.through("0\r\n\r\n");
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.through("hello");
    server.send("1\r\n!\r\n0\r\n\r\n");
    client.through("0\r\n\r\n");
    let names = ["target", "host", "received", "sent"];
    let expected = serde_json::json!(["/?q", "b", 7, 6]);
    assert_eq!(values(&logging.line(), names), expected);
}

#[test]
fn tries_are_counted_and_the_last_one_is_named() {
    let (refusing, _port) = Origin::refusing();
    let origin = Origin::new();
    // Either is picked first by chance: until it is the one that refuses.
    let mut count = 0;
    until("an endpoint was tried in vain first", || {
        let logging = Logging::start(settings(), &[refusing, origin.address()]);
        let _ends = first_exchange(&logging.proxy, &origin, GET);
        let line = logging.line();
        assert_eq!((&line["status"], &line["endpoint"]), (&200.into(), &"#1".into()));
        count += 1;
        line["tries"] == 2
    });
    assert!(count < 100, "it took too many");
}

#[test]
fn a_request_that_waits_says_how_long_it_was_held() {
    let mut logging = Logging::start(settings(), &[]);
    let mut client = logging.proxy.client();
    client.send(GET);
    until("it is held", || logging.proxy.counters().held == 1);
    let origin = Origin::new();
    logging.proxy.add(origin.address());
    origin.accept().send(OK);
    client.answer();
    let line = logging.line();
    let [held, first] = ["hold_us", "first_byte_us"].map(|name| line[name].as_u64().unwrap());
    assert!(0 < held && held <= first, "{line}");
}

#[test]
fn a_request_that_nobody_answers_says_why() {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let mut client = logging.proxy.client();
    client.send(POST);
    let mut server = origin.accept();
    server.head();
    drop(server);
    let (head, body) = client.answer();
    assert_eq!(status(&head), 502);
    let line = logging.line();
    let names = ["status", "side", "error", "received", "sent", "tries", "endpoint"];
    let expected =
        serde_json::json!([502, "server", "connection_terminated", 5, body.len(), 1, "#0"]);
    assert_eq!(values(&line, names), expected);
}

#[test]
fn a_request_that_waited_in_vain_names_its_last_failure() {
    let hold = Hold { timeout: Duration::from_millis(50), ..Hold::default() };
    let (refusing, _port) = Origin::refusing();
    let logging = Logging::start(Settings { hold, ..settings() }, &[refusing]);
    let mut client = logging.proxy.client();
    client.send(GET);
    assert_eq!(status(&client.answer().0), 502);
    let line = logging.line();
    let names = ["status", "side", "error", "endpoint", "connect_us", "first_byte_us"];
    let expected = serde_json::json!([502, "server", "connection_refused", "#0", null, null]);
    assert_eq!(values(&line, names), expected);
    assert!(line["tries"].as_u64() > Some(1) && line["hold_us"].as_u64() > Some(0), "{line}");
}

#[test]
fn what_is_no_request_is_logged_as_far_as_it_came() {
    let timeouts = Timeouts { head: Duration::from_millis(50), ..Timeouts::default() };
    let logging = Logging::start(Settings { timeouts, ..settings() }, &[]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(17_000));
    let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(70_000));
    for (sent, code, line) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "GET / HTTP/1.1"),
        ("\u{1b}[2J\"},{\r\n\r\n", 400, "\u{1b}[2J\"},{"),
        ("GET / HT", 408, "GET / HT"),
        (long.as_str(), 414, &format!("GET /{}...", "x".repeat(123))),
        (wide.as_str(), 431, "GET / HTTP/1.1"),
    ] {
        let seen = text(&logging.path()).lines().count();
        let mut client = logging.proxy.client();
        client.send(sent);
        let (head, body) = client.answer();
        assert_eq!(status(&head), code, "{head}");
        let found = logging.lines(seen + 1).pop().unwrap();
        let names = ["status", "line", "side", "error", "sent", "method", "endpoint"];
        let expected =
            serde_json::json!([code, line, "client", "http_request_error", body.len(), null, null]);
        assert_eq!(values(&found, names), expected);
        assert!(text(&logging.path()).bytes().all(|byte| byte == b'\n' || byte >= b' '));
    }
}

#[test]
fn a_client_that_leaves_before_its_answer_has_no_status() {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let mut client = logging.proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    drop(client);
    let line = logging.line();
    let expected = serde_json::json!([null, "client", "client_gone", 0, "#0"]);
    let names = ["status", "side", "error", "sent", "endpoint"];
    assert_eq!(values(&line, names), expected);
}

#[test]
fn an_answer_that_is_cut_has_its_status_and_what_was_sent_of_it() {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let mut client = logging.proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc");
    client.through("abc");
    drop(server);
    client.rest_or_reset();
    let expected = serde_json::json!([200, "server", "http_response_incomplete", 3]);
    let names = ["status", "side", "error", "sent"];
    assert_eq!(values(&logging.line(), names), expected);
}

#[test]
fn what_is_cut_when_the_drain_ends_is_logged_as_our_doing() {
    let origin = Origin::new();
    let mut logging = Logging::start(settings(), &[origin.address()]);
    let mut client = logging.proxy.client();
    client.send(GET);
    let mut server = origin.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc");
    client.through("abc");
    logging.proxy.drain(Duration::ZERO).join().unwrap();
    // It was flushed before the drain returned.
    let line = json_lines(&logging.path()).pop().unwrap();
    let expected = serde_json::json!([200, "balancer", "balancer_stopped", 3]);
    let names = ["status", "side", "error", "sent"];
    assert_eq!(values(&line, names), expected);
}

/// A tunnel through which four bytes went up and seven down.
fn tunnel() -> (Logging, Wire, Wire) {
    let origin = Origin::new();
    let logging = Logging::start(settings(), &[origin.address()]);
    let mut client = logging.proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    let mut server = origin.accept();
    server.head();
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n";
    server.send(format!("{switch}\r\n"));
    client.head();
    client.send("four");
    server.body(4);
    server.send("seven!!");
    client.body(7);
    assert_eq!(text(&logging.path()), "");
    (logging, client, server)
}

#[test]
fn a_tunnel_is_logged_when_it_ends() {
    let (logging, mut client, mut server) = tunnel();
    client.finish();
    assert_eq!(server.rest(), "");
    server.finish();
    assert_eq!(client.rest(), "");
    let names = ["status", "received", "sent", "side", "error"];
    let expected = serde_json::json!([101, 4, 7, null, null]);
    assert_eq!(values(&logging.line(), names), expected);
}

#[test]
fn a_tunnel_that_is_cut_says_by_whom() {
    let (mut logging, mut client, _server) = tunnel();
    logging.proxy.set_standing(0, Standing::Lost);
    client.rest_or_reset();
    let names = ["status", "received", "sent", "side", "error"];
    let expected = serde_json::json!([101, 4, 7, "server", "connection_terminated"]);
    assert_eq!(values(&logging.line(), names), expected);
    let (mut logging, _client, _server) = tunnel();
    logging.proxy.drain(Duration::ZERO).join().unwrap();
    let expected = serde_json::json!([101, 4, 7, "balancer", "balancer_stopped"]);
    let line = json_lines(&logging.path()).pop().unwrap();
    assert_eq!(values(&line, names), expected);
}

#[test]
fn behind_a_proxy_both_the_client_and_the_proxy_are_named() {
    let origin = Origin::new();
    let trusted_proxies = [IpAddr::from([127, 0, 0, 1]).into()].into_iter().collect();
    let inbound = Inbound { trusted_proxies, ..Inbound::default() };
    let logging = Logging::start(Settings { inbound, ..settings() }, &[origin.address()]);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 2001:db8::1\r\n\r\n";
    let _ends = first_exchange(&logging.proxy, &origin, request);
    let line = logging.line();
    assert_eq!(values(&line, ["client", "peer"]), serde_json::json!(["2001:db8::1", "127.0.0.1"]));
}

#[test]
fn combined_lines_are_what_other_programs_read() {
    let origin = Origin::new();
    let logging = Logging::start_with(settings(), &[origin.address()], LogFormat::Combined);
    let request = "GET /a\"b?c HTTP/1.1\r\nHost: a\r\nUser-Agent: x \"y\" \u{e9}\r\n\r\n";
    let (mut client, _server) = first_exchange(&logging.proxy, &origin, request);
    client.send("nonsense\r\n\r\n");
    assert_eq!(status(&client.answer().0), 400);
    until("the lines are written", || count_lines(&logging.path()) == 2);
    let text = text(&logging.path());
    let [first, second] = [0, 1].map(|at| split_time(text.lines().nth(at).unwrap()));
    let expected = r#"127.0.0.1 - - [] "GET /a\x22b?c HTTP/1.1" 200 2 "-" "x \x22y\x22 \xc3\xa9""#;
    assert_eq!(first, expected);
    assert!(second.starts_with(r#"127.0.0.1 - - [] "nonsense" 400 "#), "{second}");
}

/// The line without its time, which is in the form of `06/Nov/1994:08:49:37 +0000`.
fn split_time(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap();
    let (time, after) = rest.split_once(']').unwrap();
    let shape: String =
        time.chars().map(|each| if each.is_ascii_digit() { '0' } else { each }).collect();
    assert_eq!(shape.replacen(&time[3..6], "Mon", 1), "00/Mon/0000:00:00:00 +0000", "{line}");
    format!("{before}[]{after}")
}

/// Sends `count` requests that are refused, one after the other, each with its number for an id.
fn load(proxy: &Proxy, numbers: std::ops::Range<usize>) {
    let mut client = proxy.client();
    for number in numbers {
        let id = format!("X-Request-Id: n{number}\r\n");
        client.send(format!("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n{id}\r\n"));
        assert_eq!(status(&client.head()), 204);
    }
}

fn ids(paths: &[PathBuf]) -> Vec<String> {
    let lines = paths.iter().flat_map(|path| json_lines(path));
    lines.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rotation_under_load_loses_no_line_and_tears_none() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 1500;
    let mut logging = Logging::start(Settings { threads: 2, ..settings() }, &[]);
    let moved = |number: usize| logging.dir.path().join(format!("access.log.{number}"));
    let mut rotations = 0;
    std::thread::scope(|scope| {
        let proxy = &logging.proxy;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || load(proxy, client * REQUESTS..(client + 1) * REQUESTS))
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            fs::rename(logging.path(), moved(rotations)).unwrap();
            logging.proxy.reopen_log();
            rotations += 1;
            until("the new file is there", || logging.path().exists());
        }
    });
    logging.proxy.drain(Duration::from_secs(5)).join().unwrap();
    assert!(rotations > 1);
    let mut files: Vec<PathBuf> = (0..rotations)
        .map(|number| logging.dir.path().join(format!("access.log.{number}")))
        .collect();
    files.push(logging.path());
    let ids = ids(&files);
    assert_eq!(ids.len(), CLIENTS * REQUESTS);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn a_log_that_cannot_be_opened_anew_goes_on_in_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, moved] = ["folder", "moved"].map(|name| dir.path().join(name));
    fs::create_dir(&folder).unwrap();
    let log = AccessLog::open(&folder.join("access.log"), LogFormat::Json).unwrap();
    let mut proxy = Proxy::start_logging(settings(), &[], log);
    load(&proxy, 0..1);
    fs::rename(&folder, &moved).unwrap();
    proxy.reopen_log();
    load(&proxy, 1..2);
    proxy.drain(Duration::from_secs(5)).join().unwrap();
    assert_eq!(ids(&[moved.join("access.log")]), ["n0", "n1"]);
}

#[test]
fn a_full_disk_costs_lines_and_no_request() {
    let log = AccessLog::open(Path::new("/dev/full"), LogFormat::Json).unwrap();
    let proxy = Proxy::start_logging(settings(), &[], log);
    load(&proxy, 0..500);
    until("they are counted", || proxy.counters().unlogged == 500);
    assert_eq!(proxy.counters().logged, 0);
    assert_eq!(proxy.counters().requests, 500);
}

/// A pipe, and its end that nobody reads yet.
fn pipe(dir: &TempDir) -> (PathBuf, File) {
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK;
    let end = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
    (path, end.into())
}

#[test]
fn a_pipe_that_nobody_reads_blocks_no_request_and_is_written_again_when_somebody_does() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut end) = pipe(&dir);
    let log = AccessLog::open(&path, LogFormat::Json).unwrap();
    let mut proxy = Proxy::start_logging(settings(), &[], log);
    // More than the pipe and the queue hold, while nothing is read.
    let mut number = 0;
    until("lines are dropped", || {
        load(&proxy, number..number + 2000);
        number += 2000;
        proxy.counters().unlogged > 0
    });
    let first_read = number;
    let mut got = Vec::new();
    until("it is written again", || {
        load(&proxy, number..number + 1);
        number += 1;
        drink(&mut end, &mut got);
        let last = got.rsplit(|&byte| byte == b'\n').nth(1).unwrap_or_default();
        number_of(last).is_some_and(|number| number >= first_read)
    });
    let drained = proxy.drain(Duration::from_secs(5));
    until("it ends", || {
        drink(&mut end, &mut got);
        drained.is_finished()
    });
    // Whatever was dropped, what is there is whole.
    let text = String::from_utf8(got).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() < number);
}

/// The number of a line, as [`load`] gave it.
fn number_of(line: &[u8]) -> Option<usize> {
    let line: Value = serde_json::from_slice(line).ok()?;
    line["id"].as_str()?.strip_prefix('n')?.parse().ok()
}

/// Reads what is there.
fn drink(end: &mut File, got: &mut Vec<u8>) {
    let mut block = [0; 65536];
    while let Ok(count) = end.read(&mut block) {
        got.extend_from_slice(&block[..count]);
    }
}

#[test]
fn a_writer_that_is_stuck_does_not_keep_the_engine_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _end) = pipe(&dir);
    let log = AccessLog::open(&path, LogFormat::Json).unwrap();
    let mut proxy = Proxy::start_logging(settings(), &[], log);
    load(&proxy, 0..1000);
    proxy.drain(Duration::from_secs(5)).join().unwrap();
}

#[test]
fn everything_is_written_when_the_engine_ends() {
    let mut logging = Logging::start(Settings { threads: 2, ..settings() }, &[]);
    for client in 0..4 {
        load(&logging.proxy, client * 100..(client + 1) * 100);
    }
    logging.proxy.drain(Duration::from_secs(5)).join().unwrap();
    assert_eq!(ids(&[logging.path()]).len(), 400);
}

#[test]
fn lines_go_to_the_end_of_a_file_that_exists_and_not_into_a_torn_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, "{\"torn").unwrap();
    let log = AccessLog::open(&path, LogFormat::Json).unwrap();
    let mut proxy = Proxy::start_logging(settings(), &[], log);
    load(&proxy, 0..1);
    proxy.drain(Duration::from_secs(5)).join().unwrap();
    let text = text(&path);
    let (torn, line) = text.split_once('\n').unwrap();
    assert_eq!(torn, "{\"torn");
    assert!(serde_json::from_str::<Value>(line).is_ok(), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_is_refused_with_its_name_and_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (unread, end) = pipe(&dir);
    drop(end);
    for (path, reason) in [
        (dir.path().join("no/such/folder.log"), "No such file or directory"),
        (dir.path().to_owned(), "Is a directory"),
        (unread, "No such device or address"),
        (PathBuf::from("-"), "not offered"),
    ] {
        let error = AccessLog::open(&path, LogFormat::Json).unwrap_err();
        let reasons = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(reasons.contains(reason), "{reasons}");
    }
}

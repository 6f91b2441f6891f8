//! Connections that switch to another protocol (RFC 9110 §7.8), WebSocket above all.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use cloudaps::pool::{EndpointId, Standing};
use cloudaps::proxy::{Report, Settings, Timeouts};
use tungstenite::Message;

use super::world::{GET, OK, Origin, Proxy, Wire, field, settings, status};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: echo/2, echo\r\nSec-WebSocket-Key: k\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                      Upgrade: echo\r\nSec-WebSocket-Accept: v\r\n\r\n";

/// A tunnel through the proxy, and both its ends.
fn tunnel(settings: Settings) -> (Proxy, Wire, Wire) {
    let origin = Origin::new();
    let proxy = Proxy::start(settings, &[origin.address()]);
    let mut client = proxy.client();
    client.send(ASK);
    let mut server = origin.accept();
    server.head();
    server.send(SWITCH);
    assert_eq!(status(&client.head()), 101);
    (proxy, client, server)
}

#[test]
fn both_sides_learn_what_they_switch_to() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(ASK);
    let mut server = origin.accept();
    let asked = server.head();
    assert_eq!(field(&asked, "connection"), Some("upgrade"));
    assert_eq!(field(&asked, "upgrade"), Some("echo/2, echo"));
    assert_eq!(field(&asked, "sec-websocket-key"), Some("k"));
    server.send(SWITCH);
    let head = client.head();
    assert_eq!(status(&head), 101);
    assert_eq!(field(&head, "connection"), Some("upgrade"));
    assert_eq!(field(&head, "upgrade"), Some("echo"));
    assert_eq!(field(&head, "sec-websocket-accept"), Some("v"));
    assert_eq!(proxy.counters().answers[1], 1);
}

#[test]
fn bytes_pass_both_ways_and_so_does_each_end() {
    let (proxy, mut client, mut server) = tunnel(settings());
    client.send("\0ping\r\n");
    assert_eq!(server.body(7), "\0ping\r\n");
    server.send("HTTP/1.1 is not spoken here");
    assert_eq!(client.body(27), "HTTP/1.1 is not spoken here");
    client.finish();
    assert_eq!(server.rest(), "");
    server.send("last words");
    assert_eq!(client.body(10), "last words");
    drop(server);
    assert_eq!(client.rest(), "");
    super::world::until("the capacity is returned", || proxy.traffic(0).total() == 0);
}

#[test]
fn what_follows_the_question_waits_for_the_answer() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    client.send(format!("{ASK}early"));
    let mut server = origin.accept();
    server.head();
    // What came along with the answer is the tunnel's, too.
    server.send(format!("{SWITCH}hello"));
    client.head();
    assert_eq!(client.body(5), "hello");
    assert_eq!(server.body(5), "early");
}

#[test]
fn a_refused_switch_stays_http() {
    let origin = Origin::new();
    let proxy = Proxy::start(settings(), &[origin.address()]);
    let mut client = proxy.client();
    // What looks like a smuggled request is the client's next one, and is treated as that.
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nHost: a\r\nConnection: X-Real-IP\r\n\r\n"));
    let mut server = origin.accept();
    assert!(server.head().starts_with("GET /chat "));
    server.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.answer().0), 426);
    let next = server.head();
    assert!(next.starts_with("GET /next HTTP/1.1\r\n"), "{next}");
    assert_eq!(field(&next, "via"), Some("1.1 cloudaps"));
    server.send(OK);
    assert_eq!(client.answer().1, "ok");
}

#[test]
fn only_a_get_of_http_1_1_without_a_body_may_ask() {
    let asking = "Host: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n";
    let questions = [
        format!("GET / HTTP/1.0\r\n{asking}\r\n"),
        format!("HEAD / HTTP/1.1\r\n{asking}\r\n"),
        format!("GET / HTTP/1.1\r\n{asking}Content-Length: 1\r\n\r\nx"),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
            .to_owned(),
        format!("POST / HTTP/1.1\r\n{asking}Content-Length: 0\r\n\r\n"),
    ];
    for question in questions {
        let origin = Origin::new();
        let proxy = Proxy::start(settings(), &[origin.address()]);
        let mut client = proxy.client();
        client.send(&question);
        let mut server = origin.accept();
        let asked = server.head();
        assert_eq!(field(&asked, "upgrade"), None, "{question}");
        assert_eq!(field(&asked, "connection"), None, "{question}");
        assert_eq!(field(&asked, "http2-settings"), None, "{question}");
        // Whoever switches all the same is not believed.
        server.send(SWITCH);
        assert_eq!(status(&client.head()), 502, "{question}");
        assert_eq!(server.rest_or_reset().0, if question.ends_with('x') { "x" } else { "" });
    }
}

#[test]
fn a_switch_that_names_no_protocol_is_not_believed() {
    for switch in [
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.0 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    ] {
        let origin = Origin::new();
        let proxy = Proxy::start(settings(), &[origin.address()]);
        let mut client = proxy.client();
        client.send(ASK);
        let mut server = origin.accept();
        server.head();
        server.send(switch);
        assert_eq!(status(&client.head()), 502, "{switch}");
    }
}

#[test]
fn a_silent_tunnel_ends() {
    let timeouts = Timeouts { tunnel_idle: Duration::from_millis(50), ..Timeouts::default() };
    let (_proxy, mut client, mut server) = tunnel(Settings { timeouts, ..settings() });
    assert_eq!(client.rest_or_reset().0, "");
    assert_eq!(server.rest_or_reset().0, "");
}

#[test]
fn a_half_closed_tunnel_does_not_wait_for_the_idle_limit() {
    let stall = Duration::from_millis(50);
    let timeouts = Timeouts { stall, ..Timeouts::default() };
    let (_proxy, client, mut server) = tunnel(Settings { timeouts, ..settings() });
    client.finish();
    assert_eq!(server.rest_or_reset().0, "");
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    const MOST: usize = 256 << 20;
    let (_proxy, mut client, _server) = tunnel(settings());
    let sent = client.send_until_full(&[7; 65536], MOST);
    // What is under way is in the buffers of the system: the proxy adds one of its own.
    assert!(sent < MOST, "{sent} bytes went to a server that reads nothing");
}

#[test]
fn a_lost_endpoint_ends_its_tunnels_and_a_draining_one_keeps_them() {
    let (mut proxy, mut client, mut server) = tunnel(settings());
    proxy.set_standing(0, Standing::Draining);
    client.send("still here");
    assert_eq!(server.body(10), "still here");
    assert!(proxy.reports().is_empty(), "said to be quiet");
    proxy.set_standing(0, Standing::Lost);
    client.rest_or_reset();
    server.rest_or_reset();
    assert_eq!(
        proxy.report(),
        Report::Quiet { endpoint: EndpointId::new(0), thread: 0 },
        "the capacity was not returned"
    );
}

#[test]
fn a_drain_of_the_engine_cuts_tunnels_at_its_deadline() {
    let (mut proxy, mut client, mut server) = tunnel(settings());
    let drained = proxy.drain(Duration::from_millis(50));
    client.rest_or_reset();
    server.rest_or_reset();
    drained.join().unwrap();
}

#[test]
fn a_websocket_of_a_real_library_echoes_through_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(settings(), &[listener.local_addr().unwrap()]);
    let server = std::thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).unwrap();
            }
        }
    });
    let stream = TcpStream::connect(proxy.address()).unwrap();
    let (mut socket, answer) = tungstenite::client("ws://localhost/chat", stream).unwrap();
    assert_eq!(answer.status(), 101);
    // Small ones, one that takes many reads, and an end that both sides agree on.
    for message in [Message::text("ola"), Message::binary(vec![5; 3 << 20])] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "changed on its way");
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    server.join().unwrap();
}

#[test]
fn a_question_may_go_to_another_endpoint_until_it_is_answered() {
    let [dying, other] = [Origin::new(), Origin::new()];
    let mut proxy = Proxy::start(settings(), &[dying.address()]);
    let mut client = proxy.client();
    client.send(ASK);
    let mut server = dying.accept();
    server.head();
    proxy.add(other.address());
    server.reset();
    let mut server = other.accept();
    assert_eq!(field(&server.head(), "upgrade"), Some("echo/2, echo"));
    server.send(SWITCH);
    assert_eq!(status(&client.head()), 101);
    client.send(GET);
    assert_eq!(server.body(GET.len()), GET);
}

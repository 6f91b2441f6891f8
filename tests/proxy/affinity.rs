//! Which endpoint a client meets: by a key of its requests, or by a cookie of ours.

use std::net::TcpListener;
use std::time::Duration;

use cloudaps::address::Address;
use cloudaps::http1::CookieName;
use cloudaps::pool::{Algorithm, Balance, Secret, Standing};
use cloudaps::proxy::{Affinity, HashOn, Report, Settings};

use super::world::{GET, OK, Origin, Proxy, Wire, field, settings, status, until};

const COOKIE: &str = "srv";

fn balance(algorithm: Algorithm) -> Balance {
    Balance { algorithm, slow_start: Duration::ZERO }
}

fn name(text: &str) -> CookieName {
    text.parse().unwrap()
}

/// An engine that hashes.
fn hashing(on: HashOn, addresses: &[Address]) -> Proxy {
    let affinity = Affinity { hash_on: Some(on), sticky: None };
    let settings = Settings { affinity, threads: 2, ..settings() };
    Proxy::start_balanced(settings, addresses, balance(Algorithm::Hash), None)
}

/// An engine that gives clients a cookie, and takes them in turn.
fn sticking(addresses: &[Address]) -> Proxy {
    let affinity = Affinity { hash_on: None, sticky: Some(name(COOKIE)) };
    let secret = Some(Secret::new(b"a secret of the test"));
    let settings = Settings { affinity, ..settings() };
    Proxy::start_balanced(settings, addresses, balance(Algorithm::RoundRobin), secret)
}

fn addresses(origins: &[Origin]) -> Vec<Address> {
    origins.iter().map(|origin| origin.address().into()).collect()
}

fn origins() -> Vec<Origin> {
    (0..3).map(|_| Origin::new()).collect()
}

/// Sends a request, lets whoever gets it answer, and says who that was, what it got, and the head
/// of the answer.
fn exchange(client: &mut Wire, origins: &[Origin], lines: &str) -> (usize, String, String) {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    let (index, mut server) = accepted(origins);
    let request = server.head();
    server.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    let (head, body) = client.answer();
    assert_eq!((status(&head), body.as_str()), (200, "ok"));
    (index, request, head)
}

/// The one that somebody has connected to, and the connection.
fn accepted(origins: &[Origin]) -> (usize, Wire) {
    let mut found = None;
    until("somebody connects", || {
        found = origins.iter().position(|origin| !origin.is_untouched());
        found.is_some()
    });
    let index = found.unwrap();
    (index, origins[index].accept())
}

/// The cookie that an answer sets, as the client sends it back.
fn given(head: &str) -> Option<String> {
    let cookie = field(head, "set-cookie")?;
    let value = cookie.strip_prefix("srv=")?.strip_suffix("; Path=/; HttpOnly; SameSite=Lax")?;
    assert!(
        value.len() == 22
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    Some(format!("Cookie: srv={value}\r\n"))
}

#[test]
fn one_key_meets_one_endpoint_on_every_connection_and_thread() {
    for (on, line) in [
        (HashOn::Header("X-User".parse().unwrap()), "x-user: alice\r\n"),
        (HashOn::Cookie(name("session")), "Cookie: a=1; session=alice\r\n"),
        (HashOn::Address, ""),
    ] {
        let origins = origins();
        let proxy = hashing(on, &addresses(&origins));
        let first = exchange(&mut proxy.client(), &origins, line).0;
        for _ in 0..10 {
            let (index, request, _) = exchange(&mut proxy.client(), &origins, line);
            assert_eq!(index, first, "{on:?}");
            // A cookie of the application's is not ours to take out.
            assert_eq!(request.contains("session=alice"), line.contains("session"));
        }
    }
}

#[test]
fn different_keys_meet_different_endpoints() {
    let origins = origins();
    let proxy = hashing(HashOn::Header("X-User".parse().unwrap()), &addresses(&origins));
    let mut met = [0; 3];
    for number in 0..30 {
        let line = format!("X-User: user-{number}\r\n");
        met[exchange(&mut proxy.client(), &origins, &line).0] += 1;
    }
    assert!(met.iter().all(|met| *met > 0), "{met:?}");
}

#[test]
fn a_key_whose_endpoint_is_dead_is_answered_by_another_one_always_the_same() {
    let (dead, _port) = Origin::refusing();
    let alive = [Origin::new(), Origin::new()];
    let all = [dead.into(), alive[0].address().into(), alive[1].address().into()];
    let proxy = hashing(HashOn::Header("X-User".parse().unwrap()), &all);
    for number in 0..10 {
        let line = format!("X-User: user-{number}\r\n");
        let first = exchange(&mut proxy.client(), &alive, &line).0;
        assert_eq!(exchange(&mut proxy.client(), &alive, &line).0, first);
    }
}

#[test]
fn a_client_is_given_a_cookie_once_and_stays_with_its_endpoint() {
    let origins = origins();
    let proxy = sticking(&addresses(&origins));
    let mut client = proxy.client();
    let (home, _, head) = exchange(&mut client, &origins, "");
    let cookie = given(&head).expect("a client without a cookie is given one");
    assert!(!head.contains(&origins[home].address().port().to_string()), "{head}");
    for _ in 0..6 {
        let (index, _, head) = exchange(&mut proxy.client(), &origins, &cookie);
        assert_eq!((index, given(&head)), (home, None));
        // Others are still taken in turn.
        exchange(&mut proxy.client(), &origins, "");
    }
}

#[test]
fn the_cookie_stops_at_the_balancer_and_the_others_pass() {
    let origins = origins();
    let proxy = sticking(&addresses(&origins));
    let (home, _, head) = exchange(&mut proxy.client(), &origins, "");
    let ours = given(&head).unwrap();
    let ours = ours.trim_end().strip_prefix("Cookie: ").unwrap();
    let lines = format!("Cookie: a=1; {ours}; b=2\r\n");
    let (index, request, _) = exchange(&mut proxy.client(), &origins, &lines);
    assert_eq!((index, field(&request, "cookie")), (home, Some("a=1; b=2")));
    let (_, request, _) = exchange(&mut proxy.client(), &origins, &format!("Cookie: {ours}\r\n"));
    assert_eq!(field(&request, "cookie"), None, "{request}");
}

#[test]
fn what_is_unknown_or_forged_is_ignored_and_replaced() {
    let origins = origins();
    let proxy = sticking(&addresses(&origins));
    let (_, _, head) = exchange(&mut proxy.client(), &origins, "");
    let good = given(&head).unwrap();
    let forged = Secret::new(b"guessed").token(&origins[0].address().into());
    let forged = format!("Cookie: srv={}\r\n", String::from_utf8_lossy(forged.as_bytes()));
    let cut = good.replace("\r\n", "A\r\n");
    for bad in ["Cookie: srv=\r\n", "Cookie: srv=127.0.0.1:80\r\n", &forged, &cut] {
        let met: Vec<usize> = (0..3)
            .map(|_| {
                let (index, _, head) = exchange(&mut proxy.client(), &origins, bad);
                assert!(given(&head).is_some(), "{bad}: {head}");
                index
            })
            .collect();
        assert!(met.iter().any(|index| *index != met[0]), "{bad} sticks: {met:?}");
    }
}

#[test]
fn a_token_means_the_same_after_a_restart() {
    let origins = origins();
    let (home, _, head) = {
        let proxy = sticking(&addresses(&origins));
        exchange(&mut proxy.client(), &origins, "")
    };
    let cookie = given(&head).unwrap();
    // In another order: nothing depends on an index or an id.
    let mut addresses = addresses(&origins);
    addresses.rotate_left(1);
    let proxy = sticking(&addresses);
    for _ in 0..4 {
        let (index, _, head) = exchange(&mut proxy.client(), &origins, &cookie);
        assert_eq!((index, given(&head)), (home, None));
    }
}

#[test]
fn a_client_of_a_draining_endpoint_moves_and_is_told_so() {
    for standing in [Standing::Draining, Standing::Lost] {
        let origins = origins();
        let mut proxy = sticking(&addresses(&origins));
        let (home, _, head) = exchange(&mut proxy.client(), &origins, "");
        let cookie = given(&head).unwrap();
        proxy.set_standing(home, standing);
        // The thread has taken over the new snapshot when it says so.
        assert!(matches!(proxy.report(), Report::Quiet { .. }));
        let (elsewhere, _, head) = exchange(&mut proxy.client(), &origins, &cookie);
        assert_ne!(elsewhere, home);
        let cookie = given(&head).expect("a client that moves is given a new cookie");
        for _ in 0..3 {
            let (index, _, head) = exchange(&mut proxy.client(), &origins, &cookie);
            assert_eq!((index, given(&head)), (elsewhere, None));
        }
    }
}

#[test]
fn a_client_of_a_dead_endpoint_sees_no_error_and_moves() {
    let stays = Origin::new();
    let (dead, _port) = Origin::refusing();
    let proxy = sticking(&[dead.into(), stays.address().into()]);
    let cookie = Secret::new(b"a secret of the test").token(&dead.into());
    let cookie = format!("Cookie: srv={}\r\n", String::from_utf8_lossy(cookie.as_bytes()));
    let only = [stays];
    for _ in 0..3 {
        let (_, request, head) = exchange(&mut proxy.client(), &only, &cookie);
        assert_eq!(field(&request, "cookie"), None);
        assert_ne!(given(&head), Some(cookie.clone()));
        assert!(given(&head).is_some());
    }
    // What may not be sent twice is saved too: nothing of it was.
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{cookie}Content-Length: 1\r\n\r\nx"));
    let (_, mut server) = accepted(&only);
    server.head();
    server.body(1);
    server.send(OK);
    assert_eq!(status(&client.head()), 200);
}

#[test]
fn a_client_whose_endpoint_resets_the_request_is_answered_by_another() {
    let origins = origins();
    let proxy = sticking(&addresses(&origins));
    let (home, _, head) = exchange(&mut proxy.client(), &origins, "");
    let cookie = given(&head).unwrap();
    let mut client = proxy.client();
    client.send(GET.replace("\r\n\r\n", &format!("\r\n{cookie}\r\n")));
    let mut server = origins[home].accept();
    server.head();
    server.reset();
    let (index, mut server) = accepted(&origins);
    assert_ne!(index, home);
    server.head();
    server.send(OK);
    let (head, _) = client.answer();
    assert_eq!(status(&head), 200);
    assert!(given(&head).is_some_and(|new| new != cookie), "{head}");
}

#[test]
fn an_answer_that_switches_protocols_sets_the_cookie_too() {
    let origins = origins();
    let proxy = sticking(&addresses(&origins));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    let (_, mut server) = accepted(&origins);
    server.head();
    server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    let head = client.head();
    assert_eq!(status(&head), 101);
    assert!(given(&head).is_some(), "{head}");
}

#[test]
fn without_the_setting_no_cookie_is_set_and_none_is_taken_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origins = [Origin::on(listener)];
    let secret = Some(Secret::new(b"a secret of the test"));
    let all = addresses(&origins);
    let proxy = Proxy::start_balanced(settings(), &all, Balance::default(), secret);
    let (_, request, head) = exchange(&mut proxy.client(), &origins, "Cookie: srv=1\r\n");
    assert_eq!(field(&request, "cookie"), Some("srv=1"));
    assert_eq!(field(&head, "set-cookie"), None);
}

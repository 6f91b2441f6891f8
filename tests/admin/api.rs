//! The admin API over the wire: who is let in, what it says of itself, and what it shows.

use std::fs;

use serde_json::Value;
use ureq::http::{Method, Request, Response, header};

use super::system::{DEADLINE, Place, System, run};

/// Sends a request with these headers, whatever they are.
fn send(
    system: &System,
    method: &Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<String> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .proxy(None);
    let agent: ureq::Agent = config.build().into();
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.uri(format!("http://{}{path}", system.admin)).body(()).unwrap();
    let (parts, mut body) = agent.run(request).unwrap().into_parts();
    Response::from_parts(parts, body.read_to_string().unwrap())
}

fn get(system: &System, path: &str) -> Response<String> {
    send(system, &Method::GET, path, &[])
}

fn json(answer: &Response<String>) -> Value {
    serde_json::from_str(answer.body()).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn token(place: &Place) -> String {
    let token = fs::read_to_string(place.state().join("admin.token")).unwrap();
    format!("Bearer {}", token.trim())
}

#[test]
fn a_page_of_another_origin_and_a_name_of_anothers_dns_change_nothing() {
    let place = Place::new();
    let system = System::up(&place);
    let token = token(&place);
    let foreign: [&[(&str, &str)]; 5] = [
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        &[("host", "evil.example:5001")],
    ];
    for headers in foreign {
        let headers: Vec<_> =
            headers.iter().copied().chain([("authorization", token.as_str())]).collect();
        for (method, path) in [(Method::POST, "/v1/pause"), (Method::GET, "/v1/status")] {
            let answer = send(&system, &method, path, &headers);
            assert_eq!(answer.status(), 403, "{method} {headers:?}: {answer:?}");
        }
    }
    assert_eq!(system.status().operation, "active");
    let own = format!("http://{}", system.admin);
    let headers = [("origin", own.as_str()), ("authorization", token.as_str())];
    assert_eq!(send(&system, &Method::POST, "/v1/pause", &headers).status(), 200);
    assert_eq!(system.status().operation, "paused");
}

#[test]
fn a_name_that_the_configuration_allows_is_ours() {
    let place = Place::new();
    let config = place.write("named.toml", "admin_hosts = [\"fleet.example.org\"]\n");
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    for (host, status) in
        [("fleet.example.org", 200), ("FLEET.example.org:443", 200), ("other.example.org", 403)]
    {
        let answer = send(&system, &Method::GET, "/v1/status", &[("host", host)]);
        assert_eq!(answer.status(), status, "{host}: {answer:?}");
    }
}

#[test]
fn every_refusal_is_a_problem_and_every_answer_is_locked_down() {
    let place = Place::new();
    let system = System::up(&place);
    let asked = [
        (Method::GET, "/v1/status", 200),
        (Method::GET, "/v1/status?wait=never", 400),
        (Method::POST, "/v1/pause", 401),
        (Method::GET, "/v1/nowhere", 404),
        (Method::GET, "/v1/pause", 405),
    ];
    for (method, path, status) in asked {
        let answer = send(&system, &method, path, &[]);
        assert_eq!(answer.status(), status, "{method} {path}");
        let headers = answer.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        if status != 200 {
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
            let problem = json(&answer);
            assert_eq!(problem["status"], status, "{problem}");
            assert!(problem["detail"].is_string() && problem["title"].is_string(), "{problem}");
        }
    }
}

#[test]
fn the_document_describes_the_routes_with_what_they_take_and_answer() {
    let place = Place::new();
    let system = System::up(&place);
    let document = json(&get(&system, "/v1/openapi.json"));
    assert_eq!(document["openapi"], "3.1.0");
    for (path, method) in [
        ("/livez", "get"),
        ("/readyz", "get"),
        ("/v1/status", "get"),
        ("/v1/incidents", "get"),
        ("/v1/settings", "get"),
        ("/v1/scale", "post"),
        ("/v1/slots/{slot}/drain", "post"),
        ("/v1/slots/{slot}/replace", "post"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["responses"]["403"]["content"]["application/problem+json"].is_object());
        let is_owners = method == "post";
        let security = operation["security"].as_array().unwrap();
        assert_eq!(security.iter().all(|way| way.get("bearer").is_some()), is_owners, "{path}");
    }
    // It is only there with --allow-chaos, and so is its description.
    assert!(document["paths"]["/v1/chaos"].is_null());
}

#[test]
fn it_lives_at_once_and_is_ready_when_somebody_serves() {
    let place = Place::new();
    let config = place.write("none.toml", "instances = 0\n");
    let system = System::up_with(&place, &["-c", config.to_str().unwrap()]);
    assert_eq!(get(&system, "/livez").status(), 200);
    let refused = get(&system, "/readyz");
    assert_eq!(refused.status(), 503, "{refused:?}");
    assert!(place.operate(&["scale", "1"]).status.success());
    system.await_status("serving", |status| status.instances.serving == 1);
    assert_eq!(get(&system, "/readyz").status(), 200);
}

#[test]
fn the_settings_are_shown_as_they_hold_and_without_secrets() {
    let place = Place::new();
    let config = place.write(
        "secret.toml",
        "[instance]\ncommand = [\"python3\", \"-m\", \"http.server\", \"{port}\", \
         \"--bind\", \"127.0.0.1\", \"--directory\", \"postgres://me:s3cret@db/x\"]\n",
    );
    let system = System::up_with(&place, &["-c", config.to_str().unwrap(), "--instances", "1"]);
    let answer = get(&system, "/v1/settings");
    assert!(!answer.body().contains("s3cret"), "{answer:?}");
    let settings = json(&answer);
    let of = |key: &str| {
        let found = settings.as_array().unwrap().iter().find(|setting| setting["key"] == key);
        found.unwrap_or_else(|| panic!("no {key}: {settings}")).clone()
    };
    assert!(of("instance.command")["value"].as_str().unwrap().contains("postgres://me:***@db/x"));
    assert_eq!(
        (&of("instances")["value"], &of("instances")["is_default"]),
        (&"1".into(), &false.into())
    );
    assert_eq!(of("probe.interval")["is_default"], true);
}

#[test]
fn a_token_is_told_from_another() {
    let place = Place::new();
    let system = System::up(&place);
    let token = token(&place);
    for (shown, may_change) in [(token.as_str(), true), ("Bearer wrong", false)] {
        let answer = send(&system, &Method::GET, "/v1/access", &[("authorization", shown)]);
        assert_eq!(json(&answer)["may_change"], may_change, "{answer:?}");
    }
}

#[test]
fn it_does_not_listen_where_others_can_reach_it_unless_the_risk_is_named() {
    let place = Place::new();
    let state = place.state();
    for address in ["0.0.0.0:5001", "192.0.2.1:5001", "[::]:5001"] {
        let refused = run(&["up", "--admin", address, "--state-dir", state.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{said}");
        for word in [address, "does not encrypt", "127.0.0.1:5001", "--admin-exposed-unencrypted"] {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
        let config = place.write("exposed.toml", &format!("admin = \"{address}\"\n"));
        let config = config.to_str().unwrap();
        assert_eq!(run(&["check", "-c", config]).status.code(), Some(64));
        let accepted = format!("admin = \"{address}\"\nadmin_exposed_unencrypted = true\n");
        place.write("exposed.toml", &accepted);
        assert_eq!(run(&["check", "-c", config]).status.code(), Some(0));
    }
}

#[test]
fn a_probe_and_a_generation_are_shown_of_each_instance() {
    let place = Place::new();
    let system = System::up(&place);
    let before = system.await_complete();
    for row in &before.slots {
        let occupant = row.occupant.as_ref().unwrap();
        let probe = occupant.last_probe.as_ref().unwrap();
        assert_eq!((occupant.generation, probe.finding.as_str()), (1, "well"), "{row:?}");
    }
    let killed = super::system::pid_in(&before, "instance-1");
    super::system::signal(killed, rustix::process::Signal::KILL);
    let after = system.await_status("replaced", |status| {
        let row =
            status.slots.iter().find(|row| row.slot == "instance-1" && row.state == "serving");
        row.is_some_and(|row| row.occupant.as_ref().is_some_and(|of| of.pid != Some(killed)))
    });
    let of = |slot: &str| {
        let rows = after.slots.iter().filter(|row| row.slot == slot && row.state == "serving");
        rows.filter_map(|row| row.occupant.as_ref()).map(|of| of.generation).collect::<Vec<_>>()
    };
    assert_eq!((of("instance-1"), of("instance-0")), (vec![2], vec![1]));
}

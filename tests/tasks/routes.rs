//! Every route, and every way to use one wrongly.

use serde_json::json;

use crate::support::{Answer, JSON, Service, on_both_stores};

/// Headers, body, the status of the answer, and what it says.
type Refused<'a> = (&'a str, &'a str, u16, &'a str);

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

on_both_stores! {
    it_says_that_it_is_up,
    a_task_is_added_read_changed_and_removed_under_every_name_of_the_resource,
    a_task_that_was_received_can_be_sent_back,
    a_change_leaves_alone_what_it_does_not_name,
    what_curl_sends_without_a_content_type_of_its_own_is_understood,
    a_body_that_is_no_task_is_refused_with_what_is_allowed,
    the_longest_text_fits_however_it_is_written,
    a_body_that_is_too_long_is_refused_before_it_is_read,
    a_form_names_the_task_that_it_changes,
    what_is_not_there_is_not_found,
    a_method_that_is_not_allowed_is_told_which_are,
    a_list_comes_in_pages,
    a_page_of_long_texts_is_shorter,
    a_key_adds_one_task_however_often_it_is_sent,
    a_problem_names_the_field_and_what_is_allowed_there,
    a_change_is_made_only_in_the_state_that_it_is_meant_for,
    a_state_that_is_known_is_not_sent_again,
    a_list_can_be_searched,
    it_describes_itself,
}

/// The answer is a problem that says all of `words`.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    let detail = problem["detail"].as_str().unwrap();
    assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
}

fn it_says_that_it_is_up(service: &Service) {
    for path in ["/", "/healthcheck/", "/healthcheck"] {
        let answer = service.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (200, "200"), "{path}");
        assert_eq!(service.ask("HEAD", path, "", "").status, 200, "{path}");
    }
    // Whoever asks for JSON gets the same: `/` is the health check of load balancers.
    assert_eq!(service.ask("GET", "/", "Accept: application/json\r\n", "").body, "200");
}

fn a_task_is_added_read_changed_and_removed_under_every_name_of_the_resource(service: &Service) {
    for (id, (list, end)) in (1..).zip([
        ("/Tarefa/", ""),
        ("/Tarefa", "/"),
        ("/tasks/", "/"),
        ("/tasks", ""),
        ("/", ""),
        ("/", "/"),
    ]) {
        let one = format!("{}/{id}{end}", list.trim_end_matches('/'));
        let name = if list.starts_with("/tasks") { "/tasks" } else { "/Tarefa" };
        let added = service.ask("POST", list, JSON, r#"{"text":"comprar pão"}"#);
        assert_eq!((added.status, added.header("location")), (201, Some(&*format!("{name}/{id}"))));
        let created = added.json()["created"].as_str().unwrap().to_owned();
        assert!(humantime::parse_rfc3339(&created).is_ok(), "{created}");
        let task = json!({
            "id": id, "text": "comprar pão", "done": false, "created": created, "updated": created,
        });
        assert_eq!(added.json(), task);
        assert_eq!(service.get(&one).json(), task);

        let changed = service.ask("PUT", &one, JSON, r#"{"text":"feito"}"#);
        assert_eq!((changed.status, &changed.json()["text"]), (200, &json!("feito")));
        assert_eq!(service.get(&one).json(), changed.json());

        let removed = service.ask("DELETE", &one, "", "");
        assert_eq!((removed.status, removed.body.as_str()), (204, ""));
        let gone = format!("task {id} was removed");
        assert_problem(&service.get(&one), 410, &[&gone]);
        assert_problem(&service.ask("DELETE", &one, "", ""), 410, &[&gone]);
        for method in ["PUT", "PATCH"] {
            let answer = service.ask(method, &one, JSON, r#"{"text":"x"}"#);
            assert_problem(&answer, 410, &[&gone]);
        }
    }
}

fn a_task_that_was_received_can_be_sent_back(service: &Service) {
    service.add("x");
    let task = service.get("/Tarefa/1").body.replace("\"x\"", "\"y\"").replace("false", "true");
    let answer = service.ask("PUT", "/Tarefa/1", JSON, &task).json();
    assert_eq!((&answer["text"], &answer["done"]), (&json!("y"), &json!(true)));
}

fn a_change_leaves_alone_what_it_does_not_name(service: &Service) {
    service.add("x");
    let change = |method, body| {
        let task = service.ask(method, "/Tarefa/1", JSON, body).json();
        (task["text"].as_str().unwrap().to_owned(), task["done"].as_bool().unwrap())
    };
    assert_eq!(change("PATCH", r#"{"done":true}"#), ("x".into(), true));
    assert_eq!(change("PATCH", r#"{"text":"y"}"#), ("y".into(), true));
    assert_eq!(change("PUT", r#"{"text":"z"}"#), ("z".into(), true));
    assert_eq!(change("PATCH", "{}"), ("z".into(), true));
    assert_eq!(change("PUT", r#"{"text":"z","done":false}"#), ("z".into(), false));
    let task = service.get("/Tarefa/1").json();
    assert!(task["updated"].as_str() >= task["created"].as_str(), "{task}");
    let answer = service.ask("PUT", "/Tarefa/1", JSON, r#"{"done":true}"#);
    assert_problem(&answer, 422, &["`text` is missing"]);
}

fn what_curl_sends_without_a_content_type_of_its_own_is_understood(service: &Service) {
    for (headers, body) in
        [(FORM, r#"{"value":"a & b"}"#), (FORM, "value=a+%26+b"), ("", r#" {"value":"a & b"}"#)]
    {
        let answer = service.ask("POST", "/Tarefa/", headers, body);
        assert_eq!(answer.json()["text"], "a & b", "{body}");
    }
    assert_eq!(service.ask("PUT", "/Tarefa/1", FORM, "value=c").json()["text"], "c");
}

fn a_body_that_is_no_task_is_refused_with_what_is_allowed(service: &Service) {
    service.add("kept");
    let long = json!({ "value": "x".repeat(65_537) }).to_string();
    let cases: &[Refused<'_>] = &[
        (JSON, "", 400, "{\"text\": \"TEXT\""),
        (JSON, "{\"value\":", 400, "{\"text\": \"TEXT\""),
        (JSON, "value=x", 400, "{\"text\": \"TEXT\""),
        (JSON, "{}", 422, "`text` is missing"),
        (JSON, "{\"value\":7}", 422, "`text` is a number"),
        (JSON, "{\"text\":null}", 422, "`text` is null"),
        (JSON, "{\"text\":\"x\",\"done\":\"yes\"}", 422, "allowed are true and false"),
        (JSON, "[\"x\"]", 422, "{\"text\": \"TEXT\""),
        (JSON, "{\"value\":\"\\ud800\"}", 400, "{\"text\": \"TEXT\""),
        (JSON, "{\"value\":\"\"}", 422, "1 to 65536 bytes"),
        (JSON, "{\"value\":\" \\n\"}", 422, "1 to 65536 bytes"),
        (JSON, "{\"value\":\"a\\u0000\"}", 422, "U+0000"),
        (JSON, &long, 422, "65537 bytes"),
        (JSON, "\"no colon\"", 422, "value\":TEXT"),
        (JSON, "\"value\\\":\"", 422, "1 to 65536 bytes"),
        (FORM, "a=b&c=d", 422, "%26"),
        (FORM, "x", 422, "text=TEXT"),
        (FORM, "value=%FF", 400, "UTF-8"),
        ("", "", 422, "`text` is missing"),
        ("Content-Type: text/plain\r\n", "x", 415, "application/json"),
        ("Content-Type: multipart/form-data; boundary=x\r\n", "x", 415, "application/json"),
    ];
    for (headers, body, status, words) in cases {
        for (method, path) in [("POST", "/"), ("POST", "/Tarefa/"), ("PUT", "/1")] {
            let answer = service.ask(method, path, headers, body);
            assert_problem(&answer, *status, &[words]);
        }
    }
    assert_eq!(service.values(), ["kept"]);
}

fn the_longest_text_fits_however_it_is_written(service: &Service) {
    let escaped = format!("{{\"value\":\"{}\"}}", "\\u0041".repeat(65_536));
    let answer = service.ask("POST", "/Tarefa/", JSON, &escaped);
    assert_eq!(answer.json()["text"], "A".repeat(65_536));
}

fn a_body_that_is_too_long_is_refused_before_it_is_read(service: &Service) {
    let headers = format!("{JSON}Content-Length: 1000000000\r\nConnection: close\r\n\r\n");
    let head = format!("POST /Tarefa/ HTTP/1.1\r\nHost: tasks\r\n{headers}");
    let answer = crate::support::exchange(service.address, head.as_bytes());
    assert_problem(&answer, 413, &["394240 bytes"]);
}

fn a_form_names_the_task_that_it_changes(service: &Service) {
    service.add("one");
    let answer = service.ask("PUT", "/Tarefa/1", FORM, "2=x");
    assert_problem(&answer, 422, &["`1=TEXT`", "`text=TEXT`"]);
    assert_eq!(service.values(), ["one"]);
}

fn what_is_not_there_is_not_found(service: &Service) {
    for id in ["0", "1", "9223372036854775807"] {
        assert_problem(&service.get(&format!("/Tarefa/{id}")), 404, &["there is no task", id]);
    }
    for id in ["abc", "-1", "+1", "1.5", "9223372036854775808", "%20", "favicon.ico"] {
        assert_problem(&service.get(&format!("/Tarefa/{id}")), 404, &["whole numbers"]);
        assert_problem(&service.get(&format!("/{id}")), 404, &["whole numbers"]);
    }
    for path in ["/Tarefa/1/x", "/a/b", "/a/b/"] {
        assert_problem(&service.get(path), 404, &["/Tarefa/ID"]);
    }
    assert_eq!(service.get("/Tarefa/%FF").status, 400);
}

fn a_method_that_is_not_allowed_is_told_which_are(service: &Service) {
    for (paths, refused, allowed) in [
        (&["/", "/Tarefa", "/Tarefa/"][..], &["PUT", "DELETE", "PATCH"][..], "GET,HEAD,POST"),
        (
            &["/1", "/1/", "/Tarefa/1", "/Tarefa/1/"],
            &["POST", "OPTIONS"],
            "GET,HEAD,PUT,PATCH,DELETE",
        ),
        (&["/healthcheck", "/healthcheck/"], &["POST", "DELETE", "OPTIONS"], "GET,HEAD"),
    ] {
        for (path, method) in paths.iter().flat_map(|path| refused.iter().map(move |it| (path, it)))
        {
            let answer = service.ask(method, path, "", "");
            assert_problem(&answer, 405, &[method, path]);
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        }
    }
}

fn a_list_comes_in_pages(service: &Service) {
    assert_eq!(
        (service.get("/Tarefa/").body.as_str(), service.get("/Tarefa/").next_page()),
        ("[]", None)
    );
    for number in 1..=7 {
        service.add(&number.to_string());
    }
    service.ask("DELETE", "/Tarefa/3", "", "");
    let first = service.get("/Tarefa/?limit=3");
    let ids = |answer: &Answer| -> Vec<i64> {
        answer.json().as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(&first), [1, 2, 4]);
    let second = service.get(&first.next_page().unwrap());
    assert_eq!((ids(&second), second.next_page()), (vec![5, 6, 7], None));
    assert_eq!(ids(&service.get("/Tarefa?after=6")), [7]);
    assert_eq!(ids(&service.get("/Tarefa/?after=9223372036854775807")), Vec::<i64>::new());

    for query in ["limit=0", "limit=1001", "limit=x", "limit=-1"] {
        assert_problem(&service.get(&format!("/Tarefa/?{query}")), 400, &[query, "1 to 1000"]);
    }
    assert_problem(&service.get("/Tarefa/?after=x"), 400, &["after=x", "whole numbers"]);
    assert_problem(
        &service.get("/Tarefa/?limt=5"),
        400,
        &["`limt`", "`limit`, `after` and `search`"],
    );
}

fn a_page_of_long_texts_is_shorter(service: &Service) {
    for _ in 0..20 {
        service.add(&"x".repeat(65_536));
    }
    let page = service.get("/Tarefa/?limit=20");
    assert_eq!(page.json().as_array().unwrap().len(), 16, "1 MiB of texts");
    assert!(page.next_page().is_some());
    assert_eq!(service.values().len(), 20);
}

fn a_key_adds_one_task_however_often_it_is_sent(service: &Service) {
    let add = |key: &str, value: &str| {
        let headers = format!("{JSON}Idempotency-Key: {key}\r\n");
        service.ask("POST", "/Tarefa/", &headers, &json!({ "value": value }).to_string())
    };
    let first = add("\"k-1\"", "x");
    let again = add("\"k-1\"", "x");
    assert_eq!((again.status, again.header("location")), (201, Some("/Tarefa/1")));
    assert_eq!(first.json(), again.json());
    assert_eq!(add("k-2", "x").json()["id"], 2);
    assert_problem(&add("k-2", "y"), 422, &["another task"]);

    // The text as it is now, although the key was sent with the one before.
    service.ask("PUT", "/Tarefa/2", JSON, r#"{"value":"z"}"#);
    assert_eq!(add("k-2", "x").json()["text"], "z");
    service.ask("DELETE", "/Tarefa/2", "", "");
    assert_problem(&add("k-2", "x"), 410, &["task 2", "removed"]);
    assert_eq!(service.values(), ["x"]);

    for key in ["", "a b", &"k".repeat(256), "a\r\nIdempotency-Key: b"] {
        assert_problem(&add(key, "x"), 400, &["1 to 255 visible ASCII"]);
    }
}

fn a_problem_names_the_field_and_what_is_allowed_there(service: &Service) {
    let post = |headers: &str, body: &str| service.ask("POST", "/Tarefa/", headers, body).json();
    let keyed = |key: &str| format!("{JSON}Idempotency-Key: {key}\r\n");
    for (problem, field, allowed) in [
        (post(JSON, "{}"), "text", "are 1 to 65536 bytes"),
        (post(JSON, r#"{"text":" "}"#), "text", "are 1 to 65536 bytes"),
        (post(JSON, r#"{"text":"x","done":1}"#), "done", "are true and false"),
        (post(JSON, "["), "body", "is {"),
        (post("Content-Type: text/plain\r\n", "x"), "Content-Type", "are application/json"),
        (post(&keyed("a b"), r#"{"text":"x"}"#), "Idempotency-Key", "are 1 to 255 visible"),
        (service.get("/Tarefa/x").json(), "id", "are whole numbers"),
        (service.get("/Tarefa/?limit=0").json(), "limit", "are whole numbers from 1 to 1000"),
        (service.get("/Tarefa/?after=-1").json(), "after", "are whole numbers"),
        (service.get("/Tarefa/?search=").json(), "search", "are 1 to 1024 bytes"),
    ] {
        assert_eq!((&problem["type"], &problem["field"]), (&json!("about:blank"), &json!(field)));
        let said = problem["allowed"].as_str().unwrap();
        assert!(said.starts_with(allowed), "{problem}");
        assert!(problem["detail"].as_str().unwrap().ends_with(said), "{problem}");
    }
}

fn a_change_is_made_only_in_the_state_that_it_is_meant_for(service: &Service) {
    service.add("x");
    let tag = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    let send = |method: &str, tag: &str, body: &str| {
        service.ask(method, "/Tarefa/1", &format!("{JSON}If-Match: {tag}\r\n"), body)
    };
    let first = tag(&service.get("/Tarefa/1"));
    let changed = send("PUT", &first, r#"{"text":"y"}"#);
    assert_eq!(changed.status, 200);
    let second = tag(&changed);
    assert_eq!((first != second, tag(&service.get("/Tarefa/1"))), (true, second.clone()));
    for (method, body) in
        [("PUT", r#"{"text":"z"}"#), ("PATCH", r#"{"done":true}"#), ("DELETE", "")]
    {
        assert_problem(&send(method, &first, body), 412, &[&second]);
        assert_problem(&send(method, &format!("W/{second}"), body), 412, &["has changed since"]);
        assert_problem(&send(method, "x", body), 400, &["`x` is not the tag", "ETag"]);
    }
    assert_eq!(send("PATCH", &format!("{first}, {second}"), r#"{"done":true}"#).status, 200);
    assert_eq!(send("PATCH", "*", r#"{"done":false}"#).status, 200);
    assert_eq!(send("DELETE", "*", "").status, 204);
    assert_problem(&send("DELETE", "*", ""), 410, &["task 1"]);
    assert_problem(&send("PUT", &second, r#"{"text":"z"}"#), 410, &["task 1"]);
}

fn a_state_that_is_known_is_not_sent_again(service: &Service) {
    service.add("x");
    let tag = service.get("/Tarefa/1").header("etag").unwrap().to_owned();
    let ask =
        |tags: &str| service.ask("GET", "/tasks/1", &format!("If-None-Match: {tags}\r\n"), "");
    for tags in [tag.clone(), format!("\"a\", W/{tag}"), "*".to_owned()] {
        let answer = ask(&tags);
        assert_eq!((answer.status, answer.body.as_str()), (304, ""), "{tags}");
        assert_eq!(answer.header("etag"), Some(&*tag));
    }
    service.ask("PATCH", "/Tarefa/1", JSON, r#"{"done":true}"#);
    assert_eq!(ask(&tag).json()["done"], true);
}

fn a_list_can_be_searched(service: &Service) {
    for text in ["comprar Pão", "leite", "PÃO de queijo", "pao", "100% & mais"] {
        service.add(text);
    }
    let found = |query: &str| -> (Vec<i64>, Option<String>) {
        let answer = service.get(&format!("/tasks?{query}"));
        let tasks = answer.json();
        let ids = tasks.as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap());
        (ids.collect(), answer.next_page())
    };
    assert_eq!(found("search=p%C3%A3o"), (vec![1, 3], None));
    assert_eq!(found("search=nada"), (vec![], None));
    assert_eq!(found("search=100%25+%26"), (vec![5], None));
    let (first, next) = found("search=P%C3%83O&limit=1");
    assert_eq!(first, [1]);
    let next = next.unwrap();
    assert!(next.starts_with("/tasks/?"), "{next}");
    assert_eq!(found(next.split_once('?').unwrap().1).0, [3]);
}

fn it_describes_itself(service: &Service) {
    let document = service.get("/openapi.json").json();
    assert_eq!(
        (&document["openapi"], &document["info"]["title"]),
        (&json!("3.1.0"), &json!("CloudAPS tasks"))
    );
    let page = service.get("/docs");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.contains("Idempotency-Key"));
}

//! Tasks in PostgreSQL: who may be there, what is said when nobody is, and what a crash costs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::certificates::certify;
use crate::postgres::{self, Postgres};
use crate::support::{
    ANY, JSON, Service, assert_full_disk_loses_nothing, cloudaps, run, stderr, until,
};

#[track_caller]
fn assert_refused(store: &str, words: &[&str]) {
    let output = run(&mut cloudaps(&["tasks", "--listen", ANY, "--store", store]));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_password_is_not_shown() {
    let Some(postgres) = Postgres::start() else { return };
    let store = postgres.url().replace("cloudaps@", "cloudaps:s3cret@");
    let line = Service::over(&store).line.clone();
    assert!(line.ends_with(&format!("store {}\n", postgres.url())), "{line}");
    assert_refused(
        &store.replace("/tasks", "/elsewhere"),
        &["cloudaps@", "\"elsewhere\" does not"],
    );
}

#[test]
fn tables_that_are_not_ours_or_newer_are_left_as_they_are() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.sql("CREATE SCHEMA cloudaps; CREATE TABLE cloudaps.task (x int)");
    assert_refused(&postgres.url(), &["`cloudaps`", "not of tasks"]);
    postgres.sql("DROP SCHEMA cloudaps CASCADE");
    Service::over(&postgres.url()).kill();
    postgres.sql("UPDATE cloudaps.version SET version = 99");
    assert_refused(&postgres.url(), &["version 99"]);
}

#[test]
fn many_services_make_the_tables_once_and_share_one_order() {
    let Some(postgres) = Postgres::start() else { return };
    let services: Vec<Service> = thread::scope(|scope| {
        let start = || scope.spawn(|| Service::over(&postgres.url()));
        let starts: Vec<_> = (0..3).map(|_| start()).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    thread::scope(|scope| {
        for (name, service) in services.iter().enumerate() {
            for writer in 0..4 {
                scope.spawn(move || {
                    let ids =
                        (0..10).map(|number| service.add(&format!("{name}-{writer}-{number}")));
                    // What is added later has a greater number, wherever it was added.
                    assert!(ids.collect::<Vec<_>>().is_sorted());
                });
            }
        }
    });
    let lists: Vec<String> =
        services.iter().map(|service| service.get("/Tarefa/?limit=1000").body.clone()).collect();
    assert!(lists.iter().all(|list| *list == lists[0]));
    let tasks: serde_json::Value = serde_json::from_str(&lists[0]).unwrap();
    let ids = tasks.as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), (1..=120).collect::<Vec<_>>(), "no number is left out");
}

#[test]
fn a_database_that_crashes_is_used_again_when_it_is_back() {
    let Some(mut postgres) = Postgres::start_with(&[]) else { return };
    let service = Service::over(&postgres.url());
    assert_eq!(service.add("before"), 1);
    postgres.crash();

    let add = || service.ask("POST", "/", JSON, r#"{"text":"after"}"#);
    let answer = until("the loss is noticed", || Some(add()).filter(|answer| answer.status == 503));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("database"), "{answer:?}");
    assert_eq!(service.get("/Tarefa/").status, 503);
    assert_eq!(service.get("/healthcheck/").status, 503);
    assert_eq!(service.get("/").status, 200, "the service itself is well");

    postgres.restart();
    until("it can be written again", || (add().status == 201).then_some(()));
    assert_eq!(service.get("/healthcheck/").status, 200);
    assert_eq!(service.values(), ["before", "after"], "what was refused was not done");
}

#[test]
fn a_database_that_comes_later_is_waited_for() {
    let Some(mut postgres) = Postgres::start() else { return };
    postgres.crash();
    let url = postgres.url();
    let service = thread::spawn(move || Service::over(&url));
    postgres.restart();
    assert_eq!(service.join().unwrap().add("x"), 1);
}

#[test]
fn over_tls_only_a_database_with_a_good_certificate_is_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    if !["good", "other"].into_iter().all(|name| certify(folder.path(), name)) {
        return;
    }
    postgres::give(&folder.path().join("good-server.key"));
    let at = |name: &str| folder.path().join(name).display().to_string();
    let [certificate, key] = [
        format!("ssl_cert_file={}", at("good-server.pem")),
        format!("ssl_key_file={}", at("good-server.key")),
    ];
    let Some(postgres) = Postgres::start_with(&["ssl=on", &certificate, &key]) else { return };
    let url = |host: &str, ca: &str| {
        postgres.url().replace("127.0.0.1", host) + "?sslrootcert=" + &at(ca)
    };
    let service = Service::over(&url("localhost", "good.pem"));
    service.add("secret");
    let encrypted = "SELECT bool_and(s.ssl) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a
                     USING (pid) WHERE a.application_name = 'cloudaps'";
    assert_eq!(postgres.sql(encrypted), "t");
    assert_refused(&url("localhost", "other.pem"), &["certificate"]);
    assert_refused(&url("127.0.0.1", "good.pem"), &["certificate"]);
    assert_refused(&url("localhost", "nothing.pem"), &["nothing.pem"]);
    assert_refused(&url("localhost", "good.ext"), &["no certificate in", "good.ext"]);
}

#[test]
fn a_full_disk_under_the_database_refuses_writes_until_there_is_room() {
    let Some(postgres) = Postgres::start_with_disk("1m") else { return };
    let service = Service::over(&postgres.url());
    postgres.sql("ALTER TABLE cloudaps.task SET TABLESPACE disk");
    // Too short to be stored elsewhere or compressed.
    let (length, because) = (1_900, "No space left on device");
    assert_full_disk_loses_nothing(&service, (length, because), || postgres.resize_disk("64m"));
}

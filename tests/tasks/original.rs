//! The original's own client works unchanged.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Answer, JSON, Service, exchange};

/// What python-requests 2.34 sent for the calls of the original's client, recorded from a socket.
const ADD: &[u8] = include_bytes!("../fixtures/original_client/adicionar.http");
const ADD_ACCENTS: &[u8] = include_bytes!("../fixtures/original_client/adicionar_acentos.http");
const LIST: &[u8] = include_bytes!("../fixtures/original_client/listar.http");
const GET: &[u8] = include_bytes!("../fixtures/original_client/buscar.http");
const SET: &[u8] = include_bytes!("../fixtures/original_client/atualizar.http");
const REMOVE: &[u8] = include_bytes!("../fixtures/original_client/apagar.http");

/// Plays the recording at `base` instead of `/`.
fn play(service: &Service, base: &str, recorded: &[u8]) -> Answer {
    let text = std::str::from_utf8(recorded).unwrap();
    let moved = text.replacen(" /", &format!(" {base}"), 1);
    exchange(service.address, moved.as_bytes())
}

#[test]
fn the_recorded_requests_are_understood_byte_for_byte() {
    for base in ["/", "/Tarefa/"] {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(folder.path());
        let added = play(&service, base, ADD);
        assert_eq!((added.status, &added.json()["text"]), (201, &json!("comprar pao")));
        let added = play(&service, base, ADD_ACCENTS);
        assert_eq!((added.status, &added.json()["text"]), (201, &json!("pão: \"café\" às 8:30")));

        assert_eq!(play(&service, base, LIST).status, 200);
        let got = play(&service, base, GET);
        assert_eq!((got.status, &got.json()["text"]), (200, &json!("comprar pao")));
        assert_eq!(play(&service, base, SET).status, 200);
        assert_eq!(service.get("/Tarefa/1").json()["text"], "comprar pão & leite = 2");
        assert_eq!(play(&service, base, REMOVE).status, 204);
        assert_eq!(play(&service, base, GET).status, 410);
        assert_eq!(service.values(), ["pão: \"café\" às 8:30"]);
    }
}

#[test]
fn the_originals_string_loses_nothing_after_its_second_colon() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let answer = service.ask("POST", "/", JSON, r#""value\":às 8:30: pão""#);
    assert_eq!(answer.json()["text"], "às 8:30: pão");
}

#[test]
fn the_originals_library_gets_along_with_the_service() {
    let has_library = Command::new("python3").args(["-c", "import requests"]).output();
    if !has_library.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: it needs python3 with the package `requests`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/original_client/tarefa.py");
    for (base, ids) in [("/", ["1", "2"]), ("/Tarefa/", ["3", "4"])] {
        let mut client = Command::new("python3")
            .args([script, &format!("{}{base}", service.url())])
            .env("PYTHONUTF8", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut calls = client.stdin.take().unwrap();
        let mut statuses = BufReader::new(client.stdout.take().unwrap()).lines();
        let mut tarefa = |call: &[&str]| {
            writeln!(calls, "{}", call.join("\t")).unwrap();
            statuses.next().expect("the script goes on").unwrap()
        };
        assert_eq!(tarefa(&["adicionar", "pão: 2 & 3"]), "201");
        assert_eq!(tarefa(&["adicionar", "leite"]), "201");
        assert_eq!(service.values(), ["pão: 2 & 3", "leite"]);
        assert_eq!(tarefa(&["listar"]), "200");
        assert_eq!(tarefa(&["buscar", ids[0]]), "200");
        assert_eq!(tarefa(&["atualizar", ids[0], "a=b & ção"]), "200");
        assert_eq!(service.values(), ["a=b & ção", "leite"]);
        assert_eq!(tarefa(&["apagar", ids[0]]), "204");
        assert_eq!(tarefa(&["apagar", ids[1]]), "204");
        assert_eq!(tarefa(&["buscar", ids[0]]), "410");
        drop(calls);
        assert!(client.wait().unwrap().success());
    }
}

//! `cloudaps tarefa` and `cloudaps task`.

use std::process::Output;
use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Service, cloudaps, run, stderr, stdout};

/// What is typed, the exit code, and what is printed where.
type Case = (&'static [&'static str], i32, &'static str, &'static str);

fn client(service: &Service, arguments: &[&str]) -> Output {
    run(cloudaps(arguments).args(["--server", &service.url()]))
}

/// What the client printed, without the times and the widths of the columns.
fn words(output: &Output) -> String {
    let is_time = |word: &&str| word.len() > 7 && word.starts_with("20") && word.contains('-');
    let is_hour = |word: &&str| word.len() == 8 && word.matches(':').count() == 2;
    let line = |line: &str| {
        let words = line.split_whitespace().filter(|word| !is_time(word) && !is_hour(word));
        words.collect::<Vec<_>>().join(" ")
    };
    stdout(output).lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_verbs_speak_the_language_of_the_command() {
    let portuguese: &[Case] = &[
        (&["tarefa", "listar"], 0, "nenhuma tarefa", ""),
        (
            &["tarefa", "adicionar", "pão", "café com leite"],
            0,
            "tarefa 1 adicionada: pão\ntarefa 2 adicionada: café com leite",
            "",
        ),
        (&["tarefa", "listar"], 0, "ID CRIADA EM TAREFA\n1 pão\n2 café com leite", ""),
        (&["tarefa", "atualizar", "1", "broa"], 0, "tarefa 1 atualizada: broa", ""),
        (&["tarefa", "buscar", "1"], 0, "ID CRIADA EM TAREFA\n1 broa", ""),
        (&["tarefa", "buscar", "9"], 1, "", "cloudaps tarefa: 9: não existe\n"),
        (
            &["tarefa", "apagar", "1", "9", "2"],
            1,
            "tarefa 1 apagada\ntarefa 2 apagada",
            "cloudaps tarefa: 9: não existe\ncloudaps tarefa: 2 de 3 feitas\n",
        ),
    ];
    let english: &[Case] = &[
        (&["task", "list"], 0, "no tasks", ""),
        (&["task", "add", "bread", "milk"], 0, "added task 3: bread\nadded task 4: milk", ""),
        (&["task", "list"], 0, "ID CREATED AT TASK\n3 bread\n4 milk", ""),
        (&["task", "set", "3", "bun"], 0, "updated task 3: bun", ""),
        (&["task", "get", "3"], 0, "ID CREATED AT TASK\n3 bun", ""),
        (&["task", "set", "9", "x"], 1, "", "cloudaps task: 9: does not exist\n"),
        (
            &["task", "rm", "9", "3"],
            1,
            "removed task 3",
            "cloudaps task: 9: does not exist\ncloudaps task: 1 of 2 done\n",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    for (arguments, code, out, err) in portuguese.iter().chain(english) {
        let output = client(&service, arguments);
        assert_eq!(
            (output.status.code(), words(&output).as_str(), stderr(&output)),
            (Some(*code), *out, *err),
            "{arguments:?}"
        );
    }
}

#[test]
fn one_value_that_fails_does_not_keep_the_others_from_being_tried() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let output = client(&service, &["task", "add", "--json", "a", "", "b", "c"]);
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_str(stdout(&output)).unwrap();
    let values: Vec<_> = printed.as_array().unwrap().iter().map(|it| &it["text"]).collect();
    assert_eq!(values, ["a", "", "b", "c"]);
    assert!(printed[1]["error"].as_str().unwrap().contains("1 to 65536 bytes"));
    let said = stderr(&output);
    assert!(said.contains("\"\": the server refused (422)") && said.contains("3 of 4"), "{said}");
    assert_eq!(service.values(), ["a", "b", "c"]);
}

#[test]
fn json_is_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let printed = |arguments: &[&str]| -> Value {
        serde_json::from_str(stdout(&client(&service, arguments))).unwrap()
    };
    assert_eq!(printed(&["tarefa", "listar", "--json"]), json!([]));
    let added = printed(&["tarefa", "--json", "adicionar", "a\nb", "c"]);
    assert_eq!((&added[0]["text"], &added[1]["id"]), (&json!("a\nb"), &json!(2)));
    assert_eq!(printed(&["task", "list", "--json"]), added);
    assert_eq!(printed(&["task", "get", "1", "--json"]), added[0]);
    assert_eq!(
        printed(&["task", "get", "9", "--json"]),
        json!({"id": 9, "code": "missing", "error": "does not exist"})
    );
    assert_eq!(printed(&["task", "set", "1", "x", "--json"])["text"], "x");
    let removed =
        json!([{"id": 1, "removed": true}, {"id": 9, "code": "missing", "error": "não existe"}]);
    assert_eq!(printed(&["tarefa", "apagar", "1", "9", "--json"]), removed);
}

#[test]
fn a_list_of_many_pages_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let connection = Connection::open(folder.path().join("tasks.db")).unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
                INSERT INTO task (text, created_at) SELECT 't' || i, 0 FROM n";
    assert_eq!(connection.execute(many, []).unwrap(), 2500);
    let output = client(&service, &["task", "list", "--json"]);
    let printed: Vec<Value> = serde_json::from_str(stdout(&output)).unwrap();
    let values: Vec<_> = printed.iter().map(|task| task["text"].as_str().unwrap()).collect();
    let expected: Vec<_> = (1..=2500).map(|number| format!("t{number}")).collect();
    assert_eq!(values, expected);

    let output = client(&service, &["tarefa", "listar"]);
    assert_eq!(stdout(&output).lines().count(), 2501, "one header");
    let column = |line: &str| line.find(" 1970-01-01 00:00:00  t");
    assert!(stdout(&output).lines().skip(1).all(|line| column(line) == Some(8)), "they line up");
}

#[test]
fn a_server_that_is_none_is_bad_usage() {
    for server in ["ftp://127.0.0.1", "127.0.0.1:5000", "http://", "http://127.0.0.1:5000/x"] {
        for (command, verb, words) in
            [("tarefa", "listar", "não é um servidor"), ("task", "list", "is not a server")]
        {
            let output = run(&mut cloudaps(&[command, verb, "--server", server]));
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(64), "{said}");
            assert!(said.contains(&format!("`{server}` {words}")), "{said}");
            assert!(said.contains("http://HOST:PORT"), "{said}");
        }
    }
    for arguments in [&["tarefa"][..], &["tarefa", "adicionar"], &["task", "get", "x"]] {
        assert_eq!(run(&mut cloudaps(arguments)).status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn values_are_added_once_each_while_the_service_is_killed_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let (address, url) = (service.address, service.url());
    let values: Vec<String> = (0..300).map(|number| format!("v{number}")).collect();
    let add = {
        let values = values.clone();
        thread::spawn(move || run(cloudaps(&["task", "add", "--server", &url]).args(values)))
    };
    let mut service = service;
    for answered in [20, 120, 220] {
        crate::support::until("tasks are added", || {
            (service.values().len() >= answered).then_some(())
        });
        service.kill();
        service = Service::start_at(folder.path(), address);
    }
    let output = add.join().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), values.len());
    assert_eq!(service.values(), values);
}

//! What the client reads from the standard input and writes to a terminal, and in which language.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Service, cloudaps, run, stderr, stdout};

/// Runs a program in a terminal of so many columns, and prints what it wrote there.
const TERMINAL: &str = "\
import fcntl, os, pty, struct, sys, termios

size = struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0)
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.execv(sys.argv[2], sys.argv[2:])
while True:
    try:
        written = os.read(terminal, 65536)
    except OSError:
        break
    if not written:
        break
    sys.stdout.buffer.write(written)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// What the client writes to a terminal of so many columns, without what moves the cursor.
fn on_terminal(service: &Service, columns: u32, arguments: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL, &columns.to_string(), env!("CARGO_BIN_EXE_cloudaps")]);
    command.args(arguments).args(["--server", &service.url()]);
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG", "CLOUDAPS_SERVER"] {
        command.env_remove(variable);
    }
    let output = run(&mut command);
    assert!(output.status.success(), "{}", stderr(&output));
    without_escapes(stdout(&output))
}

fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // A sequence ends with a letter.
            '\u{1b}' => drop(characters.find(char::is_ascii_alphabetic)),
            _ => plain.push(character),
        }
    }
    plain
}

/// Columns that a text takes: two for each of the wide characters of this test.
fn width(text: &str) -> usize {
    text.chars().map(|character| if character > '\u{2e80}' { 2 } else { 1 }).sum()
}

fn with_input(service: &Service, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = cloudaps(arguments);
    command.args(["--server", &service.url()]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn the_table_fits_the_terminal_whatever_its_characters() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let texts = ["日本語の長い長い題名".repeat(20), "palavra ".repeat(40), "x".repeat(300)];
    for text in &texts {
        service.add(text);
    }
    for columns in [24, 40, 80, 200] {
        let shown = on_terminal(&service, columns, &["task", "list"]);
        let widest = shown.lines().map(|line| width(line.trim_end())).max().unwrap();
        assert!(widest <= columns as usize, "{widest} of {columns} columns:\n{shown}");
        let letters =
            |text: &str| text.chars().filter(|of| "日本語の長い題名x".contains(*of)).count();
        let all: usize = texts.iter().map(|text| letters(text)).sum();
        assert_eq!(letters(&shown), all, "something is missing in {columns} columns:\n{shown}");
    }
}

#[test]
fn several_values_show_how_far_it_is_only_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let shown = on_terminal(&service, 60, &["task", "add", "a", "b", "c"]);
    for line in ["added task 1: a", "added task 2: b", "added task 3: c"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(shown.contains("/3"), "no progress: {shown}");
    let output = run(cloudaps(&["task", "add", "d", "e"]).args(["--server", &service.url()]));
    assert_eq!(stdout(&output), "added task 4: d\nadded task 5: e\n");
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_standard_input_gives_a_value_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let added =
        with_input(&service, &["tarefa", "adicionar", "um", "-", "quatro"], b"dois\n\ntres\r\n");
    assert!(added.status.success(), "{}", stderr(&added));
    assert_eq!(service.values(), ["um", "dois", "tres", "quatro"]);
    let removed = with_input(&service, &["task", "rm", "--json", "-"], b"1\nx\n4\n");
    assert_eq!(removed.status.code(), Some(1));
    let printed: Value = serde_json::from_str(stdout(&removed)).unwrap();
    assert_eq!((&printed[0]["id"], &printed[2]["removed"]), (&1.into(), &true.into()));
    assert_eq!((&printed[1]["text"], &printed[1]["code"]), (&"x".into(), &"not_an_id".into()));
    assert_eq!(service.values(), ["dois", "tres"]);
    let set = with_input(&service, &["task", "set", "2", "-"], b"duas\nlinhas\n");
    assert!(set.status.success(), "{}", stderr(&set));
    assert_eq!(service.values(), ["duas\nlinhas", "tres"]);
}

#[test]
fn a_line_that_cannot_be_a_task_does_not_keep_the_others_from_being_added() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let input = [b"a\n\xff\n", "x".repeat(2 << 20).as_bytes(), b"\nb\n"].concat();
    let output = with_input(&service, &["task", "add", "-"], &input);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for text in ["no text in UTF-8", "too long: allowed is up to 1 MiB", "2 of 4 done"] {
        assert!(said.contains(text), "{said}");
    }
    assert_eq!(service.values(), ["a", "b"]);
}

#[test]
fn a_locale_of_either_language_decides_what_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    let say = |verb: [&str; 2], locales: &[(&str, &str)]| {
        let mut command = cloudaps(&verb);
        command.args(["--server", &service.url()]).envs(locales.iter().copied());
        stdout(&run(&mut command)).trim().to_owned()
    };
    let (portuguese, english) = ("nenhuma tarefa", "no tasks");
    for (locales, in_tarefa, in_task) in [
        (&[][..], portuguese, english),
        (&[("LANG", "C.UTF-8")], portuguese, english),
        (&[("LANG", "en_US.UTF-8")], english, english),
        (&[("LANG", "pt_BR.UTF-8")], portuguese, portuguese),
        (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "pt_BR")], portuguese, portuguese),
        (&[("LC_ALL", "en"), ("LC_MESSAGES", "pt_BR"), ("LANG", "pt_BR")], english, english),
        (&[("LC_ALL", ""), ("LANG", "pt_PT")], portuguese, portuguese),
    ] {
        assert_eq!(say(["tarefa", "listar"], locales), in_tarefa, "{locales:?}");
        assert_eq!(say(["task", "list"], locales), in_task, "{locales:?}");
    }
}

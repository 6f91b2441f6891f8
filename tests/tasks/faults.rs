//! What the store stands on fails: the disk is full, the file may not be written or is damaged,
//! the database takes no writes. What was answered is kept, what was refused was not done.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use crate::postgres::Postgres;
use crate::support::{
    ANY, JSON, Service, assert_full_disk_loses_nothing, run, serve, stderr, until,
};

/// A command that runs in a mount namespace of its own, where `folder` is a disk of `size`, after
/// `setup`. `None`, and said why, where that needs more rights than the test has.
fn on_a_disk(folder: &Path, size: &str, setup: &str, service: &Command) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make a small disk");
        return None;
    }
    let mount = format!("mount -t tmpfs -o size={size} tmpfs '{}'", folder.display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &format!("{mount}; {setup}\nexec \"$@\""), "sh"]);
    command.arg(service.get_program()).args(service.get_args());
    Some(command)
}

/// The folder as the service sees it.
fn seen_by(service: &Service, folder: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", service.pid()));
    root.join(folder.strip_prefix("/").unwrap())
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_what_was_answered_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let serve = serve(&folder.path().join("tasks.db"), ANY);
    let Some(mut command) = on_a_disk(folder.path(), "2m", "", &serve) else { return };
    let service = Service::spawn(&mut command);
    assert_full_disk_loses_nothing(&service, (20_000, "full"), || {
        assert_eq!(integrity(&seen_by(&service, folder.path())), "ok");
        let remount = format!("mount -o remount,size=64m '{}'", folder.path().display());
        let pid = service.pid().to_string();
        let mut enlarge = Command::new("nsenter");
        enlarge.args(["-t", &pid, "-m", "sh", "-ec", &remount]);
        assert!(enlarge.status().unwrap().success());
    });
}

#[test]
fn a_disk_that_may_only_be_read_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let serve = serve(&folder.path().join("tasks.db"), ANY);
    let read_only = format!("mount -o remount,ro '{}'", folder.path().display());
    let Some(mut command) = on_a_disk(folder.path(), "2m", &read_only, &serve) else { return };
    let output = run(&mut command);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("tasks.db") && said.contains("Read-only file system"), "{said}");
}

#[test]
fn a_damaged_file_is_refused_and_a_backup_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let [file, backup] = ["tasks.db", "backup.db"].map(|name| folder.path().join(name));
    let service = Service::start(folder.path());
    for number in 0..200 {
        service.add(&format!("{number} {}", "x".repeat(500)));
    }
    let kept = service.values();
    let store = format!("sqlite://{}", file.display());
    let verb = |words: &[&str]| {
        let output =
            run(crate::support::cloudaps(&["tasks"]).args(words).args(["--store", &store]));
        (output.status.code(), stderr(&output).to_owned())
    };
    assert_eq!(verb(&["backup", backup.to_str().unwrap()]).0, Some(0));
    service.stop();
    damage(&file);

    let before = fs::read(&file).unwrap();
    let output = run(&mut serve(&file, ANY));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(["tasks.db is damaged", "tasks restore"].iter().all(|it| said.contains(it)), "{said}");
    assert!(fs::read(&file).unwrap() == before, "it was left as it was");

    fs::rename(&file, folder.path().join("damaged.db")).unwrap();
    assert_eq!(verb(&["restore", backup.to_str().unwrap()]), (Some(0), String::new()));
    assert_eq!(Service::start(folder.path()).values(), kept);
}

/// Overwrites a page in the middle.
fn damage(file: &Path) {
    let mut file = fs::File::options().read(true).write(true).open(file).unwrap();
    let mut header = [0; 18];
    file.read_exact(&mut header).unwrap();
    let page = u64::from(u16::from_be_bytes([header[16], header[17]]));
    let pages = file.metadata().unwrap().len() / page;
    file.seek(SeekFrom::Start(pages / 2 * page)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(page).unwrap()]).unwrap();
}

/// What SQLite finds in a copy of the tasks in `folder`.
fn integrity(folder: &Path) -> String {
    let copy = tempfile::tempdir().unwrap();
    for name in ["tasks.db", "tasks.db-wal"] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    let connection = Connection::open(copy.path().join("tasks.db")).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_database_that_takes_no_writes_refuses_them_until_it_does() {
    let Some(postgres) = Postgres::start() else { return };
    let service = Service::over(&postgres.url());
    service.add("kept");
    let read_only = |setting: &str| {
        postgres
            .sql(&format!("ALTER DATABASE tasks SET default_transaction_read_only = {setting}"));
        // It is for new connections.
        postgres.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'cloudaps'",
        );
    };
    read_only("on");
    let add = || service.ask("POST", "/", JSON, r#"{"text":"x"}"#);
    let refusal = until("a write is refused", || Some(add()).filter(|it| it.status != 201));
    assert_eq!((refusal.status, refusal.header("retry-after")), (503, Some("1")), "{refusal:?}");
    postgres.sql(
        "BEGIN READ WRITE; ALTER DATABASE tasks SET default_transaction_read_only = off; COMMIT",
    );
    until("a write is taken", || (add().status == 201).then_some(()));
    let values = service.values();
    assert_eq!(values.first().map(String::as_str), Some("kept"));
    assert_eq!(values.iter().filter(|text| *text == "x").count(), values.len() - 1);
}

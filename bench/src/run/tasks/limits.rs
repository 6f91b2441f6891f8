//! What the stores can do by themselves: a loop over SQLite, and pgbench.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use rusqlite::Connection;

use crate::clock::Moment;

/// What is written: the row of a task.
const INSERT: &str = "INSERT INTO bench_task (text, done, version, created_at, updated_at) \
                      VALUES ('comprar pão e leite', false, 1, 0, 0)";
const SELECT: &str =
    "SELECT id, text, done, version, created_at, updated_at FROM bench_task WHERE id = 1";

/// Statements a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) writes: f64,
    pub(super) reads: f64,
}

/// One connection that commits each row with the service's own sync setting, and then reads.
pub(super) fn sqlite(file: &Path, span: Duration) -> anyhow::Result<Limit> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE bench_task (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL,
         done INTEGER NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL,
         updated_at INTEGER NOT NULL) STRICT",
    )?;
    let mut insert = connection.prepare(INSERT)?;
    let writes = rate(span, || insert.execute([]).map(drop))?;
    let mut select = connection.prepare(SELECT)?;
    let reads = rate(span, || select.query_row([], |row| row.get::<_, String>(1)).map(drop))?;
    Ok(Limit { writes, reads })
}

fn rate(span: Duration, mut act: impl FnMut() -> rusqlite::Result<()>) -> anyhow::Result<f64> {
    let (began, mut count) = (Moment::now(), 0_u32);
    let end = began.after(span);
    while Moment::now() < end {
        act()?;
        count += 1;
    }
    let seconds = Duration::from_nanos(Moment::now().nanos_since(began)).as_secs_f64();
    Ok(f64::from(count) / seconds)
}

/// `pgbench` with as many clients, prepared statements, and the same two statements.
pub(super) fn postgres(
    pgbench: &Path,
    port: u16,
    clients: u32,
    span: Duration,
    dir: &Path,
) -> anyhow::Result<Limit> {
    let run = |name: &str, sql: &str| -> anyhow::Result<f64> {
        let file = dir.join(name);
        std::fs::write(&file, format!("{sql};\n"))?;
        let mut command = Command::new(pgbench);
        command.args(["-h", "127.0.0.1", "-U", "cloudaps", "-p", &port.to_string(), "-n"]);
        command.args(["-M", "prepared", "-j", "2", "-c", &clients.to_string()]);
        command.args(["-T", &span.as_secs().max(1).to_string(), "-f"]).arg(&file).arg("tasks");
        let output = command.output().context("pgbench cannot be run")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench: {complaint}");
        let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        rate.with_context(|| format!("pgbench said no tps: {said}"))
    };
    Ok(Limit { writes: run("insert.sql", INSERT)?, reads: run("select.sql", SELECT)? })
}

/// The table that `pgbench` writes to.
pub(super) const TABLE: &str = "
    CREATE TABLE bench_task (id bigserial PRIMARY KEY, text text NOT NULL, done boolean NOT NULL,
    version bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL)";

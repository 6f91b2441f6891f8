//! Durable writes and reads of tasks: beside what the stores can do by themselves, beside Flask,
//! and with a thousand times as many tasks.

mod limits;
#[path = "../../../../tests/support/postgres.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "it is the tests' own; a panic is the report")]
mod postgres;
mod scan;
mod subject;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

use self::limits::Limit;
use self::postgres::Postgres;
use self::subject::{Engine, Running, Server};
use super::children::{Child, Core, Output, words};
use super::grid::{Grid, number};
use super::kept::Kept;
use super::stand::{arguments, folder};
use super::subject::Programs;
use super::{PAGE, machine, procfs};
use crate::cli::{ERRORS_MAX, Exchange, LoadArgs, TasksArgs};
use crate::load::{Report, STARTED, STOPPED};

/// Clients, each of which asks again when it has its answer.
const CLIENTS: u32 = 64;

/// Clients of the comparison by size, few enough that what is measured is a request and no queue.
const FEW_CLIENTS: u32 = 4;

/// Tasks of the small store.
const FEW: u64 = 1_000;

/// How long filling a store may take.
const FILL_MS: u64 = 30 * 60 * 1_000;

const READING: &str = "\
`POST /tasks/` and `GET /tasks/500` over 64 connections, each of which asks again when it has its
answer. Every write that counts was answered, and is on the disk. Nothing is pinned: the service,
its database and the clients share the two cores, and so do pgbench and PostgreSQL.

- **limit** is what the store does without a service. For SQLite it is a loop over one connection
  that commits each row, with the same settings (WAL, `synchronous=FULL`); for PostgreSQL it is
  `pgbench` with as many clients, prepared statements and the same two statements.
- **× limit** compares with that: above 1, the group commit makes up for more than the service
  costs.
- **flask** is `bench/flask/app.py`: Flask and SQLAlchemy under gunicorn with 5 processes of 16
  threads, and SQLite or PostgreSQL as SQLAlchemy opens them.
- In the table by size 4 connections ask, after as many tasks were added; **listing all** follows
  the links from the first page to the last, 1,000 tasks a page, and looks at the resident memory of
  the service after each page.
";

/// Measures, and writes the section of the page.
pub(crate) fn run(args: &TasksArgs) -> anyhow::Result<()> {
    super::raise_descriptors();
    let programs = Programs::new(args.cloudaps.as_deref())?;
    let dir = folder(programs.bench.parent().context("this program is in no folder")?)?;
    let bench = Bench { args, programs: &programs, dir: dir.path() };
    let mut text = format!("## Tasks\n\nWritten by `{}`.\n\n{READING}\n", command());
    let mut notes = Vec::new();
    text += &format!("{}\n", bench.throughput(&mut notes)?);
    text += &format!("{}\n", bench.sizes(&mut notes)?);
    for note in notes {
        text += &format!("- {note}\n");
    }
    for (name, value) in machine::facts(&programs).into_iter().take(6) {
        text += &format!("- {name}: {value}\n");
    }
    println!("{text}");
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(PAGE));
    let page = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, Kept::Tasks.replace(&page, &text))
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    format!("just bench-tasks {}", arguments.join(" ")).trim_end().to_owned()
}

struct Bench<'a> {
    args: &'a TasksArgs,
    programs: &'a Programs,
    dir: &'a Path,
}

/// A database of its own for each measurement; ended when dropped.
struct Database {
    url: String,
    server: Option<Postgres>,
    _dir: tempfile::TempDir,
}

impl Bench<'_> {
    fn span(&self) -> Duration {
        Duration::from_secs(self.args.seconds.get().into())
    }

    /// A new, empty one. `None`: PostgreSQL is not installed.
    fn database(&self, engine: Engine) -> anyhow::Result<Option<Database>> {
        let dir = tempfile::tempdir_in(self.dir)?;
        Ok(match engine {
            Engine::Sqlite => {
                let url = format!("sqlite://{}", dir.path().join("tasks.db").display());
                Some(Database { url, server: None, _dir: dir })
            }
            Engine::Postgres => Postgres::start_with(&[]).map(|server| Database {
                url: server.url(),
                server: Some(server),
                _dir: dir,
            }),
        })
    }

    /// Writes and reads a second: the limit of each store, the service, and Flask.
    fn throughput(&self, notes: &mut Vec<String>) -> anyhow::Result<Grid> {
        let mut grid = Grid::new([
            "subject", "writes/s", "p99 ms", "× limit", "reads/s", "p99 ms", "× limit", "errors",
        ]);
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let Some(limit) = self.limit(engine)? else {
                notes.push(format!("left out: {engine}: it is not installed"));
                continue;
            };
            let none = || "–".to_owned();
            let (writes, reads) = (number(limit.writes, 0), number(limit.reads, 0));
            let name = format!("{engine}: limit");
            grid.row([name, writes, none(), none(), reads, none(), none(), none()]);
            for (server, name) in [(Server::Cloudaps, "cloudaps"), (Server::Flask, "flask")] {
                match self.rates(server, engine) {
                    Ok(rates) => grid.row(rates.cells(format!("{engine}: {name}"), limit)),
                    Err(error) => notes.push(format!("left out: {engine}: {name}: {error:#}")),
                }
            }
        }
        Ok(grid)
    }

    fn limit(&self, engine: Engine) -> anyhow::Result<Option<Limit>> {
        let Some(database) = self.database(engine)? else { return Ok(None) };
        let limit = match &database.server {
            None => limits::sqlite(&self.dir.join("limit.db"), self.span())?,
            Some(server) => {
                server.sql(limits::TABLE);
                let pgbench = server.program("pgbench");
                limits::postgres(&pgbench, server.port, CLIENTS, self.span(), self.dir)?
            }
        };
        Ok(Some(limit))
    }

    fn rates(&self, server: Server, engine: Engine) -> anyhow::Result<Rates> {
        let database = self.database(engine)?.context("it is not installed")?;
        let running = Running::start(server, &database.url, self.args, self.programs, self.dir)?;
        // What is read has to be there.
        self.ask(&running, Exchange::AddTask, FEW_CLIENTS, Some(FEW))?;
        let writes = self.ask(&running, Exchange::AddTask, CLIENTS, None)?;
        let reads = self.ask(&running, Exchange::ShowTask, CLIENTS, None)?;
        Ok(Rates { writes, reads })
    }

    /// What one request takes among few tasks and among many.
    fn sizes(&self, notes: &mut Vec<String>) -> anyhow::Result<Grid> {
        let mut grid = Grid::new([
            "store",
            "tasks",
            "list p99 ms",
            "get p99 ms",
            "put p99 ms",
            "RSS MiB",
            "listing all MiB",
        ]);
        for engine in [Engine::Sqlite, Engine::Postgres] {
            for tasks in [FEW, self.args.many.get().into()] {
                match self.size(engine, tasks) {
                    Ok(cells) => grid.row(cells),
                    Err(error) => notes.push(format!("left out: {engine}, {tasks}: {error:#}")),
                }
            }
        }
        Ok(grid)
    }

    fn size(&self, engine: Engine, tasks: u64) -> anyhow::Result<[String; 7]> {
        let database = self.database(engine)?.context("it is not installed")?;
        let server = Server::Cloudaps;
        let running = Running::start(server, &database.url, self.args, self.programs, self.dir)?;
        self.ask(&running, Exchange::AddTask, CLIENTS, Some(tasks))?;
        let before = procfs::resident_bytes(&[running.child.id()]);
        let p99 = |exchange| {
            let report = self.ask(&running, exchange, FEW_CLIENTS, None)?;
            anyhow::Ok(number(report.p99_us / 1e3, 3))
        };
        let (list, show, replace) =
            (p99(Exchange::ListTasks)?, p99(Exchange::ShowTask)?, p99(Exchange::ReplaceTask)?);
        let scan = scan::everything(running.address, running.child.id())?;
        ensure!(scan.pages >= tasks / 1_000, "the list ended after {} pages", scan.pages);
        let count = number(to_float(tasks), 0);
        let memory =
            [before, scan.resident_bytes].map(|bytes| number(to_float(bytes >> 10) / 1024.0, 1));
        let [before, after] = memory;
        Ok([engine.to_string(), count, list, show, replace, before, after])
    }

    /// Lets so many clients ask, for a while or so often.
    fn ask(
        &self,
        running: &Running,
        exchange: Exchange,
        connections: u32,
        requests: Option<u64>,
    ) -> anyhow::Result<Report> {
        let measure_ms = requests.map_or(self.span().as_millis(), |_| FILL_MS.into());
        let load = LoadArgs {
            to: running.address,
            exchange,
            connections,
            warmup_ms: if requests.is_some() { 0 } else { 500 },
            measure_ms: u64::try_from(measure_ms)?,
            requests: requests.unwrap_or(u64::MAX),
            rate: None,
            errors_max: ERRORS_MAX,
        };
        let command = [vec![self.programs.bench.clone().into()], words(&arguments(&load))].concat();
        let mut clients = Child::spawn(Core::Any, &command, self.dir, Output::Piped)?;
        clients.expect(STARTED)?;
        clients.expect(STOPPED)?;
        Ok(serde_json::from_str(&clients.line()?)?)
    }
}

/// What one server did.
struct Rates {
    writes: Report,
    reads: Report,
}

impl Rates {
    fn cells(&self, name: String, limit: Limit) -> [String; 8] {
        let rate = |report: &Report| to_float(report.requests) / report.seconds.max(f64::EPSILON);
        let half = |report: &Report, limit: f64| {
            let rate = rate(report);
            [number(rate, 0), number(report.p99_us / 1e3, 1), number(rate / limit, 2)]
        };
        let [writes, writes_p99, writes_share] = half(&self.writes, limit.writes);
        let [reads, reads_p99, reads_share] = half(&self.reads, limit.reads);
        let errors = number(to_float(self.writes.errors + self.reads.errors), 0);
        [name, writes, writes_p99, writes_share, reads, reads_p99, reads_share, errors]
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count here has more than 52 bits")]
fn to_float(count: u64) -> f64 {
    count as f64
}

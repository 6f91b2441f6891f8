//! What was typed: the comparison, and the roles that it starts.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::run::{Case, Setup, Subject};

/// Compares CloudAPS with nginx, HAProxy and a bare relay on this machine.
#[derive(Debug, Parser)]
#[command(name = "cloudaps-bench", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One variant per role.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure every subject in every case, print the tables and write the page.
    Run(RunArgs),
    /// Kill origins under load, and write what that cost into the page.
    Failover(FailoverArgs),
    /// Write and read tasks, beside what the stores can do and beside Flask.
    Tasks(TasksArgs),
    /// The servers behind the subjects.
    Origin(OriginArgs),
    /// The servers behind the subjects, and the clients before each, in one thread. They are
    /// ordered about on the standard input: `load …` connects clients, as the role of that name
    /// does, `turn N` lets those that came as number N measure once (counted from 0), `report N`
    /// prints what they found.
    Surroundings(OriginArgs),
    /// The bare relay, with which every subject is compared.
    Relay(RelayArgs),
    /// Clients that ask, one after the other or at a rate, and measure.
    Load(LoadArgs),
    /// Clients that ask once and then say nothing, until the standard input ends.
    Idle(IdleArgs),
    /// One large body in one direction.
    Transfer(TransferArgs),
    /// Run a program that ends when this program's parent does.
    #[command(hide = true)]
    Exec(ExecArgs),
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// In each, every subject is started anew.
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) rounds: NonZeroU32,
    /// How long a subject is measured in a round.
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) seconds: NonZeroU32,
    /// Which cases; all of them if left out.
    #[arg(long, value_delimiter = ',', value_name = "CASE,…")]
    pub(crate) cases: Vec<Case>,
    /// Which subjects; all of them if left out.
    #[arg(long, value_delimiter = ',', value_name = "SUBJECT,…")]
    pub(crate) subjects: Vec<Subject>,
    /// Where the page goes; left out, only a run of everything writes `docs/benchmarks.md`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// One round of one second, and smaller sizes: whether it works, not how fast it is.
    #[arg(long)]
    pub(crate) quick: bool,
    /// The bytes of one large body.
    #[arg(long, value_name = "GIB", default_value = "10")]
    pub(crate) transfer_gib: NonZeroU32,
    /// How many endpoints are compared with three [default: 10000].
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N,…",
        value_parser = value_parser!(u16).range(4..)
    )]
    pub(crate) endpoints: Vec<u16>,
    /// The program that is compared; beside this one if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) cloudaps: Option<PathBuf>,
}

/// `failover`.
#[derive(Debug, Args)]
pub(crate) struct FailoverArgs {
    /// Rounds; within one, every subject is measured once.
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) rounds: NonZeroU32,
    /// How many origins are killed in a round, one every four seconds.
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) kills: NonZeroU32,
    /// GETs a second; a tenth of that many POSTs come on top.
    #[arg(long, value_name = "N", default_value = "2000")]
    pub(crate) rate: NonZeroU32,
    /// Which subjects; all of them if left out.
    #[arg(long, value_delimiter = ',', value_name = "SUBJECT,…")]
    pub(crate) setups: Vec<Setup>,
    /// The page whose section is written [default: docs/benchmarks.md].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The program that is compared; beside this one if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) cloudaps: Option<PathBuf>,
}

/// `tasks`.
#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    /// How long one measurement takes.
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) seconds: NonZeroU32,
    /// Tasks of the large store, which is compared with one of a thousand.
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub(crate) many: NonZeroU32,
    /// A Python that has Flask, SQLAlchemy, gunicorn and psycopg2, for the comparison with them.
    #[arg(long, value_name = "FILE")]
    pub(crate) python: Option<PathBuf>,
    /// The page whose section is written [default: docs/benchmarks.md].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The program that is measured; beside this one if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) cloudaps: Option<PathBuf>,
}

/// `origin`.
#[derive(Debug, Args)]
pub(crate) struct OriginArgs {
    /// Where to listen; port 0 takes a free one. On 0.0.0.0 only loopback is served.
    #[arg(long, required = true, value_name = "ADDR")]
    pub(crate) listen: Vec<SocketAddr>,
    /// How long an answer takes.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) delay_ms: u32,
}

/// `relay`.
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// The origins.
    #[arg(long, required = true, value_name = "ADDR")]
    pub(crate) to: Vec<SocketAddr>,
}

/// `load`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    /// The subject.
    #[arg(long, value_name = "ADDR")]
    pub(crate) to: SocketAddr,
    /// What each request is.
    #[arg(long, value_enum, default_value_t = Exchange::Get)]
    pub(crate) exchange: Exchange,
    /// Connections that are open at a time.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u32,
    /// How long to ask before the measurement.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub(crate) warmup_ms: u64,
    /// How long to measure.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    pub(crate) measure_ms: u64,
    /// Stop after so many requests, even if there is time left.
    #[arg(long, value_name = "N", default_value_t = u64::MAX)]
    pub(crate) requests: u64,
    /// Requests a second, whether they are answered or not; without it, a connection asks when it
    /// has its answer.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Give up after so many failures: the subject does not work.
    #[arg(long, value_name = "N", default_value_t = ERRORS_MAX)]
    pub(crate) errors_max: u64,
}

impl LoadArgs {
    /// The same without a warm-up, for so long.
    pub(crate) fn once(&self, measure_ms: u64) -> Self {
        Self { warmup_ms: 0, measure_ms, ..self.clone() }
    }
}

/// More failures than this, and there is nothing left to measure.
pub(crate) const ERRORS_MAX: u64 = 10_000;

/// What one request of the load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exchange {
    /// `GET /`: a small answer.
    Get,
    /// `POST /` with 4 KiB: a small answer.
    Post,
    /// `GET /1m`: a mebibyte.
    Download,
    /// `GET /` on a connection of its own.
    Connect,
    /// A WebSocket message, and its echo.
    Websocket,
    /// `POST /tasks/`: a task is added.
    AddTask,
    /// `GET /tasks/500`
    ShowTask,
    /// `GET /tasks/?limit=100&after=500`
    ListTasks,
    /// `PUT /tasks/500`
    ReplaceTask,
}

/// `idle`.
#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    /// The subject.
    #[arg(long, value_name = "ADDR")]
    pub(crate) to: SocketAddr,
    /// How many.
    #[arg(long)]
    pub(crate) connections: u32,
    /// Over how long they come, evenly.
    #[arg(long, value_name = "MS", default_value = "0")]
    pub(crate) over_ms: u64,
}

/// `transfer`.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// The subject.
    #[arg(long, value_name = "ADDR")]
    pub(crate) to: SocketAddr,
    /// From the origin, or to it.
    #[arg(long, value_enum)]
    pub(crate) direction: Direction,
    /// The length of the body.
    #[arg(long)]
    pub(crate) bytes: u64,
}

/// Which way a large body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// `exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The process whose end is the program's end.
    #[arg(long, value_name = "PID")]
    pub(crate) parent: i32,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

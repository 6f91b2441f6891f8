//! What answers with tasks: the service over either store, and a Flask that does the same.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use super::super::children::{Child, Core, Output, words};
use super::super::stand::await_answer;
use super::super::subject::{Programs, free_address};
use crate::cli::TasksArgs;

/// Processes of gunicorn, as its manual advises for two cores (2 × cores + 1), and threads of each.
const WORKERS: &str = "5";
const THREADS: &str = "16";

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Cloudaps,
    Flask,
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// A server that runs, and where.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
}

impl Running {
    /// Starts `server` over the database at `url`, and waits until it answers.
    pub(super) fn start(
        server: Server,
        url: &str,
        args: &TasksArgs,
        programs: &Programs,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let command: Vec<OsString> = match server {
            Server::Cloudaps => {
                let listen = address.to_string();
                let role = words(&["tasks", "--listen", &listen, "--store", url]);
                [vec![programs.cloudaps.clone().into()], role].concat()
            }
            Server::Flask => flask(url, address, args),
        };
        let mut child = Child::spawn(Core::Any, &command, dir, Output::File)?;
        await_answer(&mut child, address)?;
        Ok(Self { child, address })
    }
}

fn flask(url: &str, address: SocketAddr, args: &TasksArgs) -> Vec<OsString> {
    // SQLAlchemy's names for the same databases.
    let url =
        url.replace("postgres://", "postgresql+psycopg2://").replace("sqlite://", "sqlite:///");
    let python = args.python.clone().unwrap_or_else(|| "python3".into());
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/flask");
    let bind = address.to_string();
    let mut command = words(&["env", &format!("DATABASE={url}")]);
    command.push(python.into());
    command.extend(words(&["-m", "gunicorn", "--chdir", app, "--bind", &bind, "--preload"]));
    command.extend(words(&["--workers", WORKERS, "--threads", THREADS, "app:app"]));
    command
}

//! Moves everything from one store to another, or to a file: tasks with their numbers and times,
//! the numbers of the removed ones, and the keys that are still remembered.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use super::change::Use;
use super::postgres;
use super::sqlite;
use super::store_url::StoreUrl;
use super::task::{IdempotencyKey, Task, TaskId};

/// Most tasks that are held at a time.
pub(super) const PAGE: usize = 1000;

/// What a store holds besides its tasks.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// The greatest number that was ever given.
    pub(super) last: TaskId,
    /// The keys that are remembered.
    pub(super) keys: Vec<Remembered>,
}

/// A key that was used.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) key: IdempotencyKey,
    pub(super) used: Use,
    /// When, as the time since 1970.
    pub(super) since: Duration,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) tasks: usize,
    pub(super) last: TaskId,
    pub(super) keys: usize,
}

/// A store as it was at one moment.
pub(super) enum Source {
    Sqlite(sqlite::Source),
    Postgres(Box<postgres::Source>),
}

/// An empty store; everything arrives there at once, or nothing.
pub(super) enum Target {
    Sqlite(sqlite::Target),
    Postgres(Box<postgres::Target>),
}

impl Source {
    async fn open(url: &StoreUrl) -> anyhow::Result<Self> {
        Ok(match url {
            StoreUrl::Sqlite(path) => Self::Sqlite(sqlite::Source::open(path)?),
            StoreUrl::Postgres(url) => Self::Postgres(Box::new(postgres::Source::open(url).await?)),
        })
    }

    async fn page(&mut self, after: TaskId) -> anyhow::Result<Vec<Task>> {
        match self {
            Self::Sqlite(source) => Ok(source.page(after)?),
            Self::Postgres(source) => Ok(source.page(after).await?),
        }
    }

    async fn rest(&mut self) -> anyhow::Result<Rest> {
        match self {
            Self::Sqlite(source) => Ok(source.rest()?),
            Self::Postgres(source) => Ok(source.rest().await?),
        }
    }
}

impl Target {
    async fn open(url: &StoreUrl) -> anyhow::Result<Self> {
        let target = match url {
            StoreUrl::Sqlite(path) => sqlite::Target::open(path)?.map(Self::Sqlite),
            StoreUrl::Postgres(url) => {
                postgres::Target::open(url).await?.map(|target| Self::Postgres(Box::new(target)))
            }
        };
        target.with_context(|| format!("{url} is not empty: allowed is one without any task"))
    }

    async fn put(&mut self, tasks: &[Task]) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(target) => Ok(target.put(tasks)?),
            Self::Postgres(target) => Ok(target.put(tasks).await?),
        }
    }

    async fn finish(self, rest: &Rest) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(target) => Ok(target.finish(rest)?),
            Self::Postgres(target) => Ok(target.finish(rest).await?),
        }
    }
}

/// Fills `to` with what is in `from`.
pub(super) async fn copy(from: &StoreUrl, to: &StoreUrl) -> anyhow::Result<Moved> {
    let mut source = Source::open(from).await?;
    let mut target = Target::open(to).await?;
    let mut moved = Moved::default();
    let mut after = TaskId::default();
    loop {
        let tasks = source.page(after).await.with_context(|| format!("cannot read {from}"))?;
        let Some(last) = tasks.last() else { break };
        after = last.id;
        moved.tasks += tasks.len();
        target.put(&tasks).await.with_context(|| format!("cannot write {to}"))?;
    }
    let rest = source.rest().await.with_context(|| format!("cannot read {from}"))?;
    target.finish(&rest).await.with_context(|| format!("cannot write {to}"))?;
    Ok(Moved { last: rest.last, keys: rest.keys.len(), ..moved })
}

/// Writes what is in `from` to a new file, which is there whole or not at all.
pub(super) async fn backup(from: &StoreUrl, file: &Path) -> anyhow::Result<Moved> {
    if file.exists() {
        bail!("{} exists: allowed is the name of a new file", file.display());
    }
    let partial = beside(file, ".partial");
    // What an earlier try left behind is of no use to anybody.
    remove_database(&partial)?;
    let moved = copy(from, &StoreUrl::Sqlite(partial.clone())).await;
    let moved = match moved {
        Ok(moved) => moved,
        Err(error) => {
            remove_database(&partial)?;
            return Err(error);
        }
    };
    keep(&partial, file).with_context(|| format!("cannot write {}", file.display()))?;
    remove_database(&partial)?;
    Ok(moved)
}

/// Gives the file its name once it is on the disk.
fn keep(partial: &Path, file: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::rename(partial, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes a database and whatever SQLite and we put beside it.
fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

//! The database file: whose it is, who has it open, how it is set up and brought up to date.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Marks a database as ours (`PRAGMA application_id`); it reads "CLAP".
const APPLICATION_ID: i32 = 0x434c_4150;

/// How every SQLite file begins (<https://sqlite.org/fileformat.html>).
const HEADER: &[u8] = b"SQLite format 3\0";

/// What brings a database from version `i` to `i + 1` (`PRAGMA user_version`). Only ever appended
/// to: files of every version are out there.
const MIGRATIONS: &[&str] = &[
    "
    -- AUTOINCREMENT: the number of a removed task is not given again.
    CREATE TABLE task (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        value TEXT NOT NULL,
        created_at INTEGER NOT NULL -- ms since 1970
    ) STRICT;
    -- Apart from the tasks, so that a key outlives the task that it added.
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        task INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (created_at);
",
    "
    ALTER TABLE task RENAME COLUMN value TO text;
    ALTER TABLE task ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE task ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE task ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
    UPDATE task SET updated_at = created_at;
",
];

/// How long to wait for somebody else's lock on the database: a person's `sqlite3`, a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS_MAX: usize = 32;

/// A database that was not opened.
#[derive(Debug, thiserror::Error)]
pub(in crate::tasks) enum OpenError {
    #[error("{0}: the folder must exist, and the name must be that of a file")]
    NotAFile(PathBuf),
    #[error("{path}: {holder} has it open; only one service may")]
    InUse { path: PathBuf, holder: String },
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot lock {0}")]
    Lock(PathBuf, #[source] io::Error),
    #[error("{0} is not an SQLite database; it was left as it is")]
    NotADatabase(PathBuf),
    #[error("{0} is an SQLite database, but not one of tasks; it was left as it is")]
    NotOurs(PathBuf),
    #[error("{path} is of version {found}; this program knows those up to {known}")]
    Newer { path: PathBuf, found: i32, known: usize },
    #[error(
        "{path} is damaged: {found}. It was left as it is: move it away, with its -wal and -shm, \
         and bring back a backup with `cloudaps tasks restore`"
    )]
    Damaged { path: PathBuf, found: String },
    #[error("{path} is of version {found}; serve it once with this program, then it is of {known}")]
    Older { path: PathBuf, found: usize, known: usize },
    #[error("cannot open {0}")]
    Sqlite(PathBuf, #[source] rusqlite::Error),
    #[error("cannot start the writer's thread")]
    Thread(#[source] io::Error),
}

/// Keeps every other service away from the data, for as long as it lives. The kernel lets go of it
/// when the process dies, however it dies.
pub(super) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of the database at `path`: a file of its own next to it, because closing any
    /// handle to the database itself drops SQLite's locks on it
    /// (<https://sqlite.org/howtocorrupt.html>). The file stays behind: removing it would let two
    /// services lock two files of one name.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let failed = |error| OpenError::Lock(PathBuf::from(&name), error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&name).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Says who holds the lock, if the holder has written it down yet.
fn in_use(path: &Path, mut file: File) -> OpenError {
    let mut pid = String::new();
    let read = file.read_to_string(&mut pid);
    let is_pid = read.is_ok() && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    let holder = if is_pid { format!("process {pid}") } else { "another process".to_owned() };
    OpenError::InUse { path: path.to_owned(), holder }
}

/// The one name of the file, so that two ways to write it lead to one lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let not_a_file = || OpenError::NotAFile(path.to_owned());
    if let Ok(found) = fs::canonicalize(path) {
        return if found.is_file() { Ok(found) } else { Err(not_a_file()) };
    }
    let name = path.file_name().ok_or_else(not_a_file)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs::canonicalize(parent.unwrap_or(Path::new("."))).map_err(|_| not_a_file())?;
    if parent.is_dir() { Ok(parent.join(name)) } else { Err(not_a_file()) }
}

/// Refuses a file that cannot be a database, before anything is opened or made next to it.
pub(super) fn check(path: &Path) -> Result<(), OpenError> {
    // SQLite has not opened the file yet, so no lock of its own is lost when this handle closes.
    let Ok(file) = File::open(path) else { return Ok(()) };
    let mut start = Vec::new();
    let length = HEADER.len() as u64;
    let read = file.take(length).read_to_end(&mut start);
    match read {
        Ok(0) => Ok(()),
        Ok(_) if start == HEADER => Ok(()),
        Ok(_) => Err(OpenError::NotADatabase(path.to_owned())),
        Err(error) => Err(OpenError::Read(path.to_owned(), error)),
    }
}

/// Opens the database for writing, makes it if it is not there, and brings it up to date.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let failed = |error| refusal(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags).map_err(failed)?;
    let version = version(&connection, path, failed)?;
    check_integrity(&connection, path)?;
    set_up(&connection).and_then(|()| migrate(&mut connection, version)).map_err(failed)?;
    Ok(connection)
}

/// Opens the database of somebody who may be serving it, to read all of it.
pub(super) fn open_source(path: &Path) -> Result<Connection, OpenError> {
    let failed = |error| refusal(path, error);
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    match version(&connection, path, failed)? {
        0 => Err(OpenError::NotOurs(path.to_owned())),
        found if found < MIGRATIONS.len() => {
            Err(OpenError::Older { path: path.to_owned(), found, known: MIGRATIONS.len() })
        }
        _ => Ok(connection),
    }
}

/// Why SQLite does not take the file.
fn refusal(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase(path),
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, found: error.to_string() },
        _ => OpenError::Sqlite(path, error),
    }
}

/// Looks whether the pages of the file fit together. It reads them all: a second for some ten
/// million tasks that are in the page cache.
fn check_integrity(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found: Result<String, _> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(OpenError::Damaged { path: path.to_owned(), found }),
        Err(error) => Err(refusal(path, error)),
    }
}

/// Opens the database for reading only. It must be open for writing already.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| OpenError::Sqlite(path.to_owned(), error))
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Which version of our schema the database has; 0 when it is empty. Changes nothing.
fn version(
    connection: &Connection,
    path: &Path,
    failed: impl Fn(rusqlite::Error) -> OpenError,
) -> Result<usize, OpenError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
    let objects = number("SELECT count(*) FROM sqlite_schema").map_err(&failed)?;
    let owner = number("PRAGMA application_id").map_err(&failed)?;
    let found = number("PRAGMA user_version").map_err(&failed)?;
    match (owner, usize::try_from(found)) {
        (0, Ok(0)) if objects == 0 => Ok(0),
        (APPLICATION_ID, Ok(version)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION_ID, _) => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() })
        }
        _ => Err(OpenError::NotOurs(path.to_owned())),
    }
}

/// Write-ahead log, synced to the disk at each commit: what was committed survives a power cut
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}

//! The state directory: who may use it, where things are in it, and the secrets it keeps.
//!
//! One `cloudaps up` at a time owns it. The lock is the kernel's (`flock`), so that it is released
//! however its holder ends, `kill -9` included, and there is no stale lock file to clean up.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use crate::hexadecimal::hexadecimal;

/// The bytes of a new token: 256 bits cannot be guessed, whatever the rate of the guesses.
const TOKEN_BYTES: usize = 32;
/// The shortest token that is accepted from a file; shorter is a cut file or a guessable word.
const TOKEN_CHARS_MIN: usize = 16;
/// The most that is read of a small file of ours; more is not something that we wrote.
const SMALL_FILE_MAX: u64 = 4096;
/// Directories that we make: only their owner may enter.
const DIRECTORY_MODE: u32 = 0o700;
/// Files that we make: only their owner may read them.
const FILE_MODE: u32 = 0o600;
/// The permission bits that let somebody else write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A directory that holds launch records, logs, tokens and the database of one fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

/// The right to use a state directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    dir: StateDir,
    /// The lock belongs to the open file.
    _file: File,
}

/// Which secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenName {
    /// What a call of the admin API that changes something must carry.
    Admin,
    /// What a forwarder's control channel asks of whoever tells it a new backend.
    Control,
    /// What the tokens of sticky sessions are made with. Who has it can send traffic to the
    /// endpoint of their choice; without the file, all sticky clients are given new cookies.
    Sticky,
}

/// A bearer token. Its `Debug` hides it, so that it cannot end up in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What went wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The platform has no folder for state.
    #[error("there is no home directory to keep state in: name a directory with --state-dir")]
    NoDefault,
    /// The directory is not there, and the caller is not the one to make it.
    #[error("no `cloudaps up` has used {}: start one, or name its --state-dir", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else could plant records and so choose what we signal.
    #[error("other users may write to the state directory {} (mode {mode:03o}): allowed is a \
        directory that only its owner may write to (`chmod go-w`)", path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process holds the lock.
    #[error("another `cloudaps up` (pid {}) is using {}", holder(*pid), path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, if the file says so.
        pid: Option<u32>,
    },
    /// No `up` has written where its admin API is.
    #[error("no `cloudaps up` runs on {}: start one, or name its --state-dir", path.display())]
    NotRunning {
        /// The directory.
        path: PathBuf,
    },
    /// A file that should hold a token holds something else.
    #[error("{} holds no token: allowed are at least {TOKEN_CHARS_MIN} printable ASCII \
        characters; without the file, `cloudaps up` makes a new one", path.display())]
    BadToken {
        /// The file.
        path: PathBuf,
    },
    /// A file that should hold an address holds something else.
    #[error("{} holds `{text}`: allowed is an address such as 127.0.0.1:5001", path.display())]
    BadAddress {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
    /// The system's randomness failed.
    #[error("cannot draw a token")]
    Random(#[source] getrandom::Error),
    /// A file operation failed.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl StateDir {
    /// The platform's folder for state, with our name.
    ///
    /// # Errors
    /// There is no home directory.
    pub fn default_path() -> Result<PathBuf, Error> {
        let parent = dirs::state_dir().or_else(dirs::data_local_dir).ok_or(Error::NoDefault)?;
        Ok(parent.join("cloudaps"))
    }

    /// Opens the directory; makes it, for its owner only, if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or other users may write to it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(file_error("find", path))?;
        make_directory(&path).map_err(file_error("create the directory", &path))?;
        // One name for one directory: it is the mark of everything that is launched from here.
        let dir = Self { path: path.canonicalize().map_err(file_error("find", &path))? };
        for path in [dir.records(), dir.logs()] {
            make_directory(&path).map_err(file_error("create the directory", &path))?;
        }
        dir.refuse_exposed()?;
        Ok(dir)
    }

    /// Opens the directory of an `up` that has run before; makes nothing.
    ///
    /// # Errors
    /// It is not there.
    pub fn existing(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(file_error("find", path))?;
        if path.is_dir() { Ok(Self { path }) } else { Err(Error::Missing { path }) }
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the launch records are.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.path.join("instances")
    }

    /// Where the instances' logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Where the incidents are written down.
    #[must_use]
    pub fn incidents(&self) -> PathBuf {
        self.path.join("incidents.jsonl")
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// [`Error::Locked`]: another process has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join("lock");
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut file = options.open(&path).map_err(file_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: self.path.clone(), pid: read_pid(&file) });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::File { verb: "lock", path, source });
            }
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
        written.map_err(file_error("write", &path))?;
        Ok(Lock { dir: self.clone(), _file: file })
    }

    /// The token; a new one is drawn and kept if there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds no token.
    pub fn token(&self, name: TokenName) -> Result<Token, Error> {
        let path = self.token_path(name);
        if !path.exists() {
            let mut bytes = [0; TOKEN_BYTES];
            getrandom::fill(&mut bytes).map_err(Error::Random)?;
            let text = hexadecimal(&bytes) + "\n";
            replace_file(&path, text.as_bytes()).map_err(file_error("write", &path))?;
        }
        // A copy or a careless editor may have opened it to others.
        fs::set_permissions(&path, Permissions::from_mode(FILE_MODE))
            .map_err(file_error("protect", &path))?;
        self.read_token(name)
    }

    /// The token that a running `up` keeps here.
    ///
    /// # Errors
    /// There is none, it cannot be read, or the file holds something else.
    pub fn read_token(&self, name: TokenName) -> Result<Token, Error> {
        let path = self.token_path(name);
        let text = read_small(&path).map_err(file_error("read", &path))?;
        let text = text.trim();
        let sound = text.len() >= TOKEN_CHARS_MIN && text.bytes().all(|b| b.is_ascii_graphic());
        if sound { Ok(Token(text.to_owned())) } else { Err(Error::BadToken { path }) }
    }

    /// The file that holds the token.
    #[must_use]
    pub fn token_path(&self, name: TokenName) -> PathBuf {
        self.path.join(match name {
            TokenName::Admin => "admin.token",
            TokenName::Control => "control.token",
            TokenName::Sticky => "sticky.key",
        })
    }

    /// Writes down where the admin API of this `up` listens.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_admin_address(&self, address: SocketAddr) -> Result<(), Error> {
        let path = self.admin_path();
        let text = format!("{address}\n");
        replace_file(&path, text.as_bytes()).map_err(file_error("write", &path))
    }

    /// Where the admin API of the `up` on this directory listens.
    ///
    /// # Errors
    /// [`Error::NotRunning`]: nothing is written down.
    pub fn admin_address(&self) -> Result<SocketAddr, Error> {
        let path = self.admin_path();
        let text = match read_small(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotRunning { path: self.path.clone() });
            }
            Err(source) => return Err(Error::File { verb: "read", path, source }),
        };
        text.parse().map_err(|_| Error::BadAddress { path, text })
    }

    /// Removes what [`Self::set_admin_address`] wrote, at the end of `up`.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget_admin_address(&self) -> Result<(), Error> {
        let path = self.admin_path();
        remove_file(&path).map_err(file_error("remove", &path))
    }

    fn admin_path(&self) -> PathBuf {
        self.path.join("admin.addr")
    }

    /// A directory that the user made may be readable: what is secret in it has its own mode.
    fn refuse_exposed(&self) -> Result<(), Error> {
        let found = fs::metadata(&self.path).map_err(file_error("examine", &self.path))?;
        let mode = found.permissions().mode() & 0o777;
        if mode & WRITABLE_BY_OTHERS == 0 {
            return Ok(());
        }
        Err(Error::Exposed { path: self.path.clone(), mode })
    }
}

impl Lock {
    /// The directory that this process may use.
    #[must_use]
    pub const fn dir(&self) -> &StateDir {
        &self.dir
    }
}

impl Token {
    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// Writes a file whole or not at all, for its owner only.
///
/// The contents are on the disk before the name is: a power cut leaves the old file or the new
/// one, never an empty one. The name itself is not forced to the disk, because what a record
/// describes does not outlive the machine either.
pub(crate) fn replace_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    let temporary = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(FILE_MODE);
    let mut file = options.open(&temporary)?;
    file.write_all(contents)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

/// How the name of a file ends that [`replace_file`] has not finished.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Removes a file; one that is not there is a success.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
}

fn read_small(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SMALL_FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(SMALL_FILE_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}

fn file_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { verb, path, source }
}

//! Where the running `up` is: its admin API and its state directory.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::failure::Failure;
use crate::cli::AdminArgs;
use crate::config::{self, File};
use crate::state_dir::{self, StateDir, Token, TokenName};

/// What was said of where `up` is.
#[derive(Debug)]
pub(crate) struct Place {
    /// The configuration, or the defaults.
    pub(super) file: File,
    /// The address that was named, by flag or file.
    named_address: Option<SocketAddr>,
    /// The state directory, if there is one at `path`.
    dir: Option<StateDir>,
    path: PathBuf,
    directory: Directory,
}

/// Who chose the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directory {
    /// The flag or the file names it: no other `up` is meant.
    Named,
    /// It is the default.
    Default,
}

/// The part of a configuration that says where the API is, if it says so.
#[derive(Deserialize)]
struct Stated {
    admin: Option<SocketAddr>,
}

impl Place {
    /// Reads the configuration, and looks for the state directory.
    pub(crate) fn find(args: &AdminArgs) -> Result<Self, Failure> {
        let file = File::read_or_default(args.config.as_deref())?;
        let stated = args.config.as_deref().map(stated_address).transpose()?.flatten();
        let named_path = args.state_dir.as_ref().or(file.state_dir.as_ref()).cloned();
        let (path, directory) = match named_path {
            Some(path) => (path, Directory::Named),
            None => (StateDir::default_path()?, Directory::Default),
        };
        let dir = match StateDir::existing(&path) {
            Ok(dir) => Some(dir),
            Err(state_dir::Error::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let named_address = args.admin.or(stated);
        Ok(Self { file, named_address, dir, path, directory })
    }

    /// Where to ask: where we were told to, else where the `up` on the state directory says that
    /// it listens, else where one listens by default. The default is not tried when the directory
    /// was named: an `up` on another directory may have it.
    pub(super) fn address(&self) -> Result<SocketAddr, Failure> {
        if let Some(address) = self.named_address {
            return Ok(reachable(address));
        }
        match (self.dir().and_then(StateDir::admin_address), self.directory) {
            (Ok(address), _) => Ok(reachable(address)),
            (
                Err(state_dir::Error::NotRunning { .. } | state_dir::Error::Missing { .. }),
                Directory::Default,
            ) => Ok(reachable(self.file.admin)),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The state directory.
    pub(crate) fn dir(&self) -> Result<&StateDir, state_dir::Error> {
        self.dir.as_ref().ok_or_else(|| state_dir::Error::Missing { path: self.path.clone() })
    }

    /// The directory, if an `up` has worked in it.
    pub(super) fn used_dir(&self) -> Option<&StateDir> {
        self.dir.as_ref().filter(|dir| dir.records().is_dir())
    }

    /// Where the state directory is or would be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody said which `up` is meant, rather than whichever has the directory.
    pub(super) const fn is_named(&self) -> bool {
        self.named_address.is_some()
    }

    /// What a call that changes something has to show.
    pub(super) fn token(&self) -> Result<Token, Failure> {
        let dir = self.dir().map_err(Failure::Token)?;
        dir.read_token(TokenName::Admin).map_err(Failure::Token)
    }

    /// The file that the token is from.
    pub(super) fn token_file(&self) -> PathBuf {
        self.dir.as_ref().map_or_else(PathBuf::new, |dir| dir.token_path(TokenName::Admin))
    }
}

/// The address that the file itself names. The file as a whole is valid already; with port 0 it
/// leaves the address to the `up` that reads it.
fn stated_address(path: &Path) -> Result<Option<SocketAddr>, config::Error> {
    let text = fs::read_to_string(path)
        .map_err(|source| config::Error::Read { path: path.to_owned(), source })?;
    let stated: Stated = toml::from_str(&text).map_err(|source| config::Error::Invalid {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    Ok(stated.admin.filter(|address| address.port() != 0))
}

/// An address to connect to: a server that listens everywhere is also here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

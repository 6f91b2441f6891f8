//! What `--store` means.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::PostgresUrl;

/// Where the tasks are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite://PATH`: a file on this machine.
    Sqlite(PathBuf),
    /// `postgres://…`: a database that several services may share.
    Postgres(Box<PostgresUrl>),
}

/// A text that names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseStoreUrlError {
    /// Neither of the two.
    #[error(
        "`{0}` is not a store: allowed are `sqlite://PATH`, such as `sqlite://tasks.db` (from the \
         current folder) or `sqlite:///var/lib/cloudaps/tasks.db`, where PATH has no `?` and no \
         `#`, and `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"
    )]
    Unknown(String),
    /// A PostgreSQL URL with a mistake. The URL is not repeated: it may hold a password.
    #[error("`postgres://…` cannot be understood: {0}")]
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = ParseStoreUrlError;

    fn from_str(text: &str) -> Result<Self, ParseStoreUrlError> {
        let postgres = ["postgres://", "postgresql://"].iter().find_map(|it| text.strip_prefix(it));
        if let Some(rest) = postgres {
            let url = PostgresUrl::parse(rest).map_err(ParseStoreUrlError::Postgres)?;
            return Ok(Self::Postgres(Box::new(url)));
        }
        // `?` would begin the options of a URL; there are none, and ignoring them would surprise.
        let path = text
            .strip_prefix("sqlite://")
            .filter(|path| !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#']));
        path.map(|path| Self::Sqlite(path.into()))
            .ok_or_else(|| ParseStoreUrlError::Unknown(text.to_owned()))
    }
}

/// Without a password, if there is one.
impl fmt::Display for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite://{}", path.display()),
            Self::Postgres(url) => formatter.write_str(url.shown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_reads_back_what_it_prints() {
        for text in ["sqlite://tasks.db", "sqlite:///var/lib/t.db", "sqlite://a b/ç.db"] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_store_is_refused_with_its_name_and_what_is_allowed() {
        for text in
            ["", "tasks.db", "sqlite:", "sqlite://", "sqlite:///tmp/", "sqlite://t.db?mode=ro"]
        {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("sqlite://PATH"));
        }
    }
}

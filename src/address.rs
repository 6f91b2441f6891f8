//! Where a server listens: an IP address with a port, or a Unix-domain socket on this machine.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a Unix-domain socket begins with when it is written down.
const UNIX: &str = "unix:";

/// Bytes of a socket's name: `sun_path` has 108 (unix(7)), and one of them is a zero byte, which
/// ends a path and begins an abstract name.
pub const UNIX_NAME_MAX: usize = 107;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A Unix-domain socket.
    Unix(UnixName),
}

/// The name of a Unix-domain socket: `/path`, or `@name` for Linux's abstract names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixName(Arc<str>);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAddressError {
    /// Neither of the two.
    #[error(
        "`{0}` is no address: allowed are IP:PORT, as 127.0.0.1:8080 or [::1]:8080, and unix:/PATH"
    )]
    Form(String),
    /// A port that nothing can be connected to.
    #[error("`{0}` has no port: allowed are 1 to 65535")]
    Port(String),
    /// A relative path means another file for whoever runs in another folder.
    #[error(
        "`{0}` has no absolute path: allowed are unix:/PATH, as unix:/run/app.sock, and unix:@NAME"
    )]
    Relative(String),
    /// More than the system takes.
    #[error("the name of the socket in `{0}` is too long: allowed are {UNIX_NAME_MAX} bytes")]
    Long(String),
    /// A name that would end early.
    #[error("the name of the socket in `{0}` contains a zero byte")]
    Zero(String),
}

impl Address {
    /// The IP address, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// What a person can open, as far as there is such a thing.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Ip(address) => format!("http://{address}"),
            Self::Unix(_) => self.to_string(),
        }
    }

    /// What a request of our own names as its host. A socket's name is none (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl UnixName {
    /// The name as it is written down.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the system takes it, where a zero byte begins an abstract one.
    #[must_use]
    pub fn to_path(&self) -> PathBuf {
        let mut bytes = self.0.as_bytes().to_vec();
        if bytes[0] == b'@' {
            bytes[0] = 0;
        }
        OsString::from_vec(bytes).into()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Unix(name) => write!(formatter, "{UNIX}{}", name.0),
        }
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        if let Some(name) = text.strip_prefix(UNIX) {
            return unix(text, name).map(Self::Unix);
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => Err(ParseAddressError::Port(text.to_owned())),
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) => Err(ParseAddressError::Form(text.to_owned())),
        }
    }
}

/// Checks the name of the socket that `text` says.
fn unix(text: &str, name: &str) -> Result<UnixName, ParseAddressError> {
    let text = || text.to_owned();
    // The root folder is no socket, and an abstract name of nothing is none.
    if !name.starts_with(['/', '@']) || name.len() == 1 {
        Err(ParseAddressError::Relative(text()))
    } else if name.len() > UNIX_NAME_MAX {
        Err(ParseAddressError::Long(text()))
    } else if name.contains('\0') {
        Err(ParseAddressError::Zero(text()))
    } else {
        Ok(UnixName(name.into()))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn an_address_reads_back_what_it_prints() {
        for text in ["127.0.0.1:80", "[::1]:8080", "unix:/run/app.sock", "unix:@app"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_socket_has_the_name_that_the_system_takes() {
        for (text, bytes) in [("unix:/run/a", b"/run/a".as_slice()), ("unix:@a@b", b"\0a@b")] {
            let Address::Unix(name) = text.parse().unwrap() else { panic!("{text}") };
            assert_eq!(name.to_path().as_os_str().as_bytes(), bytes);
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_is_allowed() {
        let longest = format!("unix:/{}", "x".repeat(UNIX_NAME_MAX - 1));
        assert!(longest.parse::<Address>().is_ok());
        for (text, allowed) in [
            ("", "127.0.0.1:8080"),
            ("localhost:80", "127.0.0.1:8080"),
            ("::1:80", "[::1]:8080"),
            ("/run/app.sock", "unix:/PATH"),
            ("127.0.0.1", "127.0.0.1:8080"),
            ("127.0.0.1:0", "1 to 65535"),
            ("unix:app.sock", "unix:/run/app.sock"),
            ("unix:", "unix:/run/app.sock"),
            ("unix:@", "unix:/run/app.sock"),
            (&format!("{longest}x"), "107 bytes"),
            ("unix:/a\0b", "zero byte"),
        ] {
            let refusal = text.parse::<Address>().unwrap_err().to_string();
            assert!(refusal.contains(allowed) && refusal.contains(text), "{text}: {refusal}");
        }
    }
}

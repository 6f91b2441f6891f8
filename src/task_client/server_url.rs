//! Where the client sends its requests.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// `http://HOST:PORT`, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerUrl(String);

/// A text that names no server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParseServerUrlError(pub(super) String);

impl FromStr for ServerUrl {
    type Err = ParseServerUrlError;

    fn from_str(text: &str) -> Result<Self, ParseServerUrlError> {
        // `Uri` drops what follows a `#` without a word.
        let uri = text.parse::<Uri>().ok().filter(|_| !text.contains('#'));
        let url = uri.as_ref().and_then(server).map(|server| Self(format!("http://{server}")));
        url.ok_or_else(|| ParseServerUrlError(text.to_owned()))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `HOST` or `HOST:PORT`, if that is all that the address has.
fn server(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?;
    let server = authority.as_str();
    let port = server.strip_prefix(authority.host())?;
    let is_port = port.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    (uri.scheme_str() == Some("http") && is_port && is_bare).then_some(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for text in ["http://127.0.0.1:5000", "http://[::1]:80", "http://balancer.example"] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), text);
            assert_eq!(format!("{text}/").parse::<ServerUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "127.0.0.1:5000",
            "localhost",
            "https://127.0.0.1:5000",
            "http://",
            "http://:5000",
            "http://a:0",
            "http://a:99999",
            "http://a:",
            "http://user@a:5000",
            "http://a:5000/Tarefa/",
            "http://a:5000/?x=1",
            "http://a:5000/#x",
            "http://a b",
        ] {
            assert_eq!(text.parse::<ServerUrl>(), Err(ParseServerUrlError(text.to_owned())));
        }
    }
}

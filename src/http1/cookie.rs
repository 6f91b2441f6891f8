//! Cookies (RFC 6265), as far as a proxy has to know them: finding one in a request, leaving one
//! out of it, and setting one.
//!
//! Names and values are compared and taken as they are: nothing is unquoted, decoded or folded, so
//! that the application and we cannot read two things in the same text.

use std::fmt;
use std::str::FromStr;

use super::Scheme;
use super::fields::Fields;
use super::name::Name;
use super::syntax::{is_token, trim};

/// Room for the longest names in use; longer ones are somebody's data. Names are held in place, so
/// that the settings that hold them can be copied from thread to thread.
const NAME_MAX: usize = 64;

/// A token of 1 to 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word {
    text: [u8; NAME_MAX],
    len: u8,
}

/// The name of a cookie. Its case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieName(Word);

/// The name of a header. Its case does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderName(Word);

/// The text is not fit to be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: allowed are 1 to {NAME_MAX} letters, digits and !#$%&'*+-.^_`|~")]
pub struct InvalidName(String);

/// A cookie that a client is given until it closes its browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetCookie<'a> {
    /// Its name.
    pub name: &'a CookieName,
    /// Its value: letters, digits and what else RFC 6265 §4.1.1 lets stand in one.
    pub value: &'a [u8],
    /// How the client reached us: what came over TLS is never sent back in clear text.
    pub scheme: Scheme,
}

impl CookieName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl HeaderName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Word {
    fn as_str(&self) -> &str {
        // A token is ASCII, so there is nothing that could be wrong with it.
        str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl FromStr for Word {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        if !is_token(name.as_bytes()) || name.len() > NAME_MAX {
            return Err(InvalidName(name.to_owned()));
        }
        let mut text = [0; NAME_MAX];
        text[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self { text, len: name.len() as u8 })
    }
}

impl FromStr for CookieName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        name.parse().map(Self)
    }
}

impl FromStr for HeaderName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        name.parse().map(Self)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

/// The value of the first cookie of that name: the one whose path fits best (RFC 6265 §5.4).
pub(super) fn cookie<'b>(fields: &Fields, bytes: &'b [u8], name: &CookieName) -> Option<&'b [u8]> {
    let mut pairs = fields.values(bytes, Name::Cookie).flat_map(pairs);
    pairs.find_map(|pair| value_of(pair, name))
}

/// Appends the `Cookie` lines without the cookies of that name, and leaves out lines that had no
/// other. What is left in a line keeps its text and order.
pub(super) fn push_without(out: &mut Vec<u8>, fields: &Fields, bytes: &[u8], name: &CookieName) {
    let lines = fields.iter().filter(|field| field.name == Name::Cookie);
    for line in lines.filter(|field| !fields.lists(bytes, field)) {
        let mut lead: &[u8] = b"Cookie: ";
        for pair in pairs(line.value(bytes)).filter(|pair| value_of(pair, name).is_none()) {
            out.extend_from_slice(lead);
            out.extend_from_slice(pair);
            lead = b"; ";
        }
        if lead == b"; " {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends a `Set-Cookie` line: for the whole site, out of reach for scripts, and not sent along
/// by other sites except when a link is followed.
pub(super) fn push_set_cookie(out: &mut Vec<u8>, cookie: SetCookie<'_>) {
    out.extend_from_slice(b"Set-Cookie: ");
    out.extend_from_slice(cookie.name.as_str().as_bytes());
    out.push(b'=');
    out.extend_from_slice(cookie.value);
    out.extend_from_slice(match cookie.scheme {
        Scheme::Http => b"; Path=/; HttpOnly; SameSite=Lax\r\n".as_slice(),
        Scheme::Https => b"; Path=/; HttpOnly; SameSite=Lax; Secure\r\n",
    });
}

/// What stands between the semicolons, trimmed; those that are empty not.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b';').map(trim).filter(|pair| !pair.is_empty())
}

/// The value of a pair with that name.
fn value_of<'b>(pair: &'b [u8], name: &CookieName) -> Option<&'b [u8]> {
    pair.strip_prefix(name.as_str().as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::{
        Forwarding, Hop, Limits, Peer, Progress, RequestHead, RequestId, write_request,
    };

    fn name(text: &str) -> CookieName {
        text.parse().unwrap()
    }

    /// The head with these lines.
    fn request(lines: &str) -> (RequestHead, Vec<u8>) {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes();
        let mut head = RequestHead::default();
        assert_eq!(head.parse(&text, &Limits::default()), Ok(Progress::Complete));
        (head, text)
    }

    fn found(lines: &str) -> Option<String> {
        let (head, text) = request(lines);
        let value = head.cookie(&text, &name("srv"))?;
        Some(String::from_utf8(value.to_vec()).unwrap())
    }

    /// What goes upstream of these lines when `srv` is ours.
    fn passed(lines: &str) -> Vec<String> {
        let (head, text) = request(lines);
        let hop = Hop {
            forwarding: Forwarding::Transparent,
            peer: &Peer::new([127, 0, 0, 1].into(), Scheme::Http),
            request_id: &RequestId::from_draw(1),
            default_host: b"a",
            own_cookie: Some(&name("srv")),
            trace: None,
        };
        let mut out = Vec::new();
        write_request(&mut out, &head, &text, &hop);
        let out = String::from_utf8(out).unwrap();
        let is_theirs = |line: &&str| line.starts_with("Cookie:") || line.starts_with("cookie:");
        out.lines().filter(is_theirs).map(str::to_owned).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_in_every_line() {
        for (lines, expected) in [
            ("", None),
            ("Cookie: srv=1\r\n", Some("1")),
            ("COOKIE: a=0; srv=1; srv=2\r\n", Some("1")),
            ("Cookie: a=0\r\nCookie: srv=1\r\n", Some("1")),
            ("Cookie:srv=1;b=2\r\n", Some("1")),
            ("Cookie: ; ;srv=a=b \r\n", Some("a=b")),
            ("Cookie: srv=\r\n", Some("")),
            ("Cookie: srv=\"1\"\r\n", Some("\"1\"")),
            ("Cookie: SRV=1; xsrv=1; srvx=1; srv; srv =1; a=srv=1\r\n", None),
            ("Cookie: a=1, srv=1\r\nCookie2: srv=1\r\nX: srv=1\r\n", None),
        ] {
            assert_eq!(found(lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_ours_is_left_out_and_the_rest_passes() {
        for (lines, expected) in [
            ("Cookie: srv=1\r\n", &[][..]),
            ("Cookie: a=0; srv=1; b=2; srv=3\r\n", &["Cookie: a=0; b=2"]),
            ("cookie: a;srv=1\r\ncookie: srv=2\r\ncookie: c=3\r\n", &["Cookie: a", "Cookie: c=3"]),
            ("Connection: cookie\r\nCookie: a=0; srv=1\r\n", &[]),
            // Without ours, the line is not even rewritten.
            ("cookie: a=0;b=1; SRV=1\r\n", &["cookie: a=0;b=1; SRV=1"]),
        ] {
            assert_eq!(passed(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_a_token_of_a_sane_length_is_a_name() {
        assert_eq!(name("__Host-srv.1").as_str(), "__Host-srv.1");
        for text in ["", "a b", "a=b", "a;b", "\u{e9}", &"x".repeat(NAME_MAX + 1)] {
            let refusal = text.parse::<CookieName>().unwrap_err().to_string();
            assert!(refusal.contains("1 to 64 letters"), "{refusal}");
            assert!(text.parse::<HeaderName>().is_err());
        }
        assert_eq!("x".repeat(NAME_MAX).parse::<HeaderName>().unwrap().as_str().len(), NAME_MAX);
    }

    #[test]
    fn a_cookie_is_set_for_the_whole_site_and_out_of_reach_of_scripts() {
        for (scheme, more) in [(Scheme::Http, ""), (Scheme::Https, "; Secure")] {
            let mut out = Vec::new();
            push_set_cookie(&mut out, SetCookie { name: &name("srv"), value: b"abc", scheme });
            let line = format!("Set-Cookie: srv=abc; Path=/; HttpOnly; SameSite=Lax{more}\r\n");
            assert_eq!(out, line.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn nothing_of_ours_passes_and_nothing_else_is_lost(
            pairs in prop::collection::vec("(srv|a|b)(=[a-c=\"]{0,3})?", 0..8),
        ) {
            let is_ours = |pair: &&String| pair.starts_with("srv=");
            let line = format!("Cookie: {}\r\n", pairs.join("; "));
            let theirs: Vec<&str> =
                pairs.iter().filter(|pair| !is_ours(pair)).map(String::as_str).collect();
            let expected = match theirs.is_empty() {
                true if !pairs.is_empty() => vec![],
                _ => vec![format!("Cookie: {}", theirs.join("; "))],
            };
            prop_assert_eq!(passed(&line), expected);
            let ours = pairs.iter().find(is_ours).and_then(|pair| pair.split_once('='));
            prop_assert_eq!(found(&line), ours.map(|(_, value)| value.to_owned()));
        }
    }
}

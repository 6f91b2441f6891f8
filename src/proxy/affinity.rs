//! What of a request ties it to an endpoint, and the cookie that ties its client.

use std::net::IpAddr;

use super::upstream::Upstream;
use crate::http1::{CookieName, HeaderName, Peer, RequestHead, SetCookie};
use crate::pool::{Key, Ties, Token};

/// What ties requests to endpoints; nothing, unless somebody says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// What consistent hashing goes by.
    pub hash_on: Option<HashOn>,
    /// The cookie that tells which endpoint a client was given.
    pub sticky: Option<CookieName>,
}

/// What consistent hashing goes by. A request without it has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// The first line of a header.
    Header(HeaderName),
    /// A cookie of the application's.
    Cookie(CookieName),
    /// The client's address, without the port.
    Address,
}

impl Affinity {
    /// What ties a request, whose head is in `bytes`.
    pub(super) fn ties(&self, head: &RequestHead, bytes: &[u8], sender: IpAddr) -> Ties {
        Ties {
            key: self.hash_on.and_then(|on| on.key(head, bytes, sender)),
            token: self.sticky.and_then(|name| head.cookie(bytes, &name)).and_then(Token::read),
        }
    }

    /// The cookie that a client is to be given with an answer of `upstream`, unless it has it.
    pub(super) fn cookie<'a>(
        &'a self,
        ties: Ties,
        peer: &Peer,
        upstream: &'a Upstream,
    ) -> Option<SetCookie<'a>> {
        let (name, token) = (self.sticky.as_ref()?, upstream.token.as_ref()?);
        let is_new = ties.token.as_ref() != Some(token);
        is_new.then(|| SetCookie { name, value: token.as_bytes(), scheme: peer.scheme() })
    }
}

impl HashOn {
    fn key(&self, head: &RequestHead, bytes: &[u8], sender: IpAddr) -> Option<Key> {
        let text = match self {
            Self::Header(name) => head.header(bytes, name.as_str()),
            Self::Cookie(name) => head.cookie(bytes, name),
            Self::Address => {
                return Some(match sender {
                    IpAddr::V4(address) => Key::of(&address.octets()),
                    IpAddr::V6(address) => Key::of(&address.octets()),
                });
            }
        };
        // What is empty says nothing about anybody: all of those would meet on one endpoint.
        text.filter(|text| !text.is_empty()).map(Key::of)
    }
}

//! Sticky sessions: a token in a client's cookie names the endpoint that answered it first.
//!
//! The token is a keyed hash of the address, so that it tells nobody the address, nobody can make
//! one up, and it means the same after a restart. It is looked up, never taken apart: whatever is
//! not the token of an endpoint that serves is as good as none.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::address::Address;

/// Bytes of the hash that become a token: 128 bits cannot be guessed.
const TOKEN_BYTES: usize = 16;
/// The same in base64url, without padding.
const TOKEN_CHARS: usize = 22;

/// What tokens are made with. Its `Debug` hides it, so that it cannot end up in a log.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

/// Names an endpoint to the balancer that made it, and nothing to anybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token([u8; TOKEN_CHARS]);

impl Secret {
    /// The secret with these bytes, of which there may be any number.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes keys of every length (RFC 2104)"))
    }

    /// The token of an endpoint.
    #[must_use]
    pub fn token(&self, address: &Address) -> Token {
        let mut hmac = self.0.clone();
        hmac.update(address.to_string().as_bytes());
        let hash = hmac.finalize().into_bytes();
        let mut text = [0; TOKEN_CHARS];
        let written = BASE64_URL_SAFE_NO_PAD.encode_slice(&hash[..TOKEN_BYTES], &mut text);
        debug_assert_eq!(written, Ok(TOKEN_CHARS));
        Token(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Token {
    /// The token that a client sent, if it can be one.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        text.try_into().ok().map(Self)
    }

    /// The token as a client gets it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Where it stands in an [`Index`]. Tokens in one are as good as random; those that are asked
    /// for can be anything, and meet what is there by chance.
    fn slot(&self, slots: usize) -> usize {
        let bits = self.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // Each letter has six random bits; the product brings all of them to the top.
        (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (slots - 1)
    }
}

/// The places of all tokens. Twice as many slots as tokens: a look-up meets two or three.
#[derive(Clone, Debug, Default)]
pub(super) struct Index(Box<[Option<Entry>]>);

type Entry = (Token, u32);

impl Index {
    /// Finds each of these tokens at its place; the first, where two are the same.
    pub(super) fn new(tokens: impl Iterator<Item = (Token, u32)> + Clone) -> Self {
        let count = tokens.clone().count();
        let mut slots = match count {
            0 => Vec::new(),
            _ => vec![None; (2 * count).next_power_of_two()],
        };
        for (token, place) in tokens {
            let mut at = token.slot(slots.len());
            while slots[at].is_some_and(|(other, _)| other != token) {
                at = (at + 1) % slots.len();
            }
            slots[at].get_or_insert((token, place));
        }
        Self(slots.into())
    }

    /// The place of a token.
    pub(super) fn place(&self, token: Token) -> Option<usize> {
        let slots = &self.0;
        if slots.is_empty() {
            return None;
        }
        let mut at = token.slot(slots.len());
        // Half of the slots are free, so the end is near.
        while let Some((other, place)) = slots[at] {
            if other == token {
                return Some(place as usize);
            }
            at = (at + 1) % slots.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()
    }

    #[test]
    fn a_token_is_the_hmac_of_the_address_and_nothing_else() {
        // Computed with OpenSSL: printf 127.0.0.1:8001 | openssl dgst -sha256 -hmac secret -binary
        // | head -c 16 | basenc --base64url
        let token = Secret::new(b"secret").token(&address(8001));
        assert_eq!(String::from_utf8_lossy(token.as_bytes()), "yF3nhhv-ly8CHY527iE27g");
        assert_ne!(token, Secret::new(b"another").token(&address(8001)));
        assert_eq!(format!("{:?}", Secret::new(b"secret")), "Secret(…)");
    }

    #[test]
    fn only_what_is_as_long_as_a_token_can_be_one() {
        let token = Secret::new(b"secret").token(&address(1));
        assert_eq!(Token::read(token.as_bytes()), Some(token));
        for text in [&b""[..], &token.as_bytes()[1..], b"AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(Token::read(text), None);
        }
    }

    #[test]
    fn every_token_is_found_and_no_other() {
        let secret = Secret::new(b"secret");
        for count in [0, 1, 2, 3, 1000] {
            let tokens = (0..count).map(|number| (secret.token(&address(number)), number.into()));
            let index = Index::new(tokens.clone());
            for (token, place) in tokens {
                assert_eq!(index.place(token), Some(place as usize));
            }
            assert_eq!(index.place(secret.token(&address(count))), None);
            assert_eq!(index.place(Token([b'A'; TOKEN_CHARS])), None);
        }
    }

    #[test]
    fn of_two_with_one_address_the_first_is_found() {
        let token = Secret::new(b"secret").token(&address(1));
        let index = Index::new([(token, 0), (token, 1)].into_iter());
        assert_eq!(index.place(token), Some(0));
    }
}

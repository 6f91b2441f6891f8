//! The keys of the requests that are being carried out.
//!
//! A second request with a key whose first is not answered yet is told so at once (409), as
//! <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header> wants it:
//! it would learn nothing by waiting, and its connection is of use elsewhere.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::task::IdempotencyKey;

/// The keys.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashSet<IdempotencyKey>>);

/// A key in use; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    keys: &'a InFlight,
    key: IdempotencyKey,
}

impl InFlight {
    /// Takes `key`. `None`: a request with it is being carried out.
    pub(super) fn claim(&self, key: IdempotencyKey) -> Option<Claim<'_>> {
        let is_free = self.keys().insert(key.clone());
        is_free.then_some(Claim { keys: self, key })
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<IdempotencyKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.keys.keys().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_use_until_its_request_ends() {
        let keys = InFlight::default();
        let key = |text: &str| IdempotencyKey::new(text.as_bytes()).unwrap();
        let first = keys.claim(key("a"));
        assert!(
            first.is_some() && keys.claim(key("a")).is_none() && keys.claim(key("b")).is_some()
        );
        drop(first);
        assert!(keys.claim(key("a")).is_some());
    }
}

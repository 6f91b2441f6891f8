//! The accounts of the slots, in which the data plane counts what their instances answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::fleet::Slot;
use crate::metrics::{Account, SLOTS_MAX};

/// An account for each slot that ever took traffic, up to [`SLOTS_MAX`], and one for all others.
/// Immutable: another slot makes another list.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// By slot.
    pub slots: BTreeMap<Slot, Arc<Account>>,
    /// The one that slots beyond these share.
    pub others: Arc<Account>,
}

/// Opens accounts, and tells who follows.
#[derive(Debug)]
pub(super) struct Books {
    threads: usize,
    accounts: watch::Sender<Arc<Accounts>>,
}

impl Books {
    pub(super) fn new(threads: usize, others: &Arc<Account>) -> Self {
        let accounts = Accounts { slots: BTreeMap::new(), others: Arc::clone(others) };
        Self { threads, accounts: watch::Sender::new(Arc::new(accounts)) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Accounts>> {
        self.accounts.subscribe()
    }

    /// The account of a slot, whoever is in it.
    pub(super) fn account(&self, slot: Slot) -> Arc<Account> {
        let accounts = Arc::clone(&self.accounts.borrow());
        if let Some(account) = accounts.slots.get(&slot) {
            return Arc::clone(account);
        }
        if accounts.slots.len() >= SLOTS_MAX {
            return Arc::clone(&accounts.others);
        }
        let account = Arc::new(Account::new(self.threads));
        let mut next = Accounts::clone(&accounts);
        next.slots.insert(slot, Arc::clone(&account));
        self.accounts.send_replace(Arc::new(next));
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Group;

    #[test]
    fn a_slot_keeps_its_account_and_a_thousand_slots_are_not_a_thousand_accounts() {
        let others = Arc::new(Account::new(1));
        let books = Books::new(1, &others);
        let slot = |index| Slot { group: Group::Instances, index };
        let first = books.account(slot(0));
        for index in 0..1000 {
            let account = books.account(slot(index));
            assert_eq!(Arc::ptr_eq(&account, &others), index as usize >= SLOTS_MAX, "{index}");
        }
        assert!(Arc::ptr_eq(&first, &books.account(slot(0))));
        assert_eq!(books.subscribe().borrow().slots.len(), SLOTS_MAX);
    }
}

//! Vigils: who waits for an account's errand to end hears of it at once, and need not ask again
//! and again. A vigil is a hint only: whether anything came of the errand, the account says.

use std::pin::Pin;
use std::sync::Arc;

use carbon_protocol::AccountId;
use dashmap::DashMap;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// All vigils that are kept in this process, by account.
#[derive(Debug, Default)]
pub struct Vigils(DashMap<AccountId, Kept>);

#[derive(Debug, Default)]
struct Kept {
    bell: Arc<Notify>,
    /// How many wait at the bell; the last to leave takes it down.
    waiting: usize,
}

/// One who waits. It hears every end from its beginning on.
pub struct Vigil {
    vigils: Arc<Vigils>,
    account: AccountId,
    rung: Pin<Box<OwnedNotified>>,
}

impl Vigils {
    /// Begins a vigil: look at the account after this, not before, and no end goes unheard.
    pub fn begin(self: &Arc<Self>, account: AccountId) -> Vigil {
        let mut kept = self.0.entry(account).or_default();
        kept.waiting += 1;
        let rung = Box::pin(kept.bell.clone().notified_owned());
        Vigil { vigils: self.clone(), account, rung }
    }

    /// Tells all who wait that an errand of the account has ended.
    pub fn end(&self, account: AccountId) {
        if let Some(kept) = self.0.get(&account) {
            kept.bell.notify_waiters();
        }
    }
}

impl Vigil {
    /// Resolves when an errand of the account has ended.
    pub async fn ended(mut self) {
        self.rung.as_mut().await;
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.vigils.0.remove_if_mut(&self.account, |_, kept| {
            kept.waiting -= 1;
            kept.waiting == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    const ONE: AccountId = AccountId([1; 16]);

    #[test]
    fn an_end_is_heard_by_all_who_began_before_it_and_nobody_is_remembered() {
        let vigils = Arc::new(Vigils::default());
        vigils.end(ONE);
        let (first, second) = (vigils.begin(ONE), vigils.begin(ONE));
        let other = vigils.begin(AccountId([2; 16]));
        vigils.end(ONE);
        assert!(first.ended().now_or_never().is_some());
        let late = vigils.begin(ONE);
        assert!(second.ended().now_or_never().is_some());
        assert!(late.ended().now_or_never().is_none());
        assert!(other.ended().now_or_never().is_none());
        assert!(vigils.0.is_empty());
    }
}

//! By which pseudonym an application knows an account: asked for every event that is told outside,
//! because events name accounts and outside only CCIDs are known.

use std::sync::Arc;

use carbon_protocol::account::AccountEvent;
use carbon_protocol::entry::Stream;
use carbon_protocol::{AccountId, AppNo, Ccid, PartnerUid};

use super::hot::Hot;
use crate::machines::account::Account;
use crate::ports::{Failure, Store};
use crate::snapshot;

/// Links kept in memory, twice at most.
const BOUND: usize = 50_000;

/// A link to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The pseudonym.
    pub ccid: Ccid,
    /// The partner's id of its user, when known.
    pub partner_uid: Option<PartnerUid>,
}

/// Links as the snapshots have them. A snapshot is in the store before anybody follows its entry,
/// so what an entry rests on is always found; it may be newer than the entry.
pub struct Links {
    store: Arc<dyn Store>,
    known: Hot<(AccountId, AppNo), Link>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links(..)")
    }
}

impl Links {
    /// Links of the accounts in a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Hot::new(BOUND) }
    }

    /// The link of an account to an application; none where it has none.
    pub fn of(&mut self, account: AccountId, app: AppNo) -> Result<Option<Link>, Failure> {
        if let Some(link) = self.known.get(&(account, app)) {
            return Ok(Some(link.clone()));
        }
        let loaded = snapshot::load::<Account>(&*self.store, Stream::Account(account))?;
        let links = loaded.machine.summary().links.into_iter();
        let Some(view) = links.into_iter().find(|link| link.app == app) else { return Ok(None) };
        let link = Link { ccid: view.ccid, partner_uid: view.partner_uid };
        self.known.put((account, app), link.clone());
        Ok(Some(link))
    }

    /// Learns from an event. A user id that an event leaves out stays what it was.
    pub fn learn(&mut self, account: AccountId, event: &AccountEvent) {
        let AccountEvent::Bound { app, ccid, partner_uid } = event else { return };
        let key = (account, *app);
        match partner_uid {
            Some(_) => {
                let link = Link { ccid: ccid.clone(), partner_uid: partner_uid.clone() };
                self.known.put(key, link);
            }
            None if self.known.get(&key).is_some_and(|known| known.ccid == *ccid) => {}
            None => self.known.remove(&key),
        }
    }
}

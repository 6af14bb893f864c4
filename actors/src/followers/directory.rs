//! The resident directory: (application, CCID) → account, eight bytes of hash for each, because a
//! store read a row would be the dearest part of a batch. The account verifies the full CCID
//! itself. The application is part of the key, so that another one's pseudonym is not found at
//! all: it takes the very way of one that does not exist, and no clock can tell them apart.

use std::hash::{DefaultHasher, Hash, Hasher};

use carbon_protocol::{AccountId, AppNo, Ccid};
use dashmap::DashMap;

use crate::ports::{Failure, Put, Store, Tree};

/// Pairs read at once.
const AT_ONCE: usize = 4096;

/// Which account a CCID belongs to. Filled by the projector and at start.
#[derive(Default)]
pub struct Directory {
    by_hash: DashMap<u64, AccountId>,
    /// CCIDs whose hash stands for another account already, in full.
    collided: DashMap<Ccid, AccountId>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({} CCIDs)", self.len())
    }
}

impl Directory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a CCID; the last entry of one wins.
    pub fn insert(&self, app: AppNo, ccid: &Ccid, account: AccountId) {
        self.insert_hashed(hash_of(app, ccid), ccid, account);
    }

    fn insert_hashed(&self, hash: u64, ccid: &Ccid, account: AccountId) {
        let holder = *self.by_hash.entry(hash).or_insert(account);
        if holder != account {
            self.collided.insert(ccid.clone(), account);
        } else if !self.collided.is_empty() {
            self.collided.remove(ccid);
        }
    }

    /// The account of an application's CCID. One that was never entered may meet another one's
    /// hash: whoever acts on the answer asks the account, which knows its CCIDs.
    pub fn resolve(&self, app: AppNo, ccid: &Ccid) -> Option<AccountId> {
        self.resolve_hashed(hash_of(app, ccid), ccid)
    }

    fn resolve_hashed(&self, hash: u64, ccid: &Ccid) -> Option<AccountId> {
        if !self.collided.is_empty()
            && let Some(account) = self.collided.get(ccid)
        {
            return Some(*account);
        }
        self.by_hash.get(&hash).map(|account| *account)
    }

    /// How many CCIDs it knows.
    pub fn len(&self) -> usize {
        self.by_hash.len() + self.collided.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enters everything the store has.
    pub fn load(&self, store: &dyn Store) -> Result<(), Failure> {
        // Identifiers are ASCII: every one sorts before this.
        let (mut from, to) = (Vec::new(), [0xff; 3]);
        loop {
            let pairs = store.scan(Tree::Directory, &from, &to, AT_ONCE, false)?;
            for (key, value) in &pairs {
                let (app, ccid, account) = entry_of(key, value)
                    .ok_or_else(|| Failure::Store("the directory has a broken entry".into()))?;
                self.insert(app, &ccid, account);
            }
            match pairs.last() {
                Some((last, _)) if pairs.len() == AT_ONCE => from = [&last[..], &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }
}

/// The store's write for an application's CCID.
pub fn put(app: AppNo, ccid: &Ccid, account: AccountId) -> Put {
    Put {
        tree: Tree::Directory,
        key: [&app.0.to_be_bytes()[..], ccid.as_str().as_bytes()].concat(),
        value: Some(account.0.to_vec()),
    }
}

fn entry_of(key: &[u8], value: &[u8]) -> Option<(AppNo, Ccid, AccountId)> {
    let (app, ccid) = key.split_first_chunk::<2>()?;
    let ccid = Ccid::parse(std::str::from_utf8(ccid).ok()?).ok()?;
    Some((AppNo(u16::from_be_bytes(*app)), ccid, AccountId(value.try_into().ok()?)))
}

/// SipHash with fixed keys. Whoever makes two CCIDs meet on purpose finds the second one in the
/// overflow.
fn hash_of(app: AppNo, ccid: &Ccid) -> u64 {
    let mut hasher = DefaultHasher::new();
    (app, ccid).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: AppNo = AppNo(1);

    fn ccid(text: &str) -> Ccid {
        Ccid::parse(text).unwrap()
    }

    #[test]
    fn finds_what_was_entered_and_the_last_one_wins() {
        let directory = Directory::new();
        assert_eq!(directory.resolve(APP, &ccid("c1")), None);
        directory.insert(APP, &ccid("c1"), AccountId([1; 16]));
        directory.insert(APP, &ccid("c2"), AccountId([2; 16]));
        assert_eq!(directory.resolve(APP, &ccid("c1")), Some(AccountId([1; 16])));
        assert_eq!(directory.resolve(APP, &ccid("c2")), Some(AccountId([2; 16])));
        directory.insert(APP, &ccid("c1"), AccountId([3; 16]));
        assert_eq!(directory.resolve(APP, &ccid("c1")), Some(AccountId([3; 16])));
        directory.insert(APP, &ccid("c1"), AccountId([1; 16]));
        assert_eq!(directory.resolve(APP, &ccid("c1")), Some(AccountId([1; 16])));
        assert_eq!(directory.len(), 2);
        assert_eq!(directory.resolve(AppNo(2), &ccid("c1")), None, "another's does not exist");
    }

    #[test]
    fn two_ccids_of_one_hash_stay_apart() {
        let directory = Directory::new();
        directory.insert_hashed(7, &ccid("c1"), AccountId([1; 16]));
        directory.insert_hashed(7, &ccid("c2"), AccountId([2; 16]));
        directory.insert_hashed(7, &ccid("c1"), AccountId([1; 16]));
        assert_eq!(directory.resolve_hashed(7, &ccid("c1")), Some(AccountId([1; 16])));
        assert_eq!(directory.resolve_hashed(7, &ccid("c2")), Some(AccountId([2; 16])));
    }
}

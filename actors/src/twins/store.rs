//! The store in memory: what was put is found at once and survives a crash only if a checkpoint
//! followed.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use super::Faults;
use crate::ports::{Failure, Pair, Put, Store, Tree};

type Key = (Tree, Vec<u8>);

/// A [`Store`] in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    faults: Faults,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    newest: BTreeMap<Key, Vec<u8>>,
    dirty: BTreeSet<Key>,
    durable: BTreeMap<Key, Vec<u8>>,
    cursors: BTreeMap<String, u64>,
}

impl MemoryStore {
    /// The next `checkpoints` fail and write nothing.
    pub fn fail_next(&self, checkpoints: usize) {
        self.faults.plan(checkpoints);
    }

    /// A crash: what no checkpoint wrote is gone.
    pub fn crash(&self) {
        let mut inner = self.inner.lock();
        inner.newest = inner.durable.clone();
        inner.dirty.clear();
    }

    /// How many pairs a tree holds.
    pub fn len(&self, tree: Tree) -> usize {
        self.inner.lock().newest.keys().filter(|(of, _)| *of == tree).count()
    }

    /// Whether a tree holds nothing.
    pub fn is_empty(&self, tree: Tree) -> bool {
        self.len(tree) == 0
    }
}

impl Store for MemoryStore {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.inner.lock().newest.get(&(tree, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        tree: Tree,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Failure> {
        if from >= to {
            return Ok(Vec::new());
        }
        let inner = self.inner.lock();
        let range = inner.newest.range((tree, from.to_vec())..(tree, to.to_vec()));
        let pairs = range.map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(if reverse { pairs.rev().take(limit).collect() } else { pairs.take(limit).collect() })
    }

    fn put(&self, puts: Vec<Put>) {
        let mut inner = self.inner.lock();
        for put in puts {
            let key = (put.tree, put.key);
            inner.dirty.insert(key.clone());
            match put.value {
                Some(value) => inner.newest.insert(key, value),
                None => inner.newest.remove(&key),
            };
        }
    }

    fn waiting(&self) -> usize {
        self.inner.lock().dirty.len()
    }

    fn checkpoint(&self, cursors: &[(&str, u64)]) -> Result<(), Failure> {
        if self.faults.strike() {
            return Err(Failure::Store("told to fail".into()));
        }
        let mut inner = self.inner.lock();
        let Inner { newest, dirty, durable, .. } = &mut *inner;
        for key in std::mem::take(dirty) {
            match newest.get(&key) {
                Some(value) => durable.insert(key, value.clone()),
                None => durable.remove(&key),
            };
        }
        for (name, cursor) in cursors {
            inner.cursors.insert((*name).into(), *cursor);
        }
        Ok(())
    }

    fn cursor(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.inner.lock().cursors.get(name).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u8, value: Option<u8>) -> Vec<Put> {
        vec![Put { tree: Tree::Due, key: vec![key], value: value.map(|value| vec![value]) }]
    }

    #[test]
    fn a_crash_loses_what_no_checkpoint_wrote() {
        let store = MemoryStore::default();
        store.put(put(1, Some(1)));
        store.checkpoint(&[("tail", 7)]).unwrap();
        store.put(put(1, None));
        store.put(put(2, Some(2)));
        assert_eq!(store.waiting(), 2);
        assert_eq!(store.get(Tree::Due, &[1]).unwrap(), None);
        store.fail_next(1);
        assert!(store.checkpoint(&[("tail", 8)]).is_err());
        store.crash();
        assert_eq!(store.scan(Tree::Due, &[0], &[9], 9, false).unwrap(), [(vec![1], vec![1])]);
        assert_eq!((store.cursor("tail").unwrap(), store.cursor("other").unwrap()), (7, 0));
    }

    #[test]
    fn a_scan_keeps_to_its_tree_its_bounds_and_its_direction() {
        let store = MemoryStore::default();
        for key in 1..=5 {
            store.put(put(key, Some(key)));
        }
        store.put(vec![Put { tree: Tree::Pages, key: vec![3], value: Some(vec![0]) }]);
        let keys = |from: u8, to: u8, limit, reverse| -> Vec<u8> {
            let pairs = store.scan(Tree::Due, &[from], &[to], limit, reverse).unwrap();
            pairs.into_iter().map(|(key, _)| key[0]).collect()
        };
        assert_eq!(keys(2, 5, 9, false), [2, 3, 4]);
        assert_eq!(keys(2, 5, 2, true), [4, 3]);
        assert_eq!(keys(5, 2, 9, false), [] as [u8; 0]);
    }
}

//! A bounded map of what was used lately: two generations, the older one let go at once. Cheaper
//! than a true order of use, and as good for what is asked again soon or never.

use std::collections::HashMap;
use std::hash::Hash;

/// At most twice `bound` values.
#[derive(Debug)]
pub(crate) struct Hot<K, V> {
    bound: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V> Hot<K, V> {
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound, young: HashMap::new(), old: HashMap::new() }
    }

    /// The value; what is asked for is young again, while there is room.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        if self.young.len() < self.bound
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.young.insert(key, value);
        }
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    /// Takes a value; hands out what is let go for it.
    pub(crate) fn put(&mut self, key: K, value: V) -> HashMap<K, V> {
        self.old.remove(&key);
        self.young.insert(key, value);
        if self.young.len() > self.bound {
            // As many will come again: no growing, step by step, to the same size.
            let room = HashMap::with_capacity(self.bound + 1);
            let young = std::mem::replace(&mut self.young, room);
            return std::mem::replace(&mut self.old, young);
        }
        HashMap::new()
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// All values.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.young.iter_mut().chain(self.old.iter_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_hands_out_the_rest() {
        let mut hot = Hot::new(2);
        let mut gone = Vec::new();
        for key in 0..20 {
            gone.extend(hot.put(key, key).into_keys());
            assert_eq!(hot.get(&0), Some(&mut 0), "used all the time");
        }
        gone.sort_unstable();
        let mut kept: Vec<i32> = hot.iter_mut().map(|(key, _)| *key).collect();
        kept.extend(&gone);
        kept.sort_unstable();
        assert_eq!(kept, (0..20).collect::<Vec<_>>(), "nothing is lost, nothing is there twice");
        assert!(gone.len() > 10 && !gone.contains(&0));
        hot.remove(&0);
        assert_eq!(hot.get(&0), None);
    }
}

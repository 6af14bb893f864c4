//! What was put and is not yet written: one generation that takes writes, one that is being
//! written. Both are looked at before the disk, the younger one first.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_actors::ports::{Put, Tree};

/// Changes of one tree by key; none removes.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Changes of all trees.
pub(super) type Generation = BTreeMap<Tree, Changes>;

/// Both generations.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    active: Generation,
    writing: Arc<Generation>,
}

/// Which part of a tree is asked for.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub tree: Tree,
    pub from: Vec<u8>,
    pub to: Vec<u8>,
    pub reverse: bool,
}

impl Overlay {
    /// Takes writes; later ones win.
    pub fn put(&mut self, puts: Vec<Put>) {
        for put in puts {
            self.active.entry(put.tree).or_default().insert(put.key, put.value);
        }
    }

    /// The newest change of a key, if it was changed.
    pub fn get(&self, tree: Tree, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let find = |generation: &Generation| generation.get(&tree)?.get(key).cloned();
        find(&self.active).or_else(|| find(&self.writing))
    }

    /// How many keys were changed; one changed in both generations counts twice.
    pub fn len(&self) -> usize {
        let count = |generation: &Generation| generation.values().map(Changes::len).sum::<usize>();
        count(&self.active) + count(&self.writing)
    }

    /// Closes the active generation for writing. One whose writing failed is part of it again.
    pub fn begin(&mut self) -> Arc<Generation> {
        let young = std::mem::take(&mut self.active);
        let mut writing = std::mem::take(&mut self.writing);
        if writing.values().all(Changes::is_empty) {
            writing = Arc::new(young);
        } else {
            let old = Arc::make_mut(&mut writing);
            for (tree, changes) in young {
                old.entry(tree).or_default().extend(changes);
            }
        }
        self.writing = writing.clone();
        writing
    }

    /// Forgets the generation that was written, and gives it to whoever has time to drop it.
    pub fn finish(&mut self) -> Arc<Generation> {
        std::mem::take(&mut self.writing)
    }

    /// The changes at the start of a range (its end, in reverse), about `limit` of each
    /// generation, and how far they are complete: up to and including that key, or all if none.
    pub fn window(&self, range: &Range, limit: usize) -> (Changes, Option<Vec<u8>>) {
        let mut changes = Changes::new();
        let mut bound: Option<Vec<u8>> = None;
        for generation in [&*self.writing, &self.active] {
            let taken = take(generation, range, limit);
            if taken.len() == limit
                && let Some((last, _)) = taken.last()
            {
                let nearer = bound.as_ref().is_none_or(|bound| range.is_before(last, bound));
                bound = if nearer { Some(last.clone()) } else { bound };
            }
            changes.extend(taken);
        }
        if let Some(bound) = &bound {
            changes.retain(|key, _| !range.is_before(bound, key));
        }
        (changes, bound)
    }
}

type Change = (Vec<u8>, Option<Vec<u8>>);

fn take(generation: &Generation, range: &Range, limit: usize) -> Vec<Change> {
    let Some(changes) = generation.get(&range.tree) else {
        return Vec::new();
    };
    let span = changes.range(range.from.clone()..range.to.clone());
    let owned = span.map(|(key, value)| (key.clone(), value.clone()));
    if range.reverse { owned.rev().take(limit).collect() } else { owned.take(limit).collect() }
}

impl Range {
    /// Whether there can be nothing in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// Whether a key comes before another in the direction of the scan.
    pub fn is_before(&self, key: &[u8], other: &[u8]) -> bool {
        if self.reverse { key > other } else { key < other }
    }

    /// The part up to and including a key, in the direction of the scan.
    pub fn up_to(&self, bound: Option<&Vec<u8>>) -> Self {
        let mut part = self.clone();
        match bound {
            Some(bound) if self.reverse => part.from.clone_from(bound),
            Some(bound) => part.to = after(bound),
            None => {}
        }
        part
    }

    /// Cuts off the part up to and including a key.
    pub fn go_on_after(&mut self, bound: Vec<u8>) {
        if self.reverse {
            self.to = bound;
        } else {
            self.from = after(&bound);
        }
    }
}

/// The smallest key that is larger.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

//! Two stores side by side: whether a rebuilt one is what the live one is.

use std::cmp::Ordering;
use std::fmt;

use carbon_protocol::courier::Notice;

use crate::followers::models;
use crate::ports::{Failure, Pair, Store, Tree};

/// Pairs read at once.
const AT_ONCE: usize = 1024;
/// Differences after which nobody reads on.
const ENOUGH: usize = 1000;

/// How two stores differ in one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only the first has it.
    OnlyFirst(Tree, Vec<u8>),
    /// Only the second has it.
    OnlySecond(Tree, Vec<u8>),
    /// Both have it, with different values.
    Value(Tree, Vec<u8>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tree, key, how) = match self {
            Self::OnlyFirst(tree, key) => (tree, key, "is only in the first"),
            Self::OnlySecond(tree, key) => (tree, key, "is only in the second"),
            Self::Value(tree, key) => (tree, key, "has two values"),
        };
        write!(f, "{tree:?} ")?;
        key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, " {how}")
    }
}

/// Compares two stores tree by tree, in key order; at most a thousand differences. Left out:
/// cursors, and dues, which are taken out when they are settled and not by the journal.
pub fn compare(a: &dyn Store, b: &dyn Store) -> Result<Vec<Difference>, Failure> {
    let mut differences = Vec::new();
    for tree in Tree::ALL {
        if !matches!(tree, Tree::Cursors | Tree::Due) {
            compare_tree(tree, a, b, &mut differences)?;
        }
    }
    differences.truncate(ENOUGH);
    Ok(differences)
}

fn compare_tree(
    tree: Tree,
    a: &dyn Store,
    b: &dyn Store,
    differences: &mut Vec<Difference>,
) -> Result<(), Failure> {
    let (mut left, mut right) = (Walk::new(tree, a), Walk::new(tree, b));
    let (mut one, mut two) = (left.next()?, right.next()?);
    while differences.len() < ENOUGH {
        let order = match (&one, &two) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        match (order, &one, &two) {
            (Ordering::Less, Some((key, _)), _) => {
                differences.push(Difference::OnlyFirst(tree, key.clone()));
            }
            (Ordering::Greater, _, Some((key, _))) => {
                differences.push(Difference::OnlySecond(tree, key.clone()));
            }
            (Ordering::Equal, Some((key, left)), Some((_, right))) if !same(tree, left, right) => {
                differences.push(Difference::Value(tree, key.clone()));
            }
            _ => {}
        }
        if order != Ordering::Greater {
            one = left.next()?;
        }
        if order != Ordering::Less {
            two = right.next()?;
        }
    }
    Ok(())
}

/// Whether two values say the same. A notice tells the partner's user id as it was known when it
/// was projected; a live projector may already know of a later one.
fn same(tree: Tree, left: &[u8], right: &[u8]) -> bool {
    let notice = |value| {
        let notice = models::decode::<Notice>(Tree::Feeds, value).ok()?;
        Some(Notice { partner_uid: None, ..notice })
    };
    left == right || (tree == Tree::Feeds && notice(left).is_some_and(|l| Some(l) == notice(right)))
}

/// A tree's pairs, one after the other.
struct Walk<'s> {
    tree: Tree,
    store: &'s dyn Store,
    from: Vec<u8>,
    read: std::vec::IntoIter<Pair>,
}

impl<'s> Walk<'s> {
    fn new(tree: Tree, store: &'s dyn Store) -> Self {
        Self { tree, store, from: Vec::new(), read: Vec::new().into_iter() }
    }

    fn next(&mut self) -> Result<Option<Pair>, Failure> {
        if let Some(pair) = self.read.next() {
            return Ok(Some(pair));
        }
        // No key is as long as this one is high.
        let pairs = self.store.scan(self.tree, &self.from, &[0xff; 80], AT_ONCE, false)?;
        if let Some((last, _)) = pairs.last() {
            self.from = [&last[..], &[0]].concat();
        }
        self.read = pairs.into_iter();
        Ok(self.read.next())
    }
}

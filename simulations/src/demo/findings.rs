//! What was found: comparisons made, differences, and what the rules are checked against. Shared by
//! all citizens.

use std::collections::BTreeMap;
use std::fmt::Debug;

use parking_lot::Mutex;

use super::rules::{SeenAgain, SeenRepeat};

/// Differences that are shown in full.
const SHOWN: usize = 20;

/// The findings of a run.
#[derive(Default)]
pub struct Findings(Mutex<Found>);

/// What there is of them.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Comparisons, by what was compared.
    pub compared: BTreeMap<String, u64>,
    /// The first differences.
    pub differences: Vec<String>,
    /// How many there are.
    pub differences_total: u64,
    /// Requests sent twice.
    pub repeats: Vec<SeenRepeat>,
    /// Acknowledgements looked up again.
    pub again: Vec<SeenAgain>,
}

impl Findings {
    /// Compares an answer with the book.
    pub fn same<T: PartialEq + Debug + ?Sized>(
        &self,
        group: &str,
        what: impl Fn() -> String,
        expected: &T,
        got: &T,
    ) {
        let mut found = self.0.lock();
        *found.compared.entry(group.to_owned()).or_default() += 1;
        if expected != got {
            found.differ(format!("{}: expected {expected:?}, got {got:?}", what()));
        }
    }

    /// Something that should not have happened at all.
    pub fn wrong(&self, what: String) {
        self.0.lock().differ(what);
    }

    /// A request was sent twice.
    pub fn repeated(&self, repeat: SeenRepeat) {
        self.0.lock().repeats.push(repeat);
    }

    /// Something acknowledged was looked up again.
    pub fn looked_up(&self, what: impl Into<String>, found: bool) {
        self.0.lock().again.push(SeenAgain { what: what.into(), found });
    }

    /// Everything found so far.
    pub fn found(&self) -> Found {
        self.0.lock().clone()
    }
}

impl Found {
    fn differ(&mut self, difference: String) {
        self.differences_total += 1;
        if self.differences.len() < SHOWN {
            self.differences.push(difference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_counted_and_told() {
        let findings = Findings::default();
        findings.same("points", || "ccid-1".into(), &1, &1);
        findings.same("points", || "ccid-2".into(), &1, &2);
        findings.wrong("an order too many".into());
        let found = findings.found();
        assert_eq!((found.compared["points"], found.differences_total), (2, 2));
        assert!(found.differences[0].contains("ccid-2: expected 1, got 2"));
    }
}

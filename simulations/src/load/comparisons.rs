//! What was compared and what differed, while the run goes on and afterwards; without personal
//! data: citizens are numbers, and pseudonyms stay out.

use std::fmt::Debug;

use parking_lot::Mutex;

use super::outcome::Books;

/// Differences that are kept in words.
const KEPT: usize = 50;

/// All comparisons of a run; shared by all tasks.
#[derive(Default)]
pub struct Comparisons(Mutex<Books>);

impl Comparisons {
    /// Compares two values; `what` names the thing if they differ.
    pub fn same<T: PartialEq + Debug>(
        &self,
        kind: &'static str,
        what: impl FnOnce() -> String,
        expected: &T,
        got: &T,
    ) {
        let said =
            (expected != got).then(|| format!("{}: expected {expected:?}, got {got:?}", what()));
        self.note(Some(kind), None, said);
    }

    /// Checks a rule (`INV-03`); `what` names the thing if it does not hold.
    pub fn holds(&self, rule: &'static str, what: impl FnOnce() -> String, holds: bool) {
        self.note(None, Some(rule), (!holds).then(|| format!("{rule}: {}", what())));
    }

    /// Something differs that was not a comparison.
    pub fn differs(&self, said: String) {
        self.note(None, None, Some(said));
    }

    fn note(&self, kind: Option<&str>, rule: Option<&str>, difference: Option<String>) {
        let mut books = self.0.lock();
        if let Some(kind) = kind {
            count(&mut books.compared, kind);
        }
        if let Some(rule) = rule {
            count(&mut books.invariants, rule);
        }
        if let Some(said) = difference {
            books.differences_total += 1;
            if books.differences.len() < KEPT {
                books.differences.push(said);
            }
        }
    }

    /// All of it so far.
    pub fn books(&self) -> Books {
        self.0.lock().clone()
    }
}

fn count(counts: &mut std::collections::BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_counted_and_the_first_are_kept() {
        let all = Comparisons::default();
        all.same("totals", || "never".into(), &1, &1);
        all.holds("INV-03", || "never".into(), true);
        for no in 0..60 {
            all.same("totals", || format!("citizen {no}"), &1, &2);
        }
        let books = all.books();
        assert_eq!((books.compared["totals"], books.invariants["INV-03"]), (61, 1));
        assert_eq!((books.differences_total, books.differences.len()), (60, KEPT));
        assert_eq!(books.differences[0], "citizen 0: expected 1, got 2");
    }
}

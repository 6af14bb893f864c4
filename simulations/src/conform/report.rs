//! The checklist: what was examined, what came of it, what to mend.

use std::fmt;

use serde::Serialize;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As the contract says.
    Passed,
    /// Otherwise.
    Failed,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name, the same in every version: `C101.stale`.
    pub name: String,
    /// What is right.
    pub expected: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What came instead; empty where it passed.
    pub found: String,
    /// What to do about it; empty where it passed.
    pub mend: &'static str,
}

/// All checks of an examination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

/// What a check is about: the contract's rule, and the way there.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The last part of its name.
    pub name: &'static str,
    /// What is right.
    pub expected: &'static str,
    /// What to do where it is not so.
    pub mend: &'static str,
}

impl Report {
    /// Notes a check; an error says what came instead.
    pub fn note(&mut self, of: &str, rule: Rule, came: Result<(), String>) {
        let (outcome, found, mend) = match came {
            Ok(()) => (Outcome::Passed, String::new(), ""),
            Err(found) => (Outcome::Failed, found, rule.mend),
        };
        let (name, expected) = (format!("{of}.{}", rule.name), rule.expected);
        self.checks.push(Check { name, expected, outcome, found, mend });
    }

    /// Whether everything passed.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// What did not.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Failed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            match check.outcome {
                Outcome::Passed => writeln!(f, "  ok    {:<24} {}", check.name, check.expected)?,
                Outcome::Failed => {
                    writeln!(f, "  FAIL  {:<24} {}", check.name, check.expected)?;
                    writeln!(f, "        found: {}", check.found)?;
                    writeln!(f, "        mend:  {}", check.mend)?;
                }
            }
        }
        let failed = self.failed().count();
        write!(f, "{} checks passed, {failed} to mend", self.checks.len() - failed)
    }
}

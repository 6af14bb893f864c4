//! What a run comes to: one file for programs, one table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::latency::LatencyLine;

/// The report of a run: `DIR/report.json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The seed all of it was drawn from.
    pub seed: u64,
    /// Wall time of the run in milliseconds, from the first registration to the last comparison.
    pub duration_ms: u64,
    /// Citizens.
    pub users: u64,
    /// Accounts opened, by both ways.
    pub opened: u64,
    /// Scenes lit.
    pub lit: u64,
    /// Scenes revoked.
    pub revoked: u64,
    /// Citizens who linked the mall.
    pub malls_linked: u64,
    /// Rows sent in 01.Z304, wrong ones included.
    pub records_submitted: u64,
    /// Records the platform accepted.
    pub records_accepted: u64,
    /// Records refused, at once or by the account.
    pub records_refused: u64,
    /// Records issued.
    pub records_issued: u64,
    /// Records excluded by the operator.
    pub records_excluded: u64,
    /// Grams issued.
    pub grams_issued: u64,
    /// Points credited.
    pub points_credited: u64,
    /// Orders confirmed or paid.
    pub orders_confirmed: u64,
    /// Orders cancelled.
    pub orders_cancelled: u64,
    /// Refunds booked.
    pub orders_refunded: u64,
    /// Order actions rightly refused.
    pub orders_refused: u64,
    /// Push events the books say are owed.
    pub pushes_expected: u64,
    /// Push events that arrived, each counted once.
    pub pushes_delivered: u64,
    /// What was compared with the books, and how often.
    pub compared: BTreeMap<String, u64>,
    /// The rules of the domain.
    pub invariants: Invariants,
    /// Answers that differed from the books, the first of them.
    pub differences: Vec<String>,
    /// How many differed in all.
    pub differences_total: u64,
    /// How long each interface took.
    pub latency_ms: BTreeMap<String, LatencyLine>,
}

/// What became of the rules INV-01 to INV-10.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Invariants {
    /// Each rule that was checked.
    pub checked: Vec<Checked>,
    /// How many times one was broken.
    pub violations: u64,
}

/// One rule.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// `INV-01` …
    pub name: String,
    /// How it was checked.
    pub how: String,
    /// How many times.
    pub times: u64,
    /// How many times it was broken.
    pub violations: u64,
}

impl Report {
    /// Whether every answer agreed with the books and every rule held.
    pub fn ok(&self) -> bool {
        self.invariants.violations == 0 && self.differences_total == 0
    }

    /// Writes `report.json` into a folder, which is made where it is missing.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        let path = folder.join("report.json");
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))
    }

    /// The summary for a terminal.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let lines: [(&str, u64); 17] = [
            ("citizens", self.users),
            ("accounts opened", self.opened),
            ("scenes lit", self.lit),
            ("scenes revoked", self.revoked),
            ("malls linked", self.malls_linked),
            ("records submitted", self.records_submitted),
            ("records accepted", self.records_accepted),
            ("records refused", self.records_refused),
            ("records issued", self.records_issued),
            ("records excluded", self.records_excluded),
            ("grams issued", self.grams_issued),
            ("points credited", self.points_credited),
            ("orders confirmed", self.orders_confirmed),
            ("orders cancelled", self.orders_cancelled),
            ("refunds", self.orders_refunded),
            ("pushes expected", self.pushes_expected),
            ("pushes delivered", self.pushes_delivered),
        ];
        for (name, number) in lines {
            let _ = writeln!(text, "  {name:<22}{number:>12}");
        }
        let _ = writeln!(text, "\n  interface        p50 ms     p99 ms     max ms      calls");
        for (code, line) in &self.latency_ms {
            let _ = writeln!(
                text,
                "  {code:<12}{:>11.2}{:>11.2}{:>11.2}{:>11}",
                line.p50, line.p99, line.max, line.count
            );
        }
        let _ = writeln!(text);
        for rule in &self.invariants.checked {
            let verdict = if rule.violations == 0 { "holds" } else { "BROKEN" };
            let _ = writeln!(text, "  {} {verdict:<7}{:>8} × {}", rule.name, rule.times, rule.how);
        }
        self.verdict(&mut text);
        text
    }

    fn verdict(&self, text: &mut String) {
        let seconds = self.duration_ms / 1000;
        let tenths = self.duration_ms % 1000 / 100;
        let compared: u64 = self.compared.values().sum();
        let _ = writeln!(text);
        for difference in &self.differences {
            let _ = writeln!(text, "  differs: {difference}");
        }
        let _ = if self.ok() {
            writeln!(
                text,
                "  {compared} answers agree with the books; not a gram was lost or counted twice \
                 ({seconds}.{tenths} s, seed {})",
                self.seed
            )
        } else {
            writeln!(
                text,
                "  {} of {compared} differ, {} rules broken ({seconds}.{tenths} s, seed {})",
                self.differences_total, self.invariants.violations, self.seed
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_difference_or_one_broken_rule_is_not_well() {
        assert!(Report::default().ok());
        assert!(!Report { differences_total: 1, ..Report::default() }.ok());
        let invariants = Invariants { violations: 1, ..Invariants::default() };
        assert!(!Report { invariants, ..Report::default() }.ok());
    }

    #[test]
    fn the_file_has_every_field_that_was_agreed() {
        let folder = std::env::temp_dir().join(format!("carbon-report-{}", std::process::id()));
        Report::default().write(&folder).unwrap();
        let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        for field in [
            "users",
            "opened",
            "lit",
            "records_submitted",
            "records_accepted",
            "records_issued",
            "grams_issued",
            "points_credited",
            "orders_confirmed",
            "orders_refunded",
            "pushes_expected",
            "pushes_delivered",
            "invariants",
            "latency_ms",
            "seed",
            "duration_ms",
        ] {
            assert!(json.get(field).is_some(), "{field} is missing");
        }
        assert!(json["invariants"]["checked"].is_array());
        assert_eq!(json["invariants"]["violations"], 0);
    }
}
